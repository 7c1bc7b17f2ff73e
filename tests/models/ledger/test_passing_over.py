"""A model that raises on one customer at a day boundary: all others are swept, and every replay agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from models.ledger import day_end as days
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.calendar import day_number
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, records_of, tick

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from models.state.step import Step

SETTINGS = LedgerSettings(segment_minimum_population=1)
SICK = b"7"
FROM, UNTIL = 6, 9
"""Days whose boundaries a model raises on, in the days of the logs."""


def failing(step: Step, rows: NDArray[np.int64]) -> None:
    """Bring customers to the boundary, changing them, and then fail if one of them is sick."""
    begun = step.state.clock.begun - day_number(FIRST_DAY.date())
    concerned = rows[step.state.customers["boundary"][rows] < step.state.clock.begun]
    days.catch_up(step, rows)
    if FROM <= begun < UNTIL and SICK in {step.state.ids[row] for row in concerned.tolist()}:
        raise ZeroDivisionError("a planted failure")


@pytest.fixture(autouse=True)
def sick() -> Iterator[None]:
    """A model that raises on one customer, for three days."""
    with mock.patch("models.ledger.ledger.catch_up", failing):
        yield


def log(count: int = 14) -> list[bytes]:
    """Forty customers who buy every other day or every third."""
    events = [tick(-1)]
    for day in range(count):
        events += [
            basket(f"e{day}-{n}", str(n), day + 0.4 + n / 1_000, ("MILK", "p1", 1.0, 2.0))
            for n in range(40)
            if not (day + n) % (2 + n % 2)
        ]
        events.append(tick(day))
    return events


def replayed(*, sweep_limit: int, slices: int, cut: int | None = None) -> tuple[Replay, set[bytes]]:
    """What comes out, and who was passed over."""
    values, passed = log(), set[bytes]()

    class Noted(Ledger):
        """Remembers who was passed over."""

        def sweep(self, limit: int = 600) -> object:  # type: ignore[override] # what it hands on
            changes = super().sweep(limit)
            passed.update(customer for customer, _ in changes.passed_over)
            return changes

    replay, ledger, records = Replay(), Noted(SETTINGS), records_of(values, SETTINGS)
    for start in range(0, len(values), slices):
        if cut is not None and start >= cut:
            ledger, cut = Noted(SETTINGS), None
            ledger.load(replay.rows.items())
        drive(ledger, records.slice(start, min(start + slices, len(values))), replay, sweep_limit=sweep_limit)
    drive(ledger, records.slice(0, 0), replay, sweep_limit=sweep_limit, finish=True)
    return replay, passed


def test_one_customer_is_passed_over_and_nobody_else() -> None:
    replay, passed = replayed(sweep_limit=600, slices=1_000)
    assert passed == {SICK}
    assert replay.counts["passed_over"] >= 1


@pytest.mark.parametrize(("sweep_limit", "slices", "cut"), [(1, 7, None), (3, 11, 90), (600, 50, 150)])
def test_every_cutting_and_every_recovery_passes_over_the_same(
    sweep_limit: int, slices: int, cut: int | None
) -> None:
    whole, _ = replayed(sweep_limit=600, slices=1_000)
    replay, passed = replayed(sweep_limit=sweep_limit, slices=slices, cut=cut)
    assert passed == {SICK}
    assert replay.rows == whole.rows
    assert replay.events == whole.events


def test_want_of_memory_says_nothing_about_a_customer() -> None:
    ledger, values = Ledger(SETTINGS), log(3)
    replay = Replay()
    drive(ledger, records_of(values, SETTINGS), replay)
    assert ledger.sweeping
    before = ledger.clock
    with mock.patch("models.ledger.ledger.catch_up", side_effect=MemoryError), pytest.raises(MemoryError):
        ledger.sweep()
    assert ledger.clock == before
    assert ledger.sweeping
