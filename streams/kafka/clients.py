"""Kafka clients of one worker, made from its settings."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError

from streams.errors import DeliveryFailedError, SettingsError, TopicMismatchError
from streams.kafka.closing import close
from streams.kafka.log.fetch import RawLog
from streams.kafka.log.salvage import CarefulReader, Salvage
from streams.kafka.options import (
    BATCH_BYTES,
    ROWS_BATCH_BYTES,
    abilities,
    consumer_options,
    idempotence,
    limit_loggers,
    producer_options,
    transactional_options,
)
from streams.kafka.permissions import check_groups
from streams.kafka.topics import check_topics, topic_specs

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from streams.kafka.options import Abilities
    from streams.settings.settings import Settings


NEVER_MS = 2**31 - 1
"""Value of `max_poll_interval_ms`: after so long without a fetch a member would leave the group. A paused
member, or one without a partition, fetches nothing and must stay. Stuck batches are detected by the watchdog
instead."""


GLANCE_SECONDS = 0.05
"""Seconds to wait for a reader's position. A reader that has a position returns it at once."""

WHY_SECONDS = 3.0
"""Seconds that the search for a failure's reason may take. A broker that is away gives no reason."""


class Connections:
    """Maker of Kafka clients. The caller stops each client that it gets.

    Args:
        settings: Service settings.
        group: Consumer group, and prefix of transactional ids. Default: the group of the settings.
    """

    def __init__(self, settings: Settings, *, group: str | None = None) -> None:
        self._settings = settings
        self._group = group or settings.group
        self._known: Abilities | None = None
        self._readers: list[weakref.ref[Any]] = []
        self._raw = RawLog(settings)

    async def stop(self) -> None:
        """Close the connection for raw bytes, if one was made."""
        await self._raw.close()

    def salvage(self) -> Salvage:
        """Make a reader of single batches, for logs that a consumer cannot decode."""
        return Salvage(self._raw)

    async def consumer(self) -> Any:
        """Make the consumer that is a member of the group, started and not yet subscribed.

        A consumer that joins before `start` has returned misses its own first assignment.

        Raises:
            NotAllowedError: The login may not join a group that a worker needs.
        """
        limit_loggers()
        await check_groups(self._settings, self._group)
        options = consumer_options(self._settings, group=self._group)
        return await _started(AIOKafkaConsumer(**options, max_poll_interval_ms=NEVER_MS))

    async def reader(self) -> Any:
        """Make a started consumer without a group, which reads the partitions that the caller assigns."""
        consumer = await _started(AIOKafkaConsumer(**consumer_options(self._settings)))
        reader = CarefulReader(consumer, self.salvage())
        self._readers = [known for known in self._readers if known() is not None]
        self._readers.append(weakref.ref(reader))
        return reader

    async def read(self, log: TopicPartition) -> tuple[int, int] | None:
        """Return position and end of a log from the latest reader of the log; None if it has no reader."""
        for reader in [known() for known in reversed(self._readers)]:
            try:
                if (
                    reader is not None
                    and log in reader.assignment()
                    and (end := reader.highwater(log)) is not None
                ):
                    async with asyncio.timeout(GLANCE_SECONDS):
                        return int(await reader.position(log)), int(end)
            except (
                IllegalStateError,
                ConsumerStoppedError,
                TimeoutError,
            ):  # stopped, or without a position yet
                continue
        return None

    async def holes(self) -> bool:
        """Return True if the broker's logs may have offsets that hold no record, as transactions leave them.

        Raises:
            BrokerUnreachableError: No broker answers.
        """
        return (await self._abilities()).idempotent

    async def exactly_once(self) -> bool:
        """Return True if deliveries are transactions: by the setting or, for `auto`, if the broker can.

        Raises:
            SettingsError: `exactly_once` is set, and the broker has no transactions.
            BrokerUnreachableError: No broker answers.
        """
        guarantee = self._settings.delivery_guarantee
        if guarantee == "at_least_once":
            return False
        able = (await self._abilities()).idempotent
        if guarantee == "exactly_once" and not able:
            raise SettingsError(
                "CARTPULSE_DELIVERY_GUARANTEE is exactly_once, and this broker has no transactions (the "
                "embedded one has none): set it to auto or at_least_once."
            )
        return able

    async def transactional(self, partition: int) -> Any:
        """Make and start the producer of a partition's transactions.

        From then on any earlier producer for this partition is fenced off, and its open transaction is
        aborted.

        Raises:
            DeliveryFailedError: The broker refuses the producer, or has no coordinator of transactions.
        """
        deadline = self._settings.send_deadline_seconds
        try:
            async with asyncio.timeout(deadline):
                return await self._producer(transactional_options(self._settings, self._group, partition))
        except TimeoutError as reason:
            raise DeliveryFailedError(
                f"No coordinator of transactions within {deadline:g} s: is the broker up, and has it as many "
                "nodes as its transaction.state.log.replication.factor (3 by default)? "
                "CARTPULSE_DELIVERY_GUARANTEE=at_least_once needs none."
            ) from reason
        except KafkaError as reason:
            raise DeliveryFailedError(
                f"The broker gives no producer for transactions of partition {partition}: "
                f"{reason or type(reason).__name__}. The worker's login needs Write and Describe on the "
                f"transactional ids that begin with {self._group!r}."
            ) from reason

    async def producers(self) -> tuple[Any, Any]:
        """Make two producers, for outputs and for rows, so that neither waits for the other's request.

        Raises:
            BrokerUnreachableError: No broker answers.
        """
        idempotent = await idempotence(self._settings)
        started = []
        for size in (BATCH_BYTES, ROWS_BATCH_BYTES):
            options = producer_options(self._settings, idempotent=idempotent, batch_bytes=size)
            started.append(await self._producer(options))
        return started[0], started[1]

    async def why(self, reason: Exception) -> Exception:
        """Find the cause of a failed request: return a mismatch of the topics, or else the given error."""
        try:
            async with asyncio.timeout(WHY_SECONDS):
                await check_topics(self._settings)
        except TopicMismatchError as mismatch:
            mismatch.__cause__ = reason
            return mismatch
        except Exception:  # noqa: BLE001 - no failure of the search may delay the end
            return reason
        return reason

    async def _producer(self, options: dict[str, Any]) -> Any:
        """Make a started producer that has the leaders of all topics in its metadata.

        A producer without that metadata would ask for it at its first send, between the permission to send
        and the sending. With the broker away, it would give up after a single request.
        """
        producer = await _started(AIOKafkaProducer(**options))
        try:
            for spec in topic_specs(self._settings):
                await producer.partitions_for(spec.name)
        except BaseException:
            await close(producer)
            raise
        return producer

    async def _abilities(self) -> Abilities:
        if self._known is None:
            self._known = await abilities(self._settings)
        return self._known


async def _started(client: Any) -> Any:
    """Start a client and return it. Close it if the start fails or is cancelled."""
    try:
        await client.start()
    except BaseException:
        await close(client)
        raise
    return client
