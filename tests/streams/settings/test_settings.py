"""Settings: what is read, what is refused and in which words, what is hidden."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.settings import CategoryClass, LedgerSettings
from streams.errors import SettingsError
from streams.settings.environment import load_settings
from streams.settings.settings import HIDDEN, Settings, variable

LOGIN = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_USERNAME": "cartpulse",
    "KAFKA_SASL_PASSWORD": "hush-hush",
}


def test_names_of_group_and_topics_derive_from_application_and_prefix() -> None:
    settings = load_settings({"CARTPULSE_APPLICATION": "shop", "CARTPULSE_TOPIC_PREFIX": "eu."})
    assert settings.group == "shop-ledger"
    assert settings.purchases_topic == "eu.purchases"
    assert settings.dead_letters_topic == "eu.dead-letters"
    assert settings.changelog_topic == "eu.shop-ledger-changelog"
    assert settings.commands_topic == "eu.shop-commands"
    assert settings.topic("segment-changes") == "eu.segment-changes"


def test_ledger_settings_are_those_of_the_models() -> None:
    settings = load_settings(
        {"CARTPULSE_TIME_ZONE": "America/New_York", "CARTPULSE_NOT_CONSUMED": '["FUEL"]'}
    )
    assert settings.ledger == LedgerSettings(time_zone="America/New_York", not_consumed=("FUEL",))
    assert type(settings.ledger) is LedgerSettings


def test_a_changed_copy_has_what_follows_from_it() -> None:
    asked = LedgerSettings()
    known = asked.fingerprint, asked.class_of("FUEL"), asked.alert_quiet_set
    changed = asked.model_copy(update={"not_consumed": ("FUEL",), "alert_quiet_categories": ("FUEL",)})
    assert changed.class_of("FUEL") is CategoryClass.NOT_CONSUMED
    assert changed.alert_quiet_set == {"FUEL"}
    same = LedgerSettings(not_consumed=("FUEL",), alert_quiet_categories=("FUEL",))
    assert changed.fingerprint == same.fingerprint != asked.fingerprint
    assert (asked.fingerprint, asked.class_of("FUEL"), asked.alert_quiet_set) == known


def test_the_connection_does_not_change_the_fingerprint() -> None:
    elsewhere = load_settings({"KAFKA_BROKER": "other:9092", "CARTPULSE_PARTITIONS": "4"})
    assert elsewhere.ledger.fingerprint == elsewhere.fingerprint == LedgerSettings().fingerprint
    assert load_settings({"CARTPULSE_CURRENCY": "EUR"}).ledger.fingerprint != LedgerSettings().fingerprint


def test_secrets_are_never_shown() -> None:
    settings = load_settings(LOGIN)
    shown = settings.shown()
    assert shown["KAFKA_SASL_PASSWORD"] == HIDDEN
    assert shown["KAFKA_SASL_USERNAME"] == "cartpulse"
    assert shown["KAFKA_SSL_PASSWORD"] == ""
    assert "hush-hush" not in repr(settings) + str(shown)
    with pytest.raises(SettingsError) as refused:
        load_settings(LOGIN | {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"})
    assert "hush-hush" not in str(refused.value)


def test_every_setting_is_shown_under_its_variable() -> None:
    shown = Settings().shown()
    assert set(shown) == {variable(name) for name in Settings.model_fields}
    given = {name: value for name, value in shown.items() if value}
    assert load_settings(given) == Settings(), "what is shown can be given back"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().partitions = 2  # type: ignore[misc]  # the point of the test


def test_groups_of_categories_are_written_as_an_object_and_none_may_share_a_category() -> None:
    name = "CARTPULSE_CATEGORY_GROUPS"
    given = load_settings({name: '{"produce": ["VEG", "FRUIT"], "meat": ["BEEF"]}'})
    assert given.ledger.category_groups == (("meat", ("BEEF",)), ("produce", ("FRUIT", "VEG")))
    assert load_settings({name: given.shown()[name]}).ledger == given.ledger
    for wrong, why in (
        ('{"a": []}', "one category or more"),
        ('{"a": ["X"], "b": ["X"]}', "a category belongs to one group at most"),
        ('{"a": ["1"], "b": ["2"], "c": ["3"], "d": ["4"]}', "at most 3"),
        ("[1]", "valid tuple"),
    ):
        with pytest.raises(SettingsError, match=why):
            load_settings({name: wrong})
