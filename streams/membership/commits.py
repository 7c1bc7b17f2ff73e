"""Offset commits: for lag monitors, and as proof of membership, which is what the lease lives on."""

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
        self.unanswered_since: float | None = None
        """Since when, in seconds, commits were asked for and none was accepted; None while they are."""

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

    async def member(self, source: TopicPartition, offset: int) -> bool:
        """Whether the group still takes commits for a partition from us; this one changes nothing.

        Args:
            source: the partition.
            offset: what was acknowledged of it last.

        Raises:
            KafkaError: the broker refused it for another reason.
        """
        try:
            await self._consumer.commit({source: offset})
        except (CommitFailedError, IllegalStateError):
            self._counts.add("commits_refused")
            return False
        return True

    async def commit(self) -> None:
        """Commit once, and renew the lease from the moment at which it was asked for.

        A refusal renews nothing. It may be a rebalance, another worker with our instance id, or a
        coordinator on its way out: whichever it is, the lease runs out, and then nothing is sent.

        Raises:
            KafkaError: the broker refused it for good.
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
            self._counts.add("commits_refused")  # the group is about to take the partitions away
        except KafkaError as error:
            if not passes(error):
                raise
            self._counts.add("commits_refused")
            log.warning("A commit was refused and is tried again: %r", error)
        else:
            lease.renew(asked)
            self.unanswered_since = None
