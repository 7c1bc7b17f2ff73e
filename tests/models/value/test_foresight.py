"""What to expect of customers: landmarks, what is learnt from them, and what is said."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from models.learning import activity
from models.learning.activity import HORIZON_DAYS, columns_of
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.shopping import Sum, shopping_of
from tests.support.ledgers.logs import Replay, basket, drive, records_of, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1)
CUSTOMERS = 60


def shop(days: int) -> list[bytes]:
    """Customers of every rhythm, a third of whom stop coming one after the other."""
    chance, values = random.Random(2), [tick(-1)]
    for day in range(days):
        for customer in range(CUSTOMERS):
            gone = customer % 3 == 0 and day > 20 + customer * 2
            if not gone and chance.random() < 0.05 + 0.3 * (customer % 5) / 5:
                values.append(basket(f"{day}-{customer}", str(customer), day + 0.5, ("MILK", "m", 1.0, 5.0)))
        values.append(tick(day))
    return values


def ledger_after(values: list[bytes]) -> Ledger:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(values, SETTINGS), Replay(), finish=True)
    return ledger


def state_of(ledger: Ledger) -> Any:
    return ledger._state


def test_each_customer_has_one_landmark_in_ninety_days_of_what_was_known_on_its_day() -> None:
    state = state_of(ledger_after(shop(200)))
    customers = state.customers[: len(state.ids)]
    days = customers["landmark_day"].astype(int)
    first = state.clock.begun - HORIZON_DAYS
    assert ((days > first) & (days <= state.clock.begun)).all()
    assert (days % HORIZON_DAYS == customers["drawn"] % HORIZON_DAYS).all()
    place = int(np.argmax(days))
    earlier = state_of(ledger_after(shop(200 - int(state.clock.begun - days[place]))))
    row = earlier.rows[state.ids[place]]
    known = shopping_of(earlier, np.array([row]), int(days[place]))
    columns = columns_of(known.elapsed, known.age, known.sums[:, Sum.TRIPS], known.rate(Sum.SPEND_90))
    assert customers["landmark"][place].tolist() == columns[0].tolist()


def test_every_landmark_is_learnt_from_once_when_it_is_known_whether_a_purchase_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt = list[tuple[int, int]]()
    plain = activity.Activity.learnt

    def counting(self: Any, columns: Any, active: Any, *, days: float) -> Any:
        learnt.append((len(active), int(active.sum())))
        return plain(self, columns, active, days=days)

    monkeypatch.setattr(activity.Activity, "learnt", counting)
    ledger_after(shop(100))
    assert sum(count for count, _ in learnt) == 0 or sum(count for count, _ in learnt) < CUSTOMERS
    learnt.clear()
    ledger_after(shop(240))
    seen, active = sum(count for count, _ in learnt), sum(bought for _, bought in learnt)
    assert CUSTOMERS <= seen <= 2 * CUSTOMERS
    assert seen / 2 < active < seen


def test_chances_and_spend_are_said_once_enough_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "LEAST_SEEN", 60.0)
    monkeypatch.setattr(activity, "LEAST_OF_EACH", 3.0)
    young, old = ledger_after(shop(20)), ledger_after(shop(260))
    told = young.describe(b"4")
    assert told is not None
    assert (told["active_90_days"], told["expected_spend_90_days"]) == (None, None)
    staying, gone = old.describe(b"4"), old.describe(b"3")
    assert staying is not None
    assert gone is not None
    assert staying["active_90_days"] > 0.9  # type: ignore[operator]
    assert gone["active_90_days"] < 0.5  # type: ignore[operator]
    assert staying["expected_spend_90_days"] == pytest.approx(90 * 0.29 * 5, rel=0.4)
    assert gone["expected_spend_90_days"] < 5  # type: ignore[operator]


def test_segment_changes_tell_what_to_expect_of_the_customer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "LEAST_SEEN", 60.0)
    monkeypatch.setattr(activity, "LEAST_OF_EACH", 3.0)
    changes = replay_of(shop(260), SETTINGS).values("segment-changes")
    assert changes[0]["active_90_days"] is None
    assert changes[0]["expected_spend_90_days"] is None
    assert any(each["active_90_days"] is not None and each["expected_spend_90_days"] for each in changes)


def test_everything_is_the_same_whatever_the_cuts_and_crashes() -> None:
    values, chance = shop(200), random.Random(8)
    records, whole = records_of(values, SETTINGS), replay_of(values, SETTINGS)
    replay, at = Replay(), 0
    while at < len(records):
        ledger, stop = Ledger(SETTINGS), min(at + chance.randrange(100, 400), len(records))
        ledger.load(replay.rows.items())
        drive(ledger, records.slice(at, stop), replay, sweep_limit=chance.randrange(1, 30))
        at = stop
    drive(ledger, records.slice(at, at), replay, finish=True)
    assert replay.rows == whole.rows
    assert replay.events == whole.events
