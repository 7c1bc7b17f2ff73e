"""An output event as a line, and the filters that choose it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cartpulse.commands.outputs.lines import line
from streams.operations.events import OutputEvent, Wanted

ALERT = {
    "customer_id": "900",
    "category": "MILK",
    "state": "raised",
    "best_date": "2017-03-08",
    "probability_7_days": 0.634,
    "occurred_at": "2017-03-06T11:00:00Z",
}
CLOSING = {
    "customer_id": "900",
    "category": "MILK",
    "state": "missed",
    "best_date": "2017-03-08",
    "hit_probability": 0.6404,
    "occurred_at": "2017-03-14T11:00:00Z",
}
CHANGE = {
    "customer_id": "901",
    "from": None,
    "to": "At Risk",
    "reasons": [{"text": "Last bought 9 days ago"}],
    "occurred_at": "2017-03-06T11:00:00Z",
}


def seen(value: object, type_: str = "", key: bytes | None = b"900", **headers: str) -> OutputEvent:
    told = headers | ({"ce_type": f"io.cartpulse.{type_}.v1"} if type_ else {})
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return OutputEvent.of(
        SimpleNamespace(
            topic="topic",
            partition=1,
            offset=7,
            key=key,
            value=raw,
            headers=[(name, text.encode()) for name, text in told.items()],
        )
    )


def words(event: OutputEvent) -> str:
    return " ".join(line(event).split())


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (
            seen(ALERT, "replenishment-alert"),
            "2017-03-06 11:00 UTC alert raised 900 MILK, expected 2017-03-08, 63% within 7 days",
        ),
        (
            seen(CLOSING, "alert-closing"),
            "2017-03-14 11:00 UTC alert missed 900 MILK, expected 2017-03-08, said 64%",
        ),
        (
            seen(CLOSING | {"hit_probability": 0.004}, "alert-closing"),
            "2017-03-14 11:00 UTC alert missed 900 MILK, expected 2017-03-08",
        ),
        (
            seen(ALERT | {"best_date": "2017-03-20", "probability_7_days": 0.004}, "replenishment-alert"),
            "2017-03-06 11:00 UTC alert raised 900 MILK, expected 2017-03-20",
        ),
        (
            seen(CHANGE, "segment-change", b"901"),
            "2017-03-06 11:00 UTC segment 901 new -> At Risk: Last bought 9 days ago",
        ),
        (
            seen(
                {"items": [{"product_name": "Milk"}, {"category": "EGGS"}], "occurred_at": None},
                "recommendation",
            ),
            "never recommended 900 2 items: Milk, EGGS",
        ),
        (
            seen(
                {
                    "items": [{"category": "EGGS"}],
                    "products": [{"product_name": "Whole milk"}, {"product_id": "p7"}],
                    "occurred_at": None,
                },
                "recommendation",
            ),
            "never recommended 900 1 items: EGGS; products: Whole milk, p7",
        ),
        (
            seen(
                {
                    "from": {"number": 1, "name": "rare small shop"},
                    "to": {"number": 4, "name": "weekly big shop"},
                    "traits": [{"measure": "items", "value": 21.0, "average": 9.4}],
                    "occurred_at": None,
                },
                "cluster-change",
            ),
            "never cluster 900 rare small shop -> weekly big shop: items 21.0, average 9.4",
        ),
        (
            seen({"from": None, "to": {"name": "rare small shop"}, "occurred_at": None}, "cluster-change"),
            "never cluster 900 none -> rare small shop",
        ),
        (
            seen(
                b"\xff{",
                "dead-letter",
                None,
                topic="purchases",
                partition="0",
                offset="41",
                stage="decode",
                error="json",
                field="",
                reason="no JSON",
            ),
            "dead letter - purchases[0]@41 decode/json: no JSON",
        ),
        (
            seen({"something": 1, "occurred_at": "2017-03-06T11:00:00Z"}, "insight"),
            '2017-03-06 11:00 UTC insight 900 {"something": 1}',
        ),
        (seen(b"\x1b[2Jplain", "", b"a\nb"), r"topic a\nb \x1b[2Jplain"),
    ],
    ids=[
        "raised",
        "missed",
        "missed as good as surely",
        "raised far ahead",
        "segment",
        "recommendation",
        "products",
        "cluster",
        "first cluster",
        "dead letter",
        "unknown",
        "no event",
    ],
)
def test_an_event_is_one_readable_line(event: OutputEvent, wanted: str) -> None:
    assert words(event) == wanted
    assert "\n" not in line(event)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), [True, True]),
        (Wanted(customers=frozenset({"900"})), [True, False]),
        (Wanted(segments=frozenset({"At Risk"})), [False, True]),
        (Wanted(kinds=frozenset({"segment-change"})), [False, True]),
        (Wanted(kinds=frozenset({"io.cartpulse.replenishment-alert.v1"})), [True, False]),
        (Wanted(kinds=frozenset({"raised", "segment-change"})), [True, True]),
        (Wanted(kinds=frozenset({"missed"})), [False, False]),
        (Wanted(customers=frozenset({"900"}), kinds=frozenset({"segment-change"})), [False, False]),
    ],
)
def test_an_event_is_shown_that_passes_every_filter(wanted: Wanted, found: list[bool]) -> None:
    events = [seen(ALERT, "replenishment-alert"), seen(CHANGE, "segment-change", b"901")]
    assert [event in wanted for event in events] == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [("alert-closing", True), ("missed", True), ("fulfilled", False), ("replenishment-alert", False)],
)
def test_the_end_of_an_alert_is_found_by_its_type_and_by_its_state(kind: str, *, found: bool) -> None:
    assert (seen(CLOSING, "alert-closing") in Wanted(kinds=frozenset({kind}))) is found


def test_a_dead_letter_is_judged_by_its_key_whatever_its_value_claims() -> None:
    hostile = seen(
        {"customer_id": ["901"], "from": {}, "state": [], "to": "\ud800"}, "dead-letter", stage="time"
    )
    assert hostile in Wanted(customers=frozenset({"900"}), kinds=frozenset({"dead-letter"}))
    assert hostile not in Wanted(segments=frozenset({"At Risk"}))
    assert json.loads(hostile.as_json())["value"] == hostile.raw.decode()


def test_a_record_of_a_stranger_s_in_an_output_topic_is_shown_too() -> None:
    odd = seen({"customer_id": [], "occurred_at": 5, "state": {}, "from": []})
    assert words(odd).startswith("never topic 900")
    assert odd not in Wanted(segments=frozenset({"At Risk"}))
    assert json.loads(odd.as_json())["value"]["occurred_at"] == 5


def test_for_programs_an_event_keeps_its_place_its_headers_and_its_value() -> None:
    told: Any = json.loads(seen(ALERT, "replenishment-alert", ce_id="1").as_json())
    assert told == {
        "topic": "topic",
        "partition": 1,
        "offset": 7,
        "key": "900",
        "headers": {"ce_id": "1", "ce_type": "io.cartpulse.replenishment-alert.v1"},
        "value": ALERT,
    }
    assert json.loads(seen(b"\xff{").as_json())["value"] == "\\xff{"
