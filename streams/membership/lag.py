"""Ends of the logs that are read, and the lag behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from streams.partition.partition import Partition


class LagTracker:
    """Ends of the owned partitions, as of the last fetch.

    A log may end with offsets that hold no record: the marker of a transaction, or the batches of an aborted
    one. The high watermark counts such offsets, so it does not measure the remaining work. The consumer's
    position skips such offsets, and shows when everything is read.

    Args:
        consumer: Group member's consumer.
        holes: True if the broker's logs may have offsets that hold no record. The consumer then also reads
            only committed records, and an open transaction limits what can be read.
    """

    def __init__(self, consumer: Any, *, holes: bool) -> None:
        self._consumer = consumer
        self._holes = holes
        self._positions: dict[TopicPartition, int] = {}

    async def look(self, partition: Partition) -> None:
        """Store the consumer's position, which is available without waiting."""
        source = partition.source
        try:
            if partition.reading:
                self._positions[source] = await self._consumer.position(source)
        except IllegalStateError:  # the partition is being revoked
            self._positions.pop(source, None)

    def end(self, partition: Partition) -> int | None:
        """Return the offset after the last readable record; None if nothing was fetched yet."""
        try:
            end: int | None = self._consumer.highwater(partition.source)
            stable = self._consumer.last_stable_offset(partition.source) if self._holes else None
        except (AssertionError, IllegalStateError):  # the partition is being revoked
            return None
        return end if end is None or stable is None or stable < 0 else min(end, stable)

    def answered_at(self, partition: Partition) -> int | None:
        """Return the time of the leader's last answer to a fetch; None before the first.

        The time is in ms on aiokafka's clock.
        """
        try:
            at: int | None = self._consumer.last_poll_timestamp(partition.source)
        except (AssertionError, IllegalStateError):  # the partition is being revoked
            return None
        return at

    def reached(self, partition: Partition) -> bool:
        """Return True if everything readable is read, as of the last look at the position."""
        end, position = self.end(partition), self._positions.get(partition.source)
        return end is not None and max(position or 0, partition.expected) >= end

    def lag(self, partition: Partition) -> int:
        """Return the number of records not applied yet.

        The number is an upper bound where logs have holes, and exact at their end.
        """
        if partition.delivery is None:
            return 0
        end = partition.expected if self.reached(partition) else self.end(partition)
        return max(0, (end or 0) - partition.delivery.acknowledged)
