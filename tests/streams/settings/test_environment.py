"""Settings from the environment: what is read, and what is refused in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.errors import SettingsError
from streams.settings.environment import load_settings
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def refusal(environment: dict[str, str], **overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, **overrides)
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()
    assert load_settings({"CARTPULSE_PARTITIONS": ""}).partitions == 1, "an empty variable is as good as none"


def test_overrides_stand_above_the_environment() -> None:
    settings = load_settings(
        {"CARTPULSE_PARTITIONS": "4", "KAFKA_BROKER": "a:1"}, partitions=8, kafka_broker="b:2"
    )
    assert (settings.partitions, settings.kafka_broker) == (8, "b:2")


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTPULSE_PARTITIONS", "12")
    assert load_settings().partitions == 12
    assert Settings().partitions == 1, "the constructor alone reads nothing"


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("CARTPULSE_PARTITONS", "CARTPULSE_PARTITIONS"),
        ("CARTPULSE_TIMEZONE", "CARTPULSE_TIME_ZONE"),
        ("KAFKA_BROKERS", "KAFKA_BROKER"),
        ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKER"),
        ("KAFKA_SASL_USER_NAME", "KAFKA_SASL_USERNAME"),
        ("KAFKA_SECURTY_PROTOCOL", "KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(misspelt: str, meant: str) -> None:
    assert refusal({misspelt: "1"}) == f"{misspelt} is no setting of Cartpulse: did you mean {meant}?"


def test_a_variable_like_no_other_is_refused_too() -> None:
    assert "`cartpulse settings` lists those there are" in refusal({"CARTPULSE_COLOUR": "blue"})


def test_an_unknown_override_is_refused() -> None:
    assert refusal({}, colour="blue") == "'colour' is no setting of Cartpulse."


@pytest.mark.parametrize(
    "name",
    [
        "KAFKA_HOME",
        "KAFKA_OPTS",
        "KAFKA_HEAP_OPTS",
        "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_LOG4J_OPTS",
        "KAFKA_CLUSTER_ID",
        "KAFKA_SERVICE_HOST",
        "KAFKA_BROKER_SERVICE_PORT_TCP_CLIENT",
        "KAFKA_BROKER_PORT_9092_TCP_ADDR",
        "CARTPULSE_SERVICE_HOST",
        "CARTPULSE_PORT",
        "CARTPULSE_PORT_6066_TCP_PROTO",
        "CARTPULSE_REQUIRE_KAFKA",
        "PATH",
    ],
)
def test_variables_of_kafkas_scripts_and_of_kubernetes_are_left_alone(name: str) -> None:
    assert load_settings({name: "anything"}) == Settings()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"KAFKA_SASL_USERNAME": "me"},
            "KAFKA_SASL_USERNAME is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
        ),
        ({"KAFKA_SASL_MECHANISM": "PLAIN"}, "set it to SASL_SSL (or SASL_PLAINTEXT), or unset the variable"),
        ({"KAFKA_SSL_CAFILE": "/x"}, "KAFKA_SSL_CAFILE is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"KAFKA_SSL_PASSWORD": "x"}, "KAFKA_SSL_PASSWORD is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "me"},
            "KAFKA_SASL_PASSWORD is missing",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": "x"},
            "KAFKA_SASL_USERNAME is missing",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/no/such"},
            "names '/no/such', where there is no file",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_PASSWORD": "x"},
            "without a KAFKA_SSL_KEYFILE to open",
        ),
        ({"KAFKA_BROKER": "kafka-1"}, "'kafka-1' is no `host:port`"),
        ({"KAFKA_BROKER": "kafka://kafka-1:9092"}, "is no `host:port`"),
        ({"KAFKA_BROKER": "kafka-1:99999"}, "is no `host:port`"),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM: Input should be 'PLAIN'"),
        (
            {"CARTPULSE_PARTITIONS": "0"},
            "CARTPULSE_PARTITIONS: Input should be greater than or equal to 1 (it is ",
        ),
        ({"CARTPULSE_TOPIC_PREFIX": "a b"}, "CARTPULSE_TOPIC_PREFIX: String should match pattern"),
        ({"CARTPULSE_TIME_ZONE": "Mars/Base"}, "CARTPULSE_TIME_ZONE: 'Mars/Base' is no IANA time zone"),
        ({"CARTPULSE_NOT_CONSUMED": "FUEL,COUPON"}, "holds several values, so it is written as JSON"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(environment: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(environment)


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "client.pem"
    certificate.touch()
    environment = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTFILE": str(certificate)}
    assert "go together: set both (to one file, if it holds both), or neither" in refusal(environment)
    assert (
        load_settings(environment | {"KAFKA_SSL_KEYFILE": str(certificate)}).kafka_ssl_certfile == certificate
    )


def test_every_fault_is_named_at_once() -> None:
    said = refusal({"CARTPULSE_PARTITIONS": "none", "CARTPULSE_CLOCK": "sun", "KAFKA_BROKER": "here"})
    for name in ("CARTPULSE_PARTITIONS", "CARTPULSE_CLOCK", "KAFKA_BROKER"):
        assert name in said
