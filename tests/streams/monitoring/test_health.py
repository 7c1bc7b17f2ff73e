"""Whether a worker is ready, and if not, why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.metrics import Counts
from streams.monitoring.health import Observer
from streams.settings.settings import Settings
from tests.support.ledgers.counting import CountingLedger

SETTINGS = Settings(stall_seconds=60)


class Worker:
    """As the service that owns partitions, as far as it is looked at."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.counts.partitions_assigned = 1
        self.failed = self.should_stop = self.paused = False
        self.ledger = CountingLedger()
        self.partition = SimpleNamespace(
            number=3,
            recovered=True,
            reading=True,
            changelog="changelog-3",
            ledger=self.ledger,
            epoch=SimpleNamespace(lease=SimpleNamespace(remaining=4.0)),
        )
        self.owned: dict[int, Any] = {3: self.partition}
        self.still = 0.0

    def lag_of(self, partition: object) -> int:
        """Purchases of the partition that are not applied yet."""
        assert partition is self.partition
        return 1_200

    def still_of(self, partition: object) -> float:
        """Seconds for which the partition has not got on."""
        assert partition is self.partition
        return self.still

    async def read(self, log: object) -> tuple[int, int] | None:
        """How far a recovery is."""
        return (120_000, 400_000) if log == "changelog-3" else None

    async def reasons(self) -> tuple[str, ...]:
        """Why it is not ready."""
        told: Any = self
        return (await Observer(SETTINGS, told, told).look()).reasons


async def test_assigned_recovered_and_committing_is_ready() -> None:
    assert await Worker().reasons() == ()


async def test_a_worker_that_the_group_gave_nothing_is_ready_to_take_over() -> None:
    worker = Worker()
    worker.owned, worker.partition = {}, worker.partition
    worker.counts.partitions_assigned = 0
    assert await worker.reasons() == ()


async def test_before_an_assignment_and_during_a_rebalance_it_is_not() -> None:
    worker = Worker()
    worker.counts.partitions_assigned = None
    assert await worker.reasons() == ("the group has not assigned partitions yet",)


async def test_a_recovery_says_how_far_it_is() -> None:
    worker = Worker()
    worker.partition.recovered = False
    assert await worker.reasons() == ("partition 3 is being recovered: at row 120,000 of 400,000",)


async def test_without_an_accepted_commit_it_is_not() -> None:
    worker = Worker()
    worker.partition.epoch.lease.remaining = 0.0
    (reason,) = await worker.reasons()
    assert "partition 3: the group has accepted no commit" in reason


@pytest.mark.parametrize(("still", "ready"), [(29.0, True), (31.0, False)])
async def test_what_stands_still_for_half_the_time_that_ends_a_worker_is_not(
    still: float,
    ready: bool,  # noqa: FBT001 - a table's column
) -> None:
    worker = Worker()
    worker.still = still
    reasons = await worker.reasons()
    assert (not reasons) == ready
    assert ready or "has not got on for 31 s, with 1,200 purchases to apply" in reasons[0]


@pytest.mark.parametrize("end", ["failed", "should_stop"])
async def test_a_worker_that_is_ending_is_not(end: str) -> None:
    worker = Worker()
    setattr(worker, end, True)
    assert await worker.reasons() == ("the worker is ending",)


async def test_before_it_has_connected_it_can_be_asked_too() -> None:
    worker = Worker()
    worker.owned.clear()
    worker.counts.partitions_assigned = None
    assert await worker.reasons() == ("the group has not assigned partitions yet",)
