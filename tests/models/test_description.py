"""One customer for people."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from models.ledger import Ledger
from models.segments import SEGMENTS
from models.settings import LedgerSettings
from tests.support.logs import Replay, basket, drive, records_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=2, alert_minimum_probability=0.0)


def ledger_after(log: list[bytes]) -> Ledger:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    return ledger


def test_a_customer_is_told_in_plain_values() -> None:
    log = [tick(-1)]
    for day in range(30):
        if day % 10 == 0:
            log.append(basket(f"m{day}", "Zoë", day + 0.5, ("Käse", "p1", 1.5, 2.0)))
        log += [basket(f"o{day}", "other", day + 0.6, ("FUEL", "p2", 1.0, 9.0)), tick(day)]
    log.append(basket("open", "Zoë", 30.5, ("Käse", "p1", 1.0, 1.0)))
    known: Any = ledger_after(log).describe("Zoë".encode())
    assert json.loads(json.dumps(known)) == known
    (habit,) = known.pop("habits")
    segment, label = known.pop("segment"), known.pop("label")
    assert {segment, label} <= set(SEGMENTS)
    assert known == {
        "customer_id": "Zoë",
        "baskets": 4,
        "purchase_days": 4,
        "spend": 10.0,
        "first_purchase": "2017-01-01T12:00:00+00:00",
        "last_purchase": "2017-01-31T12:00:00+00:00",
        "open_days": ["2017-01-31"],
        "source_offset": len(log) - 1,
    }
    assert habit["alert"] in ("planned", "raised", "fulfilled")
    assert habit.pop("best_date") > "2017-01-21"
    del habit["alert"]
    assert habit == {
        "category": "Käse",
        "purchases": 3,
        "last_purchase": "2017-01-21",
        "last_interval_days": 10,
        "usual_quantity": 1.5,
    }


def test_who_only_returned_has_no_label_and_no_dates() -> None:
    back = basket("back", "1", 0.5, ("MILK", "p1", -1.0, 2.0), kind="return")
    known = ledger_after([tick(-1), back]).describe(b"1")
    assert known is not None
    assert (known["baskets"], known["purchase_days"], known["spend"]) == (0, 0, -2.0)
    assert known["first_purchase"] is known["last_purchase"] is known["label"] is known["segment"] is None


def test_nobody_is_nothing() -> None:
    assert ledger_after([tick(-1)]).describe(b"1") is None


def test_looking_changes_nothing() -> None:
    log = [tick(-1), basket("a", "1", 0.5, ("MILK", "p1", 1.0, 2.0))]
    ledger = ledger_after(log)
    rows = ledger._state.encode(np.array([0]))
    ledger.describe(b"1")
    assert ledger._state.encode(np.array([0])) == rows
