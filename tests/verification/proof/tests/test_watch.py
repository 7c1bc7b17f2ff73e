"""Standing still is measured per partition, from the fault on, and only while there is something to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from models.memory.rows import CLOCK_KEY, partition_row
from streams.settings.settings import Settings
from tests.verification.proof import watch as module
from tests.verification.proof.load import Load
from tests.verification.proof.plan import Plan
from tests.verification.proof.watch import Watch

SETTINGS = Settings(partitions=2)


class Scene:
    """A watch, the load that it knows of, and a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.load = Load(SETTINGS, Plan(SETTINGS, seed="1", events=10), rate=1)
        self.watch = Watch(SETTINGS, self.load)

    def time(self) -> float:
        """Seconds since 1970 UTC."""
        return self.now

    def written(self, partition: int, offset: int, at: float) -> None:
        """An event is in the log."""
        self.load.acknowledged(SimpleNamespace(partition=partition, offset=offset, timestamp=at * 1_000))

    def applied(self, partition: int, offset: int, at: float) -> None:
        """A clock row is in the changelog."""
        row: Any = SimpleNamespace(
            key=CLOCK_KEY, value=partition_row(b"", offset=offset, boundary=0), timestamp=at * 1_000
        )
        self.watch.take(partition, [row])

    def fault(self, at: float) -> None:
        """Something is broken."""
        self.now = at
        self.watch.measure_from_now()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Two partitions with ten events each, written at 0 s."""
    scene = Scene()
    monkeypatch.setattr(module, "time", scene)
    for partition in range(2):
        for offset in range(10):
            scene.written(partition, offset, 0)
    return scene


def test_before_the_first_fault_nothing_counts(scene: Scene) -> None:
    scene.applied(0, 1, 100)
    scene.now = 200
    scene.watch.finish()
    assert scene.watch.longest_stall == 0


def test_one_partition_that_stands_still_counts_though_others_move(scene: Scene) -> None:
    scene.fault(0)
    for second in range(1, 9):
        scene.applied(0, second - 1, second)
    assert scene.watch.longest_stall == 1
    scene.applied(1, 4, 8)
    assert scene.watch.longest_stall == 8
    assert scene.watch.stalls == ["partition 1 stood still at 0 for 8.0 s"]


def test_it_counts_from_the_fault_and_anew_from_the_repair(scene: Scene) -> None:
    scene.applied(0, 1, 1)
    scene.fault(5)
    scene.applied(0, 2, 8)
    assert scene.watch.longest_stall == 3
    scene.now = 9
    scene.watch.measure_no_more()
    scene.applied(0, 3, 40)
    assert scene.watch.longest_stall == 3
    scene.fault(50)
    scene.applied(0, 4, 54)
    assert scene.watch.longest_stall == 4


def test_a_row_that_is_seen_after_the_next_fault_counts_from_the_fault_before_it(scene: Scene) -> None:
    scene.fault(1)
    scene.fault(7)
    scene.applied(0, 1, 6)
    assert scene.watch.longest_stall == 5


def test_it_counts_from_the_first_event_that_is_not_accounted_for(scene: Scene) -> None:
    scene.fault(0)
    scene.applied(0, 9, 1)
    scene.written(0, 10, 60)
    scene.written(0, 11, 61)
    scene.applied(0, 10, 63)
    assert scene.watch.longest_stall == 3
    scene.applied(0, 11, 64)
    assert scene.watch.longest_stall == 3


def test_a_partition_that_has_nothing_left_to_do_does_not_stand_still(scene: Scene) -> None:
    scene.fault(0)
    scene.applied(0, 9, 1)
    scene.applied(1, 9, 1)
    scene.applied(0, 9, 50)  # a sweep
    scene.now = 100
    scene.watch.finish()
    assert scene.watch.longest_stall == 1


def test_at_the_end_those_count_that_still_stand(scene: Scene) -> None:
    scene.fault(0)
    scene.applied(0, 9, 1)
    scene.applied(1, 4, 1)
    scene.now = 30
    scene.watch.finish()
    assert scene.watch.longest_stall == 29
