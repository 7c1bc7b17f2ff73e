"""One customer for people."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.learning.rfm import SEGMENTS
from models.ledger.ledger import Ledger
from models.ledger.profile import look
from models.memory.rows import RowError, customer_of
from models.segments.snapshot import SegmentSnapshot
from models.settings import LedgerSettings
from models.state.customer_rows import days_of
from tests.support.ledgers.logs import Replay, basket, drive, erase, records_of, tick

SETTINGS = LedgerSettings(
    segment_minimum_population=2, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)


def after(log: list[bytes], settings: LedgerSettings = SETTINGS) -> tuple[Ledger, Replay]:
    ledger, replay = Ledger(settings), Replay()
    drive(ledger, records_of(log, settings), replay, finish=True)
    return ledger, replay


def ledger_after(log: list[bytes]) -> Ledger:
    return after(log)[0]


def a_month() -> list[bytes]:
    """Zoë buys cheese every tenth day, and once more on a day that is still open."""
    log = [tick(-1)]
    for day in range(30):
        if day % 10 == 0:
            log.append(basket(f"m{day}", "Zoë", day + 0.5, ("Käse", "p1", 1.5, 2.0)))
        log += [basket(f"o{day}", "other", day + 0.6, ("FUEL", "p2", 1.0, 9.0)), tick(day)]
    return [*log, basket("open", "Zoë", 30.5, ("Käse", "p1", 1.0, 1.0))]


def own_and(rows: dict[bytes, bytes], customer: bytes) -> list[tuple[bytes, bytes]]:
    """What of a changelog concerns one customer."""
    return [(key, value) for key, value in rows.items() if customer_of(key) in (customer, None)]


def standings(replay: Replay) -> SegmentSnapshot:
    """Where all customers of a changelog stand."""
    taken = SegmentSnapshot()
    for key, row in replay.rows.items():
        if key[:1] != b"\0":
            taken.take(key, row)
    return taken


def test_a_customer_is_told_in_plain_values() -> None:
    log = a_month()
    known: Any = ledger_after(log).describe("Zoë".encode())
    assert json.loads(json.dumps(known)) == known
    (habit,) = known.pop("habits")
    segment, label = known.pop("segment"), known.pop("label")
    assert {segment, label} <= set(SEGMENTS)
    assert {reason["score"] for reason in known.pop("reasons")} == set(known.pop("scores").values())
    assert known == {
        "customer_id": "Zoë",
        "baskets": 4,
        "purchase_days": 4,
        "spend": 10.0,
        "currency": "USD",
        "cluster": None,
        "active_90_days": None,
        "expected_spend_90_days": 25.37,
        "first_purchase": "2017-01-01T12:00:00+00:00",
        "last_purchase": "2017-01-31T12:00:00+00:00",
        "late": 0,
        "duplicates": 0,
        "open_days": ["2017-01-31"],
        "source_offset": len(log) - 1,
        "open_alerts": [],
        "open_list": None,
        "usual_store": None,
        "last_channel": None,
        "held_out": False,
        "new": False,
        "as_of": {
            "watermark": "2017-01-31T11:00:00+00:00",
            "closed_day": "2017-01-30",
            "closing_day": None,
            "time_zone": "UTC",
            "clock": "log",
            "live_at": None,
            "history": False,
        },
    }
    assert habit.pop("alert") == "fulfilled"
    assert habit.pop("best_date") is None, "its alert is over"
    low, expected, high = (habit.pop(name) for name in ("interval_low", "expected_date", "interval_high"))
    assert "2017-01-21" < low < expected < high
    chances = [habit.pop(f"probability_{days}_days") for days in (7, 14, 28)]
    assert chances == sorted(chances)
    assert 0 < chances[0] < chances[-1] < 1
    assert habit == {
        "category": "Käse",
        "purchases": 3,
        "last_purchase": "2017-01-21",
        "last_interval_days": 10,
        "typical_interval_days": 10.0,
        "usual_quantity": 1.5,
        "enough_known": True,
        "change": None,
        "bought_on_open_day": True,
    }


def test_of_what_was_bought_too_rarely_no_date_and_no_chance_is_told() -> None:
    log = [tick(-1), basket("a", "1", 0.5, ("MILK", "p1", 1.0, 2.0)), tick(0), tick(9)]
    known: Any = ledger_after(log).describe(b"1")
    (habit,) = known["habits"]
    assert habit["enough_known"] is False
    told = {name for name, value in habit.items() if value is None}
    assert told == {
        *("typical_interval_days", "best_date", "expected_date", "interval_low", "interval_high", "change"),
        *(f"probability_{days}_days" for days in (7, 14, 28)),
    }


def test_an_open_alert_is_told_as_its_event_was() -> None:
    log = [tick(-1)]
    for day in range(25):
        log += [basket(f"m{day}", "1", day + 0.5, ("MILK", "p1", 1.0, 2.0))] if day % 7 == 0 else []
        log.append(tick(day))
    ledger, replay = after(log)
    closed = {
        event["alert_id"] for event in replay.values("replenishment-alerts") if event["state"] != "raised"
    }
    (event,) = (event for event in replay.values("replenishment-alerts") if event["alert_id"] not in closed)
    known: Any = ledger.describe(b"1")
    (alert,) = known["open_alerts"]
    assert alert.pop("raised_at").replace("+00:00", "Z") == event["occurred_at"]
    assert alert.pop("valid_until").replace("+00:00", "Z") == event["valid_until"]
    assert alert.pop("sent") is True
    assert alert == {name: event[name] for name in alert}


def test_one_customer_can_be_looked_at_without_the_others() -> None:
    ledger, replay = after(a_month())
    customer = "Zoë".encode()
    whole: Any = ledger.describe(customer)
    assert whole["label"] in SEGMENTS
    assert look(own_and(replay.rows, customer), customer, standings(replay)) == whole


def test_where_all_stand_is_known_from_rows_in_any_order_stale_ones_and_tombstones_included() -> None:
    log = a_month()
    log.insert(1, basket("once", "2", 0.4, ("Käse", "p1", 1.0, 2.0)))
    ledger, replay = after([*log, erase("2", 30.6)])
    stale = after(log[:30])[1].rows
    customer = "Zoë".encode()
    taken = standings(replay)
    for key, row in stale.items():
        if key[:1] != b"\0":
            taken.take(key, row)
    whole = ledger.describe(customer)
    assert look(own_and(replay.rows, customer), customer, taken) == whole


def test_a_look_finds_nobody_where_there_is_nobody() -> None:
    _, replay = after(a_month())
    assert look(own_and(replay.rows, b"nobody"), b"nobody", standings(replay)) is None
    assert look([], b"nobody", SegmentSnapshot()) is None


def test_a_look_at_a_damaged_row_says_so() -> None:
    _, replay = after(a_month())
    customer = "Zoë".encode()
    rows = dict(own_and(replay.rows, customer))
    rows[customer] = rows[customer][:-9] + b"x" + rows[customer][-8:]
    with pytest.raises(RowError):
        look(rows.items(), customer, standings(replay))


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
    rows = days_of(ledger._state, np.array([0]))
    ledger.describe(b"1")
    assert days_of(ledger._state, np.array([0])) == rows


def test_late_events_and_duplicates_are_counted_for_the_customer_and_nothing_else_changes() -> None:
    log = a_month()
    again = next(value for value in log if b'"customer_id":"Zo' in value)
    late = basket("late", "Zoë", 3.5, ("MILK", "p1", 1.0, 2.0))
    before: Any = ledger_after(log).describe("Zoë".encode())
    once: Any = ledger_after([*log, again, again]).describe("Zoë".encode())
    assert (before["duplicates"], once["duplicates"]) == (0, 2)
    changed = {name for name in before if before[name] != once[name]}
    assert changed == {"duplicates", "source_offset"}
    tardy: Any = ledger_after([*log, late]).describe("Zoë".encode())
    assert (tardy["late"], tardy["baskets"]) == (1, before["baskets"] + 1)
