"""Checkpoint writer: copies the ledger of each owned partition between two steps, when it is due."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams.changelog.recovery import PositionedLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.changelog.checkpoint_file import Memory
    from streams.changelog.checkpoints import Checkpoints
    from streams.clock import Clock
    from streams.partition.partition import Partition

LOOK_SECONDS = 0.5
"""Seconds between two checks for a partition that is due."""
ACKNOWLEDGED_SECONDS = 60.0
"""Seconds that a copied ledger waits in memory for its last steps to be acknowledged."""


class CheckpointWriter:
    """Writer of the checkpoints of the partitions that a worker owns.

    Args:
        owned: Function that returns the partitions owned at the moment.
        files: Checkpoints on the worker's disk.
        seconds: Seconds between two checkpoints of one partition.
        clock: Clocks of the machine.
    """

    def __init__(
        self,
        owned: Callable[[], Iterable[Partition]],
        *,
        files: Checkpoints,
        seconds: float,
        clock: Clock,
    ) -> None:
        self._owned = owned
        self._files = files
        self._seconds = seconds
        self._clock = clock
        self._due: dict[int, float] = {}

    async def run(self) -> None:
        """Write each owned partition's checkpoint when it is due, one at a time, until cancelled."""
        seconds = self._seconds
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for partition in list(self._owned()) if self._files.wanted else ():
                # The first checkpoints are staggered by the partition's number, so that they are not all due
                # at once.
                due = self._due.setdefault(
                    partition.number, self._clock.elapsed() + seconds * (1 - partition.number % 16 / 32)
                )
                if partition.reading and not partition.closing and self._clock.elapsed() >= due:
                    self._due[partition.number] = self._clock.elapsed() + seconds
                    await self.write(partition)

    async def write(self, partition: Partition) -> bool:
        """Write a partition's checkpoint while the partition works on; return True if there is a new one."""
        try:
            copied = await self._copy(partition)
        except MemoryError as reason:
            return self._files.failed(partition.number, reason)
        except RuntimeError:  # a dictionary grew while it was copied
            if partition.epoch.over:  # the ledger already works for another epoch
                return False
            raise
        return copied is not None and await self._files.store(partition.number, *copied)

    async def _copy(self, partition: Partition) -> tuple[PositionedLedger, Memory] | None:
        """Copy a partition's ledger between two steps, and return it once all of its steps are acknowledged.

        Return None if there is nothing new to write, if the epoch ends, or if the acknowledgement does not
        come in time. Only this partition stands still, for as long as copying memory takes.
        """
        delivery, number = partition.delivery, partition.number
        if delivery is None or delivery.base == self._files.base(number):
            return None
        content = await asyncio.to_thread(self._files.room, number)
        async with partition.between_steps():
            if partition.epoch.over or not partition.consistent:
                return None
            kept = PositionedLedger(partition.ledger, delivery.base, delivery.witness)
            computed = delivery.computed
            await asyncio.to_thread(partition.ledger.save, content)
        until = self._clock.elapsed() + ACKNOWLEDGED_SECONDS
        # If the epoch is over, a later epoch may have changed the ledger during the copy, which then may mix
        # two states.
        while not partition.epoch.over and self._clock.elapsed() < until:
            if delivery.delivered >= computed:
                return kept, content
            await asyncio.sleep(0.02)
        return None
