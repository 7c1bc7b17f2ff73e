"""Offset commits: for lag monitors, and as proof of membership, which is what the lease lives on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka.errors import CommitFailedError, IllegalStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streams.clock import Clock
    from streams.metrics import Counts
    from streams.partition import Partition


class Commits:
    """Commits what is acknowledged of every owned partition, changed or not.

    Args:
        consumer: the member of the group.
        owned: the partitions at the moment, all of one assignment.
        clock: the machine's clocks.
        session: the group's session timeout, in seconds.
        counts: the worker's counters.
    """

    def __init__(
        self,
        consumer: Any,
        owned: Callable[[], Collection[Partition]],
        *,
        clock: Clock,
        session: float,
        counts: Counts,
    ) -> None:
        self._consumer = consumer
        self._owned = owned
        self._clock = clock
        self._period = min(1.0, session / 10)
        self._counts = counts
        self.soon = asyncio.Event()
        self.asked_at: float | None = None
        """When the commit was asked for that is not answered yet, in seconds, if there is one."""

    async def run(self) -> None:
        """Commit so often that some failed commits do not end the lease, and at once when `soon` is set."""
        while True:
            self.soon.clear()
            await self.commit()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    self._period
                ):  # `wait_for` of Python 3.11 may swallow a cancellation
                    await self.soon.wait()

    async def commit(self) -> None:
        """Commit once, and renew the lease from the moment at which it was asked for.

        Raises:
            KafkaError: the broker refused it for another reason than a rebalance.
        """
        partitions = list(self._owned())
        offsets = {
            partition.source: partition.delivery.acknowledged
            for partition in partitions
            if partition.delivery is not None
        }
        if not offsets:
            return
        lease = partitions[0].epoch.lease
        asked = self.asked_at = self._clock.elapsed()
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            self._counts.add("commits_refused")  # the group is about to take the partitions away
        else:
            lease.renew(asked)
        finally:
            self.asked_at = None
