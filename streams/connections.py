"""The Kafka clients of one worker, made from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.clients import (
    BATCH_BYTES,
    ROWS_BATCH_BYTES,
    abilities,
    consumer_options,
    idempotence,
    limit_loggers,
    producer_options,
)

if TYPE_CHECKING:
    from streams.settings import Settings


NEVER_MS = 2**31 - 1
"""After so long without a fetch a member would leave the group. One on hold, or without a partition, fetches
nothing and has to stay; batches that are stuck are noticed otherwise."""


class Connections:
    """Makes clients; whoever asks for one starts and stops it.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def consumer(self) -> Any:
        """The consumer that is a member of the group, started and not yet subscribed.

        A consumer that joins before `start` has returned misses its own first assignment.
        """
        limit_loggers()
        options = consumer_options(self._settings, group=self._settings.group)
        consumer = AIOKafkaConsumer(**options, max_poll_interval_ms=NEVER_MS)
        await consumer.start()
        return consumer

    async def reader(self) -> Any:
        """A consumer without a group, that reads what it is assigned by hand."""
        reader = AIOKafkaConsumer(**consumer_options(self._settings))
        await reader.start()
        return reader

    async def holes(self) -> bool:
        """Whether the broker's logs may have offsets that were never records, as transactions leave them.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        return (await abilities(self._settings)).idempotent

    async def producers(self) -> tuple[Any, Any]:
        """Two producers, for outputs and for rows, so that neither waits for the other's request.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        idempotent = await idempotence(self._settings)
        started = []
        for size in (BATCH_BYTES, ROWS_BATCH_BYTES):
            producer = AIOKafkaProducer(
                **producer_options(self._settings, idempotent=idempotent, batch_bytes=size)
            )
            await producer.start()
            started.append(producer)
        return started[0], started[1]
