"""Standing still is measured per partition, from the fault on, and only while there is something to do."""

from __future__ import annotations

import pytest

from streams.settings import Settings
from tests.proof import watch as module
from tests.proof.watch import Watch


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In place of the machine's."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def ends() -> dict[int, int]:
    """Where the log of each partition ends."""
    return {0: 10, 1: 10}


@pytest.fixture
def watch(ends: dict[int, int]) -> Watch:
    """Of two partitions."""
    return Watch(Settings(partitions=2), ends)


def look(watch: Watch, now: float, moved: dict[int, int] | None = None) -> None:
    """One look at this moment; some partitions have moved."""
    watch.positions.update(moved or {})
    watch._measure(set(moved or ()), now)


def test_before_the_first_fault_nothing_counts(watch: Watch) -> None:
    look(watch, 0)
    look(watch, 100)
    assert watch.longest_stall == 0


def test_one_partition_that_stands_still_counts_though_others_move(watch: Watch, clock: Clock) -> None:
    look(watch, 0)
    watch.measure_from_now()
    for now in range(1, 8):
        look(watch, now, {0: now})
    clock.now = 7
    assert watch.longest_stall == 7
    look(watch, 8, {0: 8, 1: 1})
    look(watch, 9, {0: 9, 1: 2})
    assert watch.longest_stall == 8
    assert watch.stalls == ["partition 1 stood still at 1 for 8.0 s"]


def test_it_counts_from_the_fault_and_anew_from_the_repair(watch: Watch, clock: Clock) -> None:
    look(watch, 0)
    clock.now = 5
    watch.measure_from_now()
    look(watch, 8)
    assert watch.longest_stall == 3
    watch.measure_no_more()
    look(watch, 50)
    assert watch.longest_stall == 3
    clock.now = 50
    watch.measure_from_now()
    look(watch, 54)
    assert watch.longest_stall == 4


def test_a_partition_with_nothing_to_do_does_not_stand_still(
    watch: Watch, ends: dict[int, int], clock: Clock
) -> None:
    clock.now = 0
    watch.measure_from_now()
    look(watch, 0, {0: 10, 1: 10})
    look(watch, 60)
    assert watch.longest_stall == 0
    ends[1] = 11
    look(watch, 62)
    look(watch, 63)
    assert watch.longest_stall == 3
