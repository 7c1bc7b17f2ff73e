"""Records of the service's own, written to every partition of `purchases`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.clients import idempotence, producer_options
from streams.sources.replay import NotAcknowledgedError, Replay
from streams.topics import create_topics

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.sources.feed import Feed


async def write_signal(settings: Settings, record: Feed) -> None:
    """Write a record without a key to every partition, and wait until all of them have it.

    Raises:
        NotAcknowledgedError: The broker refused it.
        BrokerUnreachable: No broker answers.
    """
    await create_topics(settings)
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=await idempotence(settings)))
    try:
        await producer.start()
        await Replay(producer, settings).send([record])
    except KafkaError as error:
        raise NotAcknowledgedError(f"the broker refused the record: {error!r}") from error
    finally:
        await producer.stop()
