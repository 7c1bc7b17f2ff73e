"""Changed habits: told in words with dates, of customers whose truth is known, and kept like all else."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import numpy as np
import pytest

from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state import habits
from models.state.calendar import day_number
from models.state.columns import CHANGED, NEVER
from streams.sources.synthetic.process import Process
from streams.sources.synthetic.purchases import Synthetic
from streams.sources.ticks import with_ticks
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, erase, records_of, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=10_000, clock="log")


def rhythm(*parts: tuple[int, int], customer: str = "1", category: str = "MILK") -> list[bytes]:
    """A log of one habit, in parts of so many purchases and so many days from one to the next."""
    values, day = [tick(-1)], 0
    for count, gap in parts:
        for _ in range(count):
            day += gap
            values += [basket(f"{category}{day}", customer, day + 0.5, (category, "p", 1.0, 2.0)), tick(day)]
    return values


def ledger_after(values: list[bytes]) -> Ledger:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(values, SETTINGS), Replay(), finish=True)
    return ledger


def change_of(values: list[bytes]) -> Any:
    told: Any = ledger_after(values).describe(b"1")
    return told["habits"][0]["change"]


def test_a_habit_that_becomes_rarer_is_told_with_about_when_and_how_it_was() -> None:
    assert change_of(rhythm((20, 7))) is None
    change = change_of(rhythm((20, 7), (10, 21)))
    assert change["days_before"] == pytest.approx(7, rel=0.2)
    assert change["days_since"] == pytest.approx(21, rel=0.2)
    began = (date.fromisoformat(change["since"]) - FIRST_DAY.date()).days
    assert abs(began - 140) <= 2 * 21
    assert change["text"] == (
        f"every {change['days_before']:g} days until about {change['since']}, "
        f"every {change['days_since']:g} since"
    )


def test_a_habit_that_becomes_more_frequent_is_told_too_and_one_that_comes_back_no_more() -> None:
    quicker = change_of(rhythm((20, 14), (20, 5)))
    assert quicker["days_since"] < 7
    assert quicker["days_before"] > 11
    back = change_of(rhythm((20, 7), (12, 28), (30, 7)))
    assert back["days_since"] == pytest.approx(7, rel=0.3)
    assert back["days_before"] > 12


def truth(**more: float) -> tuple[Ledger, Synthetic]:
    """A ledger of customers whose truth is known."""
    source = Synthetic(Process(customers=120, days=240, newcomers=0, leavers=0, seed=7, **more), SETTINGS)  # type: ignore[arg-type]
    return ledger_after([feed.value for feed in with_ticks(source, SETTINGS)]), source


def judged(ledger: Ledger) -> tuple[list[bool], list[str]]:
    """Of every habit of twelve purchases or more, whether a change is told, and its customer."""
    state = ledger._state
    found: list[tuple[bool, str]] = []
    for customer in state.ids:
        told: Any = ledger.describe(customer)
        found += [
            (habit["change"] is not None, customer.decode())
            for habit in told["habits"]
            if habit["purchases"] >= 12
        ]
    changes, customers = zip(*found, strict=True)
    return list(changes), list(customers)


def test_of_customers_whose_truth_is_known_those_who_drift_are_told_of_and_others_are_not() -> None:
    steady, _ = judged(truth(drift=0.0)[0])
    drifting, _ = judged(truth(drift=1.0)[0])
    assert len(steady) > 100
    assert len(drifting) > 100
    assert np.mean(steady) <= 0.05
    # Those who drift do so in the middle third: habits that become rarer are known of a few trips after it.
    assert np.mean(drifting) >= 0.4


def test_a_customer_of_more_changes_than_a_row_holds_forgets_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(habits, "MOST_CHANGED", 2)
    values = [tick(-1)]
    for day in range(260):
        # The habits change one after the other, the last first.
        for number in range(4):
            gap = 3 if day < 200 - 30 * number else 12
            if not day % gap:
                line = (f"c{number}", "p", 1.0, 2.0)
                values.append(basket(f"{day}-{number}", "1", day + 0.5, line))
        values.append(tick(day))
    state = ledger_after(values)._state
    cells = state.cells.run(0)
    changed = {
        state.category_names.name(int(cell["category"])): int(cell["changed_day"])
        for cell in cells
        if cell["changed_day"] != NEVER
    }
    assert len(changed) == 2
    assert min(changed.values()) > day_number(FIRST_DAY.date()) + 100
    forgotten = cells[cells["changed_day"] == NEVER]
    assert all(not forgotten[name].any() for name in CHANGED.names or ())


def test_changes_are_the_same_whatever_the_cuts_and_crashes_and_go_with_the_customer() -> None:
    values, chance = rhythm((20, 7), (14, 25)), random.Random(1)
    whole, replay, at = replay_of(values, SETTINGS), Replay(), 0
    records = records_of(values, SETTINGS)
    while at < len(records):
        ledger, stop = Ledger(SETTINGS), min(at + chance.randrange(1, 9), len(records))
        ledger.load(replay.rows.items())
        drive(ledger, records.slice(at, stop), replay, sweep_limit=1)
        at = stop
    drive(ledger, records.slice(at, at), replay, finish=True)
    assert replay.rows == whole.rows
    assert change_of(values) is not None
    days = 20 * 7 + 14 * 25
    again = basket("again", "1", days + 2, ("MILK", "p", 1.0, 2.0))
    erased = ledger_after([*values, erase("1", days + 1), again, tick(days + 2)])
    told: Any = erased.describe(b"1")
    assert told["habits"][0]["change"] is None
