"""Control records of the service, written to every partition of `purchases`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.opened import opened
from streams.kafka.options import idempotence, producer_options
from streams.kafka.topics import create_topics
from streams.sources.sender import NotAcknowledgedError, RecordSender

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.settings.settings import Settings
    from streams.sources.feed import Feed


async def write_signals(settings: Settings, records: Iterable[Feed]) -> None:
    """Write records without a key to every partition, and wait until each partition acknowledged them.

    Args:
        settings: Service settings.
        records: Records without a key.

    Raises:
        NotAcknowledgedError: The broker refused a record.
        BrokerUnreachableError: No broker answers.
    """
    await create_topics(settings)
    options = producer_options(settings, idempotent=await idempotence(settings))
    try:
        async with opened(AIOKafkaProducer(**options)) as producer:
            await RecordSender(producer, settings).send(records)
    except KafkaError as error:
        raise NotAcknowledgedError(f"the broker refused the record: {error!r}") from error
