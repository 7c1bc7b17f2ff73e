"""Outputs are kept once each, by their id, and read by the names of the contract."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from cartpulse.demo.received import Received
from streams.settings.settings import Settings

SETTINGS = Settings(topic_prefix="shop-")


def record(topic: str, identity: str, value: dict[str, Any], **headers: str) -> SimpleNamespace:
    return SimpleNamespace(
        topic=topic,
        value=json.dumps(value).encode(),
        headers=[("ce_id", identity.encode()), *((name, text.encode()) for name, text in headers.items())],
    )


def alert(identity: str) -> SimpleNamespace:
    return record(
        "shop-replenishment-alerts",
        identity,
        {
            "alert_id": "1",
            "customer_id": "900",
            "category": "ROLLS",
            "state": "raised",
            "products": [],
            "best_date": "2017-03-05",
            "evidence": {
                "purchases_seen": 4,
                "typical_interval_days": 7.5,
                "last_purchase": "2017-02-26",
                "usual_quantity": 1.0,
            },
            "occurred_at": "2017-03-03T11:00:00Z",
        },
        ce_type="io.cartpulse.replenishment-alert.v1",
    )


def closing(identity: str, state: str) -> SimpleNamespace:
    return record(
        "shop-replenishment-alerts",
        identity,
        {
            "alert_id": "1",
            "customer_id": "900",
            "category": "ROLLS",
            "state": state,
            "best_date": "2017-03-05",
            "hit_probability": 0.64,
            "occurred_at": "2017-03-04T17:00:00Z",
        },
        ce_type="io.cartpulse.alert-closing.v1",
    )


def change(identity: str, before: str | None, after: str) -> SimpleNamespace:
    return record(
        "shop-segment-changes",
        identity,
        {
            "customer_id": "900",
            "from": before,
            "to": after,
            "reasons": [{"text": "Bought often"}],
            "cause": "31198570044",
            "occurred_at": "2017-03-03T11:00:00Z",
        },
    )


def test_an_alert_and_its_end_are_tied_together() -> None:
    received = Received()
    received.take(SETTINGS, alert("a"))
    received.take(SETTINGS, closing("b", "fulfilled"))
    assert received.states() == {"raised": 1, "fulfilled": 1, "missed": 0, "withdrawn": 0}
    assert received.closed[received.alerts[0].alert_id].state == "fulfilled"


def test_a_copy_counts_once() -> None:
    received = Received()
    for _ in range(3):
        received.take(SETTINGS, alert("a"))
        received.take(SETTINGS, change("b", None, "Promising"))
    assert (len(received.alerts), len(received.changes), received.copies) == (1, 1, 4)


def test_a_segment_change_tells_from_and_to() -> None:
    received = Received()
    received.take(SETTINGS, change("a", None, "Promising"))
    received.take(SETTINGS, change("b", "Promising", "Champions"))
    assert [(each.from_segment, each.to_segment) for each in received.changes] == [
        (None, "Promising"),
        ("Promising", "Champions"),
    ]


def test_dead_letters_are_counted_by_stage_and_error() -> None:
    received = Received()
    for number in range(3):
        received.take(SETTINGS, record("shop-dead-letters", str(number), {}, stage="decode", error="json"))
    assert received.dead_letters == {"decode/json": 3}
