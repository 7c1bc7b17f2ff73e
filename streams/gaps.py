"""Records that do not begin where they should: are the missing ones gone, or were they never records?"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from streams.errors import EngineFault, SourceJumped
from streams.recovery import log_start

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from streams.metrics import Counts
    from streams.partition import Partition
    from streams.riding import Riding

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.02
"""Until a hole is looked at again on a broker whose logs have none: an append shows a fetch or two later."""

MOST_LOOKS = 500
"""Looks at one hole, ten seconds and more of them: after so many its records are lost, and waiting ends."""


class Gaps:
    """Looks at gaps that show while a partition is read; those at its assignment are recovery's.

    Args:
        consumer: the member of the group, which is asked for the log start.
        accept: whether purchases that are gone may be left out.
        counts: the worker's counters.
        riding: how long the broker may be away when it is asked.
        holes: whether the broker's logs may have offsets that were never records: markers of transactions,
            and what compaction took. The embedded broker has neither: what is missing there shows in
            a moment, and is waited for.
    """

    def __init__(self, consumer: Any, *, accept: bool, counts: Counts, riding: Riding, holes: bool) -> None:
        self._consumer = consumer
        self._accept = accept
        self._counts = counts
        self._riding = riding
        self._holes = holes
        self._looks: Counter[tuple[TopicPartition, int]] = Counter()

    def unbroken(self, partition: Partition, raws: list[Any]) -> list[Any]:
        """The records up to the first hole, where the log should have none; the rest is read again."""
        if self._holes or raws[-1].offset - raws[0].offset + 1 == len(raws):
            return raws
        first = raws[0].offset
        whole = next(count for count, raw in enumerate(raws) if raw.offset != first + count)
        self._consumer.seek(partition.source, first + whole)
        self._counts.add("read_again")
        return raws[:whole]

    async def look(self, partition: Partition | None, found: int | None) -> bool:
        """Judge a gap by the start of the log; the answer is whether what came may be taken.

        Args:
            partition: whose records are missing; None if it is not ours any more.
            found: the first offset that came instead of the expected one; None if the expected one is out of
                the log's range.

        Raises:
            SourceJumped: purchases are gone, and their number.
            EngineFault: records came again, or never came.
        """
        if partition is None or not partition.reading:
            return False
        source, expected = partition.source, partition.expected
        name = f"{source.topic}[{source.partition}]"
        if found is not None and found < expected:
            raise EngineFault(f"{name} came again from offset {found}, not {expected}")
        start = await self._riding.out(
            lambda: log_start(self._consumer, source, holes=self._holes),
            f"Asking where {name} begins",
            over=lambda: partition.epoch.over,
        )
        if partition.epoch.over:
            return False
        if found is not None and start <= expected:
            if not self._holes:
                self._looks[source, expected] += 1
                if self._looks[source, expected] > MOST_LOOKS:
                    raise EngineFault(
                        f"{name}: offset {found} came and {expected} never did, though this broker's logs "
                        "have no holes"
                    )
                self._consumer.seek(source, expected)
                self._counts.add("read_again")
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
            return self._holes
        if start > expected and self._accept:
            self._counts.add("gap_accepted", start - expected)
            log.warning("%s: %d purchases are gone and left out", name, start - expected)
            if found is None:
                self._consumer.seek(source, start)
                partition.expected = start
            return found is not None
        gone = f"the purchases from {expected} to {start - 1} ({start - expected} of them) are gone unread"
        ended = f"there is no offset {expected} any more: the log was made anew or cut"
        raise SourceJumped(
            f"{name}: {gone if start > expected else ended}. `--accept-gap` goes on behind a gap; "
            "`cartpulse reset` starts anew from the log."
        )
