"""Sender of a source's records to the `purchases` topic.

Records go at full speed, paced by event days, or at a steady rate. Every acknowledgement is awaited, with a
bounded number outstanding; the first failure ends the sending.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from models.records.partitioner import partition_of
from streams.errors import CartpulseError
from streams.sources.acknowledged import Sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder

    from streams.settings.settings import Settings
    from streams.sources.feed import Feed

BATCH_BYTES: Final = 512 * 1024
"""Bytes of one record batch, half of what brokers accept by default. A larger batch would delay the
reader."""

BATCHES_IN_FLIGHT: Final = 16
"""Batches sent and not acknowledged, 8 MiB in all: enough to hide the round trip, and little to keep in
memory."""

_SLICE_SECONDS: Final = 0.02
"""Longest time in seconds for which a paced record waits for others to share its batch."""

_DAY_MS: Final = 86_400_000


class NotAcknowledgedError(CartpulseError):
    """The broker refused a purchase, or did not acknowledge it in time.

    The broker may have stored it or not.
    """


@dataclass(frozen=True, slots=True)
class SendProgress:
    """Progress of a sending, reported after every acknowledged batch."""

    purchases: int
    """Purchases acknowledged."""
    ticks: int
    """Ticks acknowledged, counted once for every partition."""
    occurred_at: int
    """Event time of the last record handed over, ms since 1970 UTC."""


class RecordSender:
    """Sender of records, each partition in the order in which its records come.

    Args:
        producer: Started producer with `acks=all`.
        settings: Service settings: topic, number of partitions, partitioner and deadline of a send.
        days_per_second: Event days to send in one second; None sends as fast as the broker accepts.
        progress: Called after every acknowledgement.
        stamped: Give records their event time as timestamp; the time of sending otherwise.
        clock: Returns seconds on a monotonic clock.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        settings: Settings,
        *,
        days_per_second: float | None = None,
        progress: Callable[[SendProgress], None] | None = None,
        stamped: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if days_per_second is not None and days_per_second <= 0:
            raise ValueError("days_per_second must be greater than 0")
        self._producer = producer
        self._settings = settings
        self._topic = settings.purchases_topic
        self._pace = days_per_second
        self._report = progress
        self._stamped = stamped
        self._clock = clock
        self._place = partition_for(settings)
        self._open: dict[int, BatchBuilder] = {}
        self._counts: dict[int, list[int]] = {}
        self._in_flight: deque[tuple[asyncio.Future[Any], int, int, int]] = deque()
        self._done = SendProgress(0, 0, 0)
        self.acknowledged = Sent()
        """Offsets of the records that the broker acknowledged."""

    async def send(self, records: Iterable[Feed]) -> SendProgress:
        """Send all records and wait for every acknowledgement.

        Raises:
            NotAcknowledgedError: A send failed, or took longer than the settings' deadline.
        """
        first: int | None = None
        started = self._clock()
        for record in records:
            if self._pace is not None:
                first = record.occurred_at if first is None else first
                due = started + (record.occurred_at - first) / _DAY_MS / self._pace
                if due - self._clock() > _SLICE_SECONDS:
                    await self._flush()
                    await asyncio.sleep(due - self._clock())
            await self._append(record)
            self._done = SendProgress(self._done.purchases, self._done.ticks, record.occurred_at)
        await self._flush()
        while self._in_flight:
            await self._acknowledge()
        return self._done

    async def _append(self, record: Feed) -> None:
        stamp = record.occurred_at if self._stamped else None
        targets = range(self._settings.partitions) if record.key is None else (self._place(record.key),)
        for partition in targets:
            batch = self._open.get(partition)
            if (
                batch is None
                or batch.size() + len(record.value) > BATCH_BYTES
                or batch.append(timestamp=stamp, key=record.key, value=record.value) is None
            ):
                if batch is not None:
                    await self._hand_over(partition)
                batch = self._open[partition] = self._producer.create_batch()
                self._counts[partition] = [0, 0]
                batch.append(timestamp=stamp, key=record.key, value=record.value)
            self._counts[partition][record.key is None] += 1

    async def _flush(self) -> None:
        for partition in list(self._open):
            await self._hand_over(partition)

    async def _hand_over(self, partition: int) -> None:
        batch = self._open.pop(partition)
        purchases, ticks = self._counts.pop(partition)
        batch.close()
        while len(self._in_flight) >= BATCHES_IN_FLIGHT:
            await self._acknowledge()
        sending = self._producer.send_batch(batch, self._topic, partition=partition)
        future = await _within(sending, self._settings.send_deadline_seconds)
        self._in_flight.append((future, partition, purchases, ticks))

    async def _acknowledge(self) -> None:
        future, partition, purchases, ticks = self._in_flight.popleft()
        landed = await _within(future, self._settings.send_deadline_seconds)
        self.acknowledged.note(partition, landed.offset, purchases + ticks)
        done = self._done
        self._done = SendProgress(done.purchases + purchases, done.ticks + ticks, done.occurred_at)
        if self._report is not None:
            self._report(self._done)


async def send_steadily(
    producer: AIOKafkaProducer,
    settings: Settings,
    records: Iterable[Feed],
    *,
    per_second: float,
    sending: Callable[[Feed], None],
) -> int:
    """Send keyed records one by one at a steady rate and wait for every acknowledgement.

    Args:
        producer: Started producer with `acks=all`, and no linger time where latency is measured.
        settings: Service settings: topic, partitioner and deadline of a send.
        records: Records to send, each with a key.
        per_second: Records per second; a record that is late is sent at once.
        sending: Called just before a record is handed to the producer.

    Returns:
        Number of records sent.

    Raises:
        NotAcknowledgedError: A send failed, or took longer than the settings' deadline.
        ValueError: A record has no key.
    """
    place = partition_for(settings)
    in_flight: deque[asyncio.Future[Any]] = deque()
    started = time.monotonic()
    count = 0
    for record in records:
        if record.key is None:
            raise ValueError("a steady sender takes keyed records")
        # A record's time follows from its number, so that one delay does not slow the rest down.
        wait = started + count / per_second - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        sending(record)
        in_flight.append(
            await producer.send(
                settings.purchases_topic, record.value, key=record.key, partition=place(record.key)
            )
        )
        count += 1
        # Acknowledgements are collected meanwhile, so that a failure ends the sending soon.
        while in_flight and in_flight[0].done():
            await _within(in_flight.popleft(), settings.send_deadline_seconds)
    for future in in_flight:
        await _within(future, settings.send_deadline_seconds)
    return count


def partition_for(settings: Settings) -> Callable[[bytes], int]:
    """Return a function from a customer's key to its partition. Each key is computed once."""
    partitions, partitioner = settings.partitions, settings.partitioner

    @lru_cache(maxsize=1 << 16)
    def place(key: bytes) -> int:
        return partition_of(key, partitions, partitioner)

    return place


async def _within(acknowledgement: Awaitable[Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await acknowledgement
    except TimeoutError:
        raise NotAcknowledgedError(
            f"the broker did not acknowledge purchases within {seconds:g} s: see that it is up and has room"
        ) from None
    except Exception as error:
        raise NotAcknowledgedError(f"the broker refused purchases: {error!r}") from error
