"""The first and the last records of a log, without a group and without leaving a trace.

Those of transactions that are open or were aborted are among them: nothing may be built on such a look.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.errors import LogUnreadable
from streams.kafka.log.salvage import CarefulReader
from streams.kafka.options import consumer_options, unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.settings.settings import Settings

READ_SECONDS: Final = 30.0
"""How long it may take: with a log that the broker cannot read, longer than otherwise."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The end of one partition's log."""

    start: int
    """The first offset that is there."""
    end: int
    """The offset behind the last one."""
    records: Sequence[Any]
    """aiokafka's records, in order; a few more than asked for, or fewer where offsets hold none. A batch that
    cannot be decoded is a `BrokenBatch` among them."""
    damage: str = ""
    """Why the rest of it cannot be read; empty where it can."""


async def log_ends(settings: Settings, topic: str, records: int) -> dict[int, LogEnd]:
    """The ends of all partitions of a topic that is there.

    Args:
        settings: of the service.
        topic: its name on the broker.
        records: how many of each partition.

    Raises:
        BrokerUnreachable: no broker answers, or not in time.
        KafkaError: the login may not read it, for one.
    """
    return await _look(settings, topic, records, from_start=False)


async def log_starts(settings: Settings, topic: str, records: int) -> dict[int, LogEnd]:
    """Read the first records of all partitions of a topic that is there.

    Args:
        settings: Service settings.
        topic: Its name on the broker.
        records: Records of each partition; a few more may come.

    Raises:
        BrokerUnreachable: No broker answers, or not in time.
        KafkaError: The login may not read it, for one.
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
        except LogUnreadable as error:
            if error.place is None:
                raise
            damage[error.place] = str(error)
        # The embedded broker names the last batch's base for its end; a fetch alone knows the true one.
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
