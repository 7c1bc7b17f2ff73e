"""Reads a topic from its beginning to the end that it has now, without a consumer group."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.clients import consumer_options
from streams.errors import BrokerUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from streams.settings import Settings


async def open_reader(settings: Settings, topics: Sequence[str]) -> AIOKafkaConsumer:
    """A started consumer at the beginning of every partition of the topics; the caller stops it.

    Raises:
        BrokerUnreachable: No broker answers.
    """
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    try:
        await consumer.start()
        places = [
            TopicPartition(topic, partition) for topic in topics for partition in range(settings.partitions)
        ]
        consumer.assign(places)
        for place, offset in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, offset)
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise BrokerUnreachable(
            f"No Kafka broker answers at {settings.kafka_broker} ({error or type(error).__name__}): start "
            "one (`cartpulse broker` runs a local one) or correct KAFKA_BROKER."
        ) from error
    return consumer


async def read_batches(
    settings: Settings, topic: str
) -> AsyncGenerator[tuple[TopicPartition, list[Any]], None]:
    """All records that a topic holds, in runs of one partition, as they come.

    Raises:
        BrokerUnreachable: No broker answers.
    """
    consumer = await open_reader(settings, [topic])
    try:
        while not await at_end(consumer):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                yield place, records
    finally:
        await consumer.stop()


async def read_all(settings: Settings, topic: str) -> AsyncGenerator[Any, None]:
    """The same, one by one."""
    async with aclosing(read_batches(settings, topic)) as batches:
        async for _, records in batches:
            for record in records:
                yield record


async def at_end(consumer: AIOKafkaConsumer) -> bool:
    """Whether the consumer has read all that its partitions hold now.

    The embedded broker names the base offset of the last batch as its last; a consumer that is past it has
    fetched that batch, and with it the true end.
    """
    ends = await consumer.end_offsets(consumer.assignment())
    for place, end in ends.items():
        position = await consumer.position(place)
        if position < max(end, consumer.highwater(place) or 0):
            return False
    await asyncio.sleep(0)
    return True
