"""Gaps in the offsets of fetched records: decides whether the missing records are gone or never existed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from streams.changelog.recovery import log_start
from streams.errors import EngineError, SourceJumpedError
from streams.kafka.log.walk import Lost, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition

    from streams.kafka.log.salvage import Salvage
    from streams.kafka.retry import RetryPolicy
    from streams.metrics import Counts
    from streams.partition.partition import Partition

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.02
"""Seconds until a gap is checked again on a broker whose logs have no gaps. There, an append shows one or two
fetches later."""

MOST_LOOKS = 500
"""Most checks of one gap, which take ten seconds or more. After so many checks the records are lost, and
waiting ends."""


class Gaps:
    """Judge of gaps that show while a partition is read. Recovery judges the gaps at assignment.

    Args:
        consumer: Group member's consumer, which is asked for the start of the log.
        accept: True if lost purchases may be left out.
        counts: Counters of the worker.
        retry: Policy for how long a broker may be away.
        holes: True if the broker's logs may have offsets that hold no record: transaction markers and
            aborted records. Reading batch by batch identifies them. The embedded broker has neither: a record
            missing there shows in a moment, so it is waited for.
        salvage: Reader that finds the next readable offset of a damaged log.
    """

    def __init__(
        self,
        consumer: Any,
        *,
        accept: bool,
        counts: Counts,
        retry: RetryPolicy,
        holes: bool,
        salvage: Salvage,
    ) -> None:
        self._consumer = consumer
        self._accept = accept
        self._counts = counts
        self._retry = retry
        self.holes = holes
        self._salvage = salvage
        self._looks: Counter[tuple[TopicPartition, int]] = Counter()

    def unbroken(self, partition: Partition, raws: Sequence[Any]) -> Sequence[Any]:
        """Return the records up to the first gap.

        The rest is read again, batch by batch if the log may have gaps.
        """
        if raws[-1].offset - raws[0].offset + 1 == len(raws):
            return raws
        first = raws[0].offset
        whole = next((count for count, raw in enumerate(raws) if raw.offset != first + count), len(raws))
        self._consumer.seek(partition.source, first + whole)
        if not self.holes:
            self._counts.read_again += 1
        return raws[:whole]

    async def look(self, partition: Partition | None, found: int | None) -> bool:
        """Judge a gap by the start of the log; return True if it must be read batch by batch.

        Args:
            partition: Partition whose records are missing; None if it is not ours any more.
            found: First offset that came instead of the expected one; None if the expected offset is out of
                the log's range.

        Raises:
            SourceJumpedError: Purchases are gone; the message has their number.
            EngineError: Records came a second time.
        """
        if partition is None or not partition.reading:
            return False
        source, expected = partition.source, partition.expected
        name = f"{source.topic}[{source.partition}]"
        # Duplicates would be applied twice, so they end the worker.
        if found is not None and found < expected:
            raise EngineError(f"{name} came again from offset {found}, not {expected}")
        start = await self._retry.call(
            lambda: log_start(self._consumer, source, holes=self.holes),
            f"Asking where {name} begins",
            over=lambda: partition.epoch.over,
        )
        if partition.epoch.over:
            return False
        # The log still holds the expected offset: decide by reading batches, or wait for the record to show.
        if found is not None and start <= expected:
            return self.holes or not await self._may_show(source, expected)
        if found is None and start <= expected and await self._holds(partition, expected):
            return True  # the consumer's position is wrong, because a batch misstates its own offsets
        # The log begins after the expected offset, so the records are gone. Skip them only if that is
        # accepted.
        if start > expected and self._accept:
            self._counts.gap_accepted += start - expected
            log.warning("%s: %d purchases are gone and left out", name, start - expected)
            self._consumer.seek(source, start)
            partition.pass_to(start)
            return False
        gone = f"the purchases from {expected} to {start - 1} ({start - expected} of them) are gone unread"
        ended = f"there is no offset {expected} any more: the log was made anew or cut"
        raise SourceJumpedError(
            f"{name}: {gone if start > expected else ended}. `--accept-gap` goes on behind a gap; "
            "`cartpulse reset` starts anew from the log."
        )

    async def _holds(self, partition: Partition, offset: int) -> bool:
        """Return True if the log continues at this offset, or ends there."""
        source = partition.source
        ends = await self._retry.call(
            lambda: self._consumer.end_offsets([source]),
            f"Asking where {source.topic}[{source.partition}] ends",
            over=lambda: partition.epoch.over,
        )
        return bool(offset <= ends[source])

    async def leave_out(self, partition: Partition, lost: Lost) -> int:
        """Return the offset after a damaged part of the log, if leaving that part out is accepted.

        Raises:
            LogUnreadableError: Leaving it out is not accepted; the message names the offsets and the remedy.
        """
        source = partition.source
        name = f"{source.topic}[{source.partition}]"
        if not self.holes and lost.last is not None and await self._may_show(source, lost.first):
            return lost.first
        over = lambda: partition.epoch.over  # noqa: E731 - said once
        ends = await self._retry.call(
            lambda: self._consumer.end_offsets([source]), f"Asking where {name} ends", over=over
        )
        following = await self._retry.call(
            lambda: self._salvage.readable_from(source, lost, int(ends[source])),
            f"Looking for where {name} can be read again",
            over=over,
        )
        if not self._accept:
            raise unreadable(
                source,
                Lost(lost.first, following - 1, lost.reason),
                f"`--accept-gap` goes on at offset {following} and leaves {following - lost.first} offsets "
                "out; what they held has to be sent again, or brought back with a copy of the log.",
            )
        self._counts.gap_accepted += following - lost.first
        log.warning(
            "%s: offsets %d to %d cannot be read and are left out: %s",
            name,
            lost.first,
            following - 1,
            lost.reason,
        )
        return following

    async def _may_show(self, source: TopicPartition, offset: int) -> bool:
        """Wait a moment for missing records to show; return False after enough waits."""
        self._looks[source, offset] += 1
        if self._looks[source, offset] > MOST_LOOKS:
            return False
        self._consumer.seek(source, offset)
        self._counts.read_again += 1
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return True
