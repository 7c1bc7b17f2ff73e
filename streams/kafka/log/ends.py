"""First and last records of a log, read without a consumer group and without leaving a trace.

The records include those of open and aborted transactions: nothing may be built on them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.errors import LogUnreadableError
from streams.kafka.log.salvage import CarefulReader
from streams.kafka.options import consumer_options, unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.settings.settings import Settings

READ_SECONDS: Final = 30.0
"""Seconds that the read may take. A log that the broker cannot read takes longer than a sound one."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """End of one partition's log, with the records that were read."""

    start: int
    """First offset in the log."""
    end: int
    """Offset after the last one."""
    records: Sequence[Any]
    """Records of aiokafka, in order; a few more than requested, or fewer where offsets hold none. A batch
    that cannot be decoded is a `BrokenBatch` among them."""
    damage: str = ""
    """Reason for which the rest of the log cannot be read; empty if it can be read."""


async def log_ends(settings: Settings, topic: str, records: int) -> dict[int, LogEnd]:
    """Read the last records of all partitions of an existing topic.

    Args:
        settings: Service settings.
        topic: Name of the topic on the broker.
        records: Number of records to read of each partition.

    Raises:
        BrokerUnreachableError: No broker answers, or not in time.
        KafkaError: The broker refuses the read, for example because the login may not read the topic.
    """
    return await _look(settings, topic, records, from_start=False)


async def log_starts(settings: Settings, topic: str, records: int) -> dict[int, LogEnd]:
    """Read the first records of all partitions of an existing topic.

    Args:
        settings: Service settings.
        topic: Name of the topic on the broker.
        records: Number of records to read of each partition; a few more may come.

    Raises:
        BrokerUnreachableError: No broker answers, or not in time.
        KafkaError: The broker refuses the read, for example because the login may not read the topic.
    """
    return await _look(settings, topic, records, from_start=True)


async def _look(settings: Settings, topic: str, records: int, *, from_start: bool) -> dict[int, LogEnd]:
    consumer = CarefulReader.of(AIOKafkaConsumer(**consumer_options(settings, committed=False)), settings)
    try:
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            places = [TopicPartition(topic, number) for number in range(settings.partitions)]
            return await _read(consumer, places, records, from_start=from_start)
    except (TimeoutError, OSError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await consumer.stop()


async def _read(
    consumer: CarefulReader, places: list[TopicPartition], records: int, *, from_start: bool
) -> dict[int, LogEnd]:
    consumer.assign(places)
    starts = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, starts[place] if from_start else max(starts[place], ends[place] - records))
    read: dict[TopicPartition, list[Any]] = {place: [] for place in places}
    damage: dict[TopicPartition, str] = {}
    while True:
        try:
            whole = [place for place in places if place not in damage]
            for place, fetched in (await consumer.getmany(*whole, timeout_ms=100)).items() if whole else ():
                read[place] += fetched
        except LogUnreadableError as error:
            if error.place is None:
                raise
            damage[error.place] = str(error)
        # The embedded broker returns the last batch's base offset as the end; only a fetch returns the true
        # end.
        highest = {place: consumer.highwater(place) for place in places}
        positions = {place: await consumer.position(place) for place in places}
        if all(
            place in damage
            or (high is not None and positions[place] >= high)
            or (from_start and len(read[place]) >= records)
            for place, high in highest.items()
        ):
            break
    return {
        place.partition: LogEnd(
            starts[place], highest[place] or ends[place], read[place], damage.get(place, "")
        )
        for place in places
    }
