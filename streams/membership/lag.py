"""Where the logs end that are read, and what of them is not applied yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from streams.partition.partition import Partition


class LagTracker:
    """The ends of the owned partitions, as far as the last fetch knows.

    A log may end with offsets that hold no record: the marker of a transaction, or the batches of one that
    was aborted. The high watermark counts them, so it is no measure of what is left to do; the consumer's
    position passes over them, and says whether everything is read.

    Args:
        consumer: the member of the group.
        holes: whether the broker's logs may have such offsets; then it also reads committed records alone,
            and a transaction that is open bounds what can be read.
    """

    def __init__(self, consumer: Any, *, holes: bool) -> None:
        self._consumer = consumer
        self._holes = holes
        self._positions: dict[TopicPartition, int] = {}

    async def look(self, partition: Partition) -> None:
        """Take note of the consumer's position, which it tells without waiting."""
        source = partition.source
        try:
            if partition.reading:
                self._positions[source] = await self._consumer.position(source)
        except IllegalStateError:  # it is being taken away
            self._positions.pop(source, None)

    def end(self, partition: Partition) -> int | None:
        """The offset behind the last that can be read; None if nothing was fetched yet."""
        try:
            end: int | None = self._consumer.highwater(partition.source)
            stable = self._consumer.last_stable_offset(partition.source) if self._holes else None
        except (AssertionError, IllegalStateError):  # it is being taken away
            return None
        return end if end is None or stable is None or stable < 0 else min(end, stable)

    def answered_at(self, partition: Partition) -> int | None:
        """When the partition's leader last answered a fetch, in the process's time; None before the first."""
        try:
            at: int | None = self._consumer.last_poll_timestamp(partition.source)
        except (AssertionError, IllegalStateError):  # it is being taken away
            return None
        return at

    def reached(self, partition: Partition) -> bool:
        """Whether everything that can be read is, as of the last look at its position."""
        end, position = self.end(partition), self._positions.get(partition.source)
        return end is not None and max(position or 0, partition.expected) >= end

    def lag(self, partition: Partition) -> int:
        """Records that are not applied yet: an upper bound where logs have holes, exact at their end."""
        if partition.delivery is None:
            return 0
        end = partition.expected if self.reached(partition) else self.end(partition)
        return max(0, (end or 0) - partition.delivery.acknowledged)
