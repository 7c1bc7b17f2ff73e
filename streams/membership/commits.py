"""Offset commits, which serve lag monitors and prove group membership.

Each accepted commit renews the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from streams.kafka.retry import passes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiokafka.structs import TopicPartition

    from streams.clock import Clock
    from streams.metrics import Counts
    from streams.partition.partition import Partition

log = logging.getLogger(__name__)


class Commits:
    """Committer of the acknowledged offset of every owned partition, even if the offset has not changed.

    Args:
        consumer: Group member's consumer.
        owned: Function that returns the partitions owned at the moment, all of one assignment.
        clock: Clocks of the machine.
        session: Session timeout of the group, in seconds.
        counts: Counters of the worker.
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
        self.unanswered_since: float | None = None
        """Moment, in seconds, since which commits were requested and none was accepted; None while they are
        accepted."""

    async def run(self) -> None:
        """Commit often enough for a lease to outlast some failed commits, and when `soon` is set."""
        while True:
            self.soon.clear()
            await self.commit()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    self._period
                ):  # `wait_for` of Python 3.11 may swallow a cancellation
                    await self.soon.wait()

    async def member(self, source: TopicPartition, offset: int) -> bool:
        """Return True if the group still accepts our commits for a partition. This commit changes nothing.

        Args:
            source: Partition to commit for.
            offset: Last acknowledged offset of the partition.

        Raises:
            KafkaError: The broker refused the commit for another reason.
        """
        try:
            await self._consumer.commit({source: offset})
        except (CommitFailedError, IllegalStateError):
            self._counts.commits_refused += 1
            return False
        return True

    async def commit(self) -> None:
        """Commit once, and renew the lease counted from the moment of the request.

        A refusal renews nothing. The cause may be a rebalance, another worker with our instance id, or a
        coordinator that shuts down. In every case the lease runs out, and then nothing is sent.

        Raises:
            KafkaError: The broker refused the commit, and a retry would not help.
        """
        partitions = list(self._owned())
        offsets = {
            partition.source: partition.delivery.acknowledged
            for partition in partitions
            if partition.delivery is not None
        }
        if not offsets:
            self.unanswered_since = None
            return
        lease = partitions[0].epoch.lease
        asked = self._clock.elapsed()
        if self.unanswered_since is None:
            self.unanswered_since = asked
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            self._counts.commits_refused += 1  # the group is about to take the partitions away
        except KafkaError as error:
            if not passes(error):
                raise
            self._counts.commits_refused += 1
            log.warning("A commit was refused and is tried again: %r", error)
        else:
            lease.renew(asked)
            self.unanswered_since = None
