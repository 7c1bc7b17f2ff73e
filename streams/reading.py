"""Reads purchases, and binds what arrives to the assignment that it arrived for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aiokafka.errors import OffsetOutOfRangeError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from streams.gaps import Gaps
    from streams.partition import Partition
    from streams.riding import Riding

FETCH_WAIT_MS = 50
"""How long one look for records may take before partitions that became ready meanwhile are asked too."""


class Reading:
    """Fetches for the partitions that may take more.

    Args:
        consumer: the member of the group.
        owned: the partitions at the moment, by number.
        gaps: judges records that do not begin where they should.
        riding: how long a broker may be away.
        progress: set when a partition may have become hungry.
        most: records of one fetch.
    """

    def __init__(
        self,
        consumer: Any,
        owned: Mapping[int, Partition],
        *,
        gaps: Gaps,
        riding: Riding,
        progress: asyncio.Event,
        most: int,
    ) -> None:
        self._consumer = consumer
        self._owned = owned
        self._gaps = gaps
        self._riding = riding
        self._progress = progress
        self._most = most

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            SourceJumped: purchases are gone.
            BrokerUnreachable: the broker was away for too long.
        """
        while True:
            self._progress.clear()
            hungry = [partition.source for partition in self._owned.values() if partition.hungry]
            if not hungry:
                await self._progress.wait()
                continue
            try:
                fetched = await self._riding.out(
                    functools.partial(
                        self._consumer.getmany, *hungry, timeout_ms=FETCH_WAIT_MS, max_records=self._most
                    ),
                    "Reading purchases",
                )
            except OffsetOutOfRangeError as error:
                for source in error.args[0]:
                    await self._gaps.look(self._owned.get(source.partition), None)
                continue
            # In the step in which they arrive, records are bound to whose epoch it is.
            bound = [(self._owned.get(source.partition), raws) for source, raws in fetched.items()]
            for partition, raws in bound:
                if partition is None or not partition.reading or partition.epoch.over:
                    continue
                expected = raws[0].offset == partition.expected
                if not expected and not await self._gaps.look(partition, raws[0].offset):
                    continue
                if not partition.epoch.over:
                    partition.offer(self._gaps.unbroken(partition, raws))
