"""Events of the hot path against the contract: pydantic models give the same bytes, schemas find no fault."""

from __future__ import annotations

import doctest
import json
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from models.clusters import changes
from models.contracts import encoding as outputs
from models.contracts.encoding import (
    ALERT,
    CLOSING,
    LAPSE,
    LIST,
    LIST_CLOSING,
    RECOMMENDATION,
    SEGMENT_CHANGE,
    block_of,
    numbers_as_json,
)
from models.contracts.events import OUTPUT_EVENTS, AlertClosing, output
from models.contracts.timestamps import time_text
from models.learning import clusters
from models.settings import LedgerSettings
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import basket, live, replay_of, tick, until_live
from tests.support.paths import DOCS

if TYPE_CHECKING:
    from models.contracts.event_block import Output
    from models.contracts.events import ClosingState

SETTINGS = LedgerSettings(
    segment_minimum_population=3,
    alert_minimum_probability=0.25,
    alert_minimum_lift=0.0,
    time_zone="America/New_York",
)
SCHEMAS = DOCS / "contracts"
MODELS = {
    type_.removeprefix("io.cartpulse.").removesuffix(".v1"): model
    for model, (_, type_) in OUTPUT_EVENTS.items()
}


@cache
def events() -> tuple[Output, ...]:
    """All that a made-up log gives: every kind, every state but `withdrawn`, non-ASCII names, odd times."""
    odd = [
        basket(f"odd{day}", "Zoë \N{SNOWMAN}", day + 0.123456, ('Käse "x"\\', "p/é", 1 / 3, 0.07))
        for day in range(45, 75, 5)
    ]
    log = a_log(7, days=45, customers=8)
    for at, value in enumerate(odd):
        log += [value, *(tick(45 + at * 5 + day) for day in range(5))]
    # Eight customers are enough for eight clusters here, and two days for a change.
    with mock.patch.object(clusters, "LEAST_MEMBERS", 1), mock.patch.object(changes, "PATIENCE_DAYS", 2):
        return tuple(replay_of(log, SETTINGS).outputs)


def name_of(event: Output) -> str:
    """Name of the contract of an event, `alert-closing` of `io.cartpulse.alert-closing.v1`."""
    return dict(event.headers)["ce_type"].decode().removeprefix("io.cartpulse.").removesuffix(".v1")


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(outputs).failed == 0


def test_every_event_is_what_the_model_of_its_type_writes_byte_for_byte() -> None:
    assert {name_of(event) for event in events()} == set(MODELS)
    for event in events():
        model = MODELS[name_of(event)].model_validate_json(event.value)
        assert output(model, source=SETTINGS.event_source) == event


@pytest.mark.parametrize("name", MODELS)
def test_the_committed_schema_finds_no_fault_in_any_event(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.v1.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    found = [json.loads(event.value) for event in events() if name_of(event) == name]
    assert len(found) > (5 if name in {"lapsed-habit", "cluster-change"} else 20)
    for value in found:
        validator.validate(value)
        assert list(value) == list(schema["properties"])


def test_the_log_shows_every_state_and_names_that_are_not_ascii() -> None:
    alerts = [
        json.loads(event.value)
        for event in events()
        if name_of(event) in {"replenishment-alert", "alert-closing"}
    ]
    assert {alert["state"] for alert in alerts} >= {"raised", "fulfilled", "missed"}
    assert 'Käse "x"\\' in {alert["category"] for alert in alerts}


def test_a_raised_alert_s_id_is_the_alert_s_id() -> None:
    for event in events():
        if name_of(event) == "replenishment-alert":
            value = json.loads(event.value)
            assert dict(event.headers)["ce_id"].decode() == value["alert_id"]


@pytest.mark.parametrize("state", ["fulfilled", "missed", "withdrawn"])
def test_every_chance_of_four_decimals_is_written_as_the_model_writes_it(state: ClosingState) -> None:
    closing = AlertClosing(
        alert_id="c44083b53e55598415591a10612be8c1",
        customer_id="900",
        category="MILK",
        state=state,
        best_date=date(2017, 3, 7),
        hit_probability=0.0,
        cause="boundary:2017-03-12",
        occurred_at=datetime(2017, 3, 13, 11, tzinfo=UTC),
        model_version="1",
    )
    chances = [number / 10_000 for number in range(10_001)]
    for chance, text in zip(chances, numbers_as_json(chances), strict=True):
        value = output(closing.model_copy(update={"hit_probability": chance})).value
        assert f'"hit_probability":{text},"cause"'.encode() in value


def test_times_keep_their_milliseconds_and_name_utc() -> None:
    assert time_text(1_488_711_600_001).endswith("Z")
    assert ".001" in time_text(1_488_711_600_001)


@pytest.mark.parametrize(
    "contract", [ALERT, CLOSING, LIST, LIST_CLOSING, LAPSE, RECOMMENDATION, SEGMENT_CHANGE]
)
def test_an_output_carries_what_identifies_it(contract: outputs.Contract) -> None:
    (event,) = block_of(contract, [b"900"], ["abc"], [b'{"a":1}'], times=[1_488_711_600_000], source="/shop")
    headers = dict(event.headers)
    assert (event.topic, event.key, event.value) == (contract.topic, b"900", b'{"a":1}')
    assert event.timestamp == 1_488_711_600_000
    assert headers["ce_id"] == b"abc"
    assert headers["ce_type"] == contract.type_.encode()
    assert headers["ce_source"] == b"/shop"
    assert headers["ce_time"] == b"2017-03-05T11:00:00Z"


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_as_json_are_the_numbers_one_by_one(values: list[float | None]) -> None:
    assert [json.loads(text) for text in numbers_as_json(values)] == values


def test_history_before_live_is_never_sent_on_the_wall_clock() -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    replay = replay_of([until_live(), *a_log(7, days=20), live(30.0)], wall)
    assert replay.outputs == []
    assert replay.counts["suppressed"] > 0
