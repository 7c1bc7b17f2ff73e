"""Records that do not begin where they should: are the missing ones gone, or were they never records?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from streams.errors import EngineFault, SourceJumped

if TYPE_CHECKING:
    from streams.metrics import Counts
    from streams.partition import Partition

log = logging.getLogger(__name__)


class Gaps:
    """Looks at gaps that show while a partition is read; those at its assignment are recovery's.

    Args:
        consumer: the member of the group, which is asked for the log start.
        accept: whether purchases that are gone may be left out.
        counts: the worker's counters.
    """

    def __init__(self, consumer: Any, *, accept: bool, counts: Counts) -> None:
        self._consumer = consumer
        self._accept = accept
        self._counts = counts

    async def look(self, partition: Partition | None, found: int | None) -> None:
        """Judge a gap by the start of the log; it returns where reading may go on.

        Args:
            partition: whose records are missing; None if it is not ours any more.
            found: the first offset that came instead of the expected one; None if the expected one is out of
                the log's range.

        Raises:
            SourceJumped: purchases are gone, and their number.
            EngineFault: records came again.
        """
        if partition is None or not partition.reading:
            return
        source, expected = partition.source, partition.expected
        name = f"{source.topic}[{source.partition}]"
        if found is not None and found < expected:
            raise EngineFault(f"{name} came again from offset {found}, not {expected}")
        start = (await self._consumer.beginning_offsets([source]))[source]
        if partition.epoch.over or (found is not None and start <= expected):
            return  # markers of transactions, and records that compaction took
        if start > expected and self._accept:
            self._counts.add("gap_accepted", start - expected)
            log.warning("%s: %d purchases are gone and left out", name, start - expected)
            if found is None:
                self._consumer.seek(source, start)
                partition.expected = start
            return
        gone = f"the purchases from {expected} to {start - 1} ({start - expected} of them) are gone unread"
        ended = f"there is no offset {expected} any more: the log was made anew or cut"
        raise SourceJumped(
            f"{name}: {gone if start > expected else ended}. `--accept-gap` goes on behind a gap; "
            "`cartpulse reset` starts anew from the log."
        )
