"""Reads purchases, and binds what arrives to the assignment that it arrived for."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from streams.kafka.log.batches import BrokenBatch
from streams.kafka.log.salvage import SILENCE_SECONDS
from streams.kafka.undecodable import is_undecodable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from streams.clock import Clock
    from streams.engine.gaps import Gaps
    from streams.kafka.log.salvage import Salvage
    from streams.kafka.retry import RetryPolicy
    from streams.metrics import Counts
    from streams.partition.partition import Partition

log = logging.getLogger(__name__)

FETCH_WAIT_MS = 50
"""How long one look for records may take before partitions that became ready meanwhile are asked too."""

MOST_FRUITLESS = 5
"""Errors of the consumer in a row over which reading batch by batch finds nothing: then it is no data's."""


class Fetcher:
    """Fetches for the partitions that may take more.

    Args:
        consumer: the member of the group.
        owned: the partitions at the moment, by number.
        gaps: judges records that do not begin where they should, and what is lost.
        salvage: reads batch by batch what the consumer cannot decode, or would pass over.
        riding: how long a broker may be away.
        clock: measures silence.
        counts: the worker's counters.
        progress: set when a partition may have become hungry.
        most: records of one fetch.
    """

    def __init__(
        self,
        consumer: Any,
        owned: Mapping[int, Partition],
        *,
        gaps: Gaps,
        salvage: Salvage,
        retry: RetryPolicy,
        clock: Clock,
        counts: Counts,
        progress: asyncio.Event,
        most: int,
    ) -> None:
        self._consumer = consumer
        self._owned = owned
        self._gaps = gaps
        self._salvage = salvage
        self._retry = retry
        self._clock = clock
        self._counts = counts
        self._progress = progress
        self._most = most
        self._due: WeakKeyDictionary[Partition, int] = WeakKeyDictionary()
        """Offset from which a partition is read on, where offsets before it hold no record."""
        self._heard: WeakKeyDictionary[Partition, float] = WeakKeyDictionary()
        """When a partition's log last told that it was read to its end, or gave records."""
        self._fruitless = 0

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            SourceJumped: purchases are gone.
            LogUnreadable: the log is damaged, and nothing tells how to go on.
            BrokerUnreachable: the broker was away for too long.
        """
        while True:
            self._progress.clear()
            can_fetch = [partition for partition in self._owned.values() if partition.can_fetch]
            if not can_fetch:
                self._heard.clear()
                await self._progress.wait()
                continue
            try:
                fetched = await self._retry.call(
                    functools.partial(
                        self._consumer.getmany,
                        *[partition.source for partition in can_fetch],
                        timeout_ms=FETCH_WAIT_MS,
                        max_records=self._most,
                    ),
                    "Reading purchases",
                )
            except OffsetOutOfRangeError as error:
                for source in error.args[0]:
                    astray = self._owned.get(source.partition)
                    if await self._gaps.look(astray, None) and astray is not None:
                        await self._read_by_batches(astray)
                continue
            except Exception as error:
                if not is_undecodable(error):
                    raise
                await self._go_round(can_fetch, error)
                continue
            self._fruitless = 0
            # In the step in which they arrive, records are bound to whose epoch it is.
            bound = [(self._owned.get(source.partition), raws) for source, raws in fetched.items()]
            for partition, raws in bound:
                if partition is not None and _current(partition):
                    await self._take(partition, raws)
            await self._listen(can_fetch, {partition for partition, _ in bound if partition is not None})

    async def _take(self, partition: Partition, raws: Sequence[Any]) -> None:
        """Offer fetched records up to the first offset that is missing; what follows is read by batches."""
        if raws[0].offset not in (partition.expected, self._due.get(partition)):
            if await self._gaps.look(partition, raws[0].offset):
                await self._read_by_batches(partition)
            return
        whole = self._gaps.unbroken(partition, raws)
        partition.offer(whole)
        if len(whole) < len(raws) and self._gaps.holes:
            await self._read_by_batches(partition)

    async def _go_round(self, can_fetch: Sequence[Partition], error: Exception) -> None:
        """Read all that asked by batches: the consumer does not say whose batch it could not decode.

        It has also dropped records that it had decoded before, of any of them, and would go on behind them.
        """
        log.debug("Reading batch by batch: %r", error)
        current = [partition for partition in can_fetch if _current(partition)]
        for partition in current:
            self._seek(partition, self._next(partition))
        found = 0
        for partition in current:
            found += await self._read_by_batches(partition)
        self._fruitless = 0 if found else self._fruitless + 1
        if self._fruitless > MOST_FRUITLESS:
            raise error

    async def _read_by_batches(self, partition: Partition) -> bool:
        """Offer what a partition's log has next; the answer is whether it got on."""
        source, due = partition.source, self._next(partition)
        try:
            walked = await self._retry.call(
                lambda: self._salvage.read(source, due, self._most),
                f"Reading {source.topic}[{source.partition}] batch by batch",
                over=lambda: not _current(partition),
            )
        except OffsetOutOfRangeError:
            await self._gaps.look(partition, None)
            return False
        except (KafkaError, OSError):
            if _current(partition):
                raise
            return False
        if not _current(partition) or self._next(partition) != due:
            return False
        following = walked.following
        if walked.lost is not None and not walked.records:
            following = await self._gaps.leave_out(partition, walked.lost)
            if not _current(partition):
                return False
        if walked.records:
            partition.offer(walked.records)
            self._note(walked.records[-1])
        self._due[partition] = following
        self._seek(partition, following)
        return following > due

    def _note(self, last: Any) -> None:
        if isinstance(last, BrokenBatch):
            self._counts.add("broken_batches")
            log.error(
                "%s: a batch cannot be decoded, and goes to the dead letters whole: %s",
                last.where,
                last.reason,
            )

    async def _listen(self, can_fetch: Sequence[Partition], served: set[Partition]) -> None:
        """Read by batches where a log that has more gives nothing."""
        now = self._clock.elapsed()
        for partition in can_fetch:
            if not _current(partition):
                continue
            if partition in served or not await self._silent(partition):
                self._heard[partition] = now
            elif now - self._heard.setdefault(partition, now) > SILENCE_SECONDS:
                self._heard[partition] = now
                await self._read_by_batches(partition)

    async def _silent(self, partition: Partition) -> bool:
        """Whether a log goes on behind the consumer's position, or nobody says how far it goes."""
        try:
            end = self._consumer.highwater(partition.source)
            stable = self._consumer.last_stable_offset(partition.source)
            position = await self._consumer.position(partition.source)
        except (AssertionError, IllegalStateError):  # it is being taken away
            return False
        if end is None:
            return True
        return bool(position < (end if stable is None or stable < 0 else min(end, stable)))

    def _next(self, partition: Partition) -> int:
        return max(partition.expected, self._due.get(partition, -1))

    def _seek(self, partition: Partition, offset: int) -> None:
        self._consumer.seek(partition.source, offset)


def _current(partition: Partition) -> bool:
    return partition.reading and not partition.epoch.over
