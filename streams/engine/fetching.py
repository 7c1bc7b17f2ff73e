"""Fetching of purchases, each bound to the assignment under which it arrived."""

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
"""Most ms that one fetch waits for records. Partitions that become ready meanwhile are included in the next
fetch."""

MOST_FRUITLESS = 5
"""Most consumer errors in a row for which reading batch by batch finds no record. After more, no batch can be
at fault, and the error is raised."""


class Fetcher:
    """Fetcher for the partitions that may take more records.

    Args:
        consumer: Group member's consumer.
        owned: Partitions owned at the moment, by number.
        gaps: Judge of missing offsets and of lost records.
        salvage: Reader of single batches, for what the consumer cannot decode or would skip.
        retry: Policy for how long a broker may be away.
        clock: Clock that measures silence.
        counts: Counters of the worker.
        progress: Event that is set when a partition may take more records.
        most: Most records of one fetch.
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
        """Offset from which a partition is read next, where the offsets before it hold no record."""
        self._heard: WeakKeyDictionary[Partition, float] = WeakKeyDictionary()
        """Moment at which a partition last gave records, or reported that it was read to its end."""
        self._fruitless = 0

    async def run(self) -> None:
        """Fetch until cancelled.

        Raises:
            SourceJumpedError: Purchases are gone.
            LogUnreadableError: The log is damaged, and no readable offset after the damage is accepted.
            BrokerUnreachableError: The broker was away for too long.
        """
        while True:
            # Wait until a partition may take records.
            self._progress.clear()
            can_fetch = [partition for partition in self._owned.values() if partition.can_fetch]
            if not can_fetch:
                self._heard.clear()
                await self._progress.wait()
                continue
            # Fetch for all of those partitions at once. Errors over the bytes are handled batch by batch.
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
            # Bind the records to the epochs that own them now, in the same event loop step in which they
            # arrive.
            bound = [(self._owned.get(source.partition), raws) for source, raws in fetched.items()]
            for partition, raws in bound:
                if partition is not None and _current(partition):
                    await self._take(partition, raws)
            await self._listen(can_fetch, {partition for partition, _ in bound if partition is not None})

    async def _take(self, partition: Partition, raws: Sequence[Any]) -> None:
        """Offer fetched records up to the first missing offset.

        The records after it are read batch by batch.
        """
        if raws[0].offset not in (partition.expected, self._due.get(partition)):
            if await self._gaps.look(partition, raws[0].offset):
                await self._read_by_batches(partition)
            return
        whole = self._gaps.unbroken(partition, raws)
        partition.offer(whole)
        if len(whole) < len(raws) and self._gaps.holes:
            await self._read_by_batches(partition)

    async def _go_round(self, can_fetch: Sequence[Partition], error: Exception) -> None:
        """Read all partitions of the fetch batch by batch.

        The consumer does not name the partition whose batch it could not decode. The consumer has also
        dropped records of any of these partitions that it had decoded before, and would continue after them.
        So each partition is first sought back to its next expected offset.
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
        """Read a partition's next records batch by batch and offer them; return True on progress."""
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
            self._counts.broken_batches += 1
            log.error(
                "%s: a batch cannot be decoded, and goes to the dead letters whole: %s",
                last.where,
                last.reason,
            )

    async def _listen(self, can_fetch: Sequence[Partition], served: set[Partition]) -> None:
        """Read batch by batch from partitions that are silent although their logs have more."""
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
        """Return True if the log continues after the consumer's position, or its end is unknown."""
        try:
            end = self._consumer.highwater(partition.source)
            stable = self._consumer.last_stable_offset(partition.source)
            position = await self._consumer.position(partition.source)
        except (AssertionError, IllegalStateError):  # the partition is being revoked
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
