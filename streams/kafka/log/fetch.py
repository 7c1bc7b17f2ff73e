"""Fetches of a log's stored bytes, by requests of our own over aiokafka's connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    CorruptRecordException,
    KafkaStorageError,
    LeaderNotAvailableError,
    UnknownError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest

from streams.kafka.log.walk import Fetched
from streams.kafka.options import REACH_SECONDS, connection

if TYPE_CHECKING:
    from typing import Any

    from aiokafka.structs import TopicPartition

    from streams.settings.settings import Settings

FETCH_BYTES: Final = 1024 * 1024
"""Bytes requested in one fetch. A broker returns at least one whole batch, however large."""

READ_COMMITTED: Final = 1

WAIT_MS: Final = 100
"""Most ms that a broker may hold a fetch that finds nothing."""

REFUSALS: Final = (CorruptRecordException, UnknownError, KafkaStorageError)
"""Errors of a broker that cannot read its own log. The same errors may be temporary; retrying tells the two
apart."""


class RawLog:
    """Reader of stored bytes from the leaders of partitions. No connection is made before the first fetch.

    Args:
        settings: Service settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: AIOKafkaClient | None = None

    async def fetch(self, place: TopicPartition, offset: int, most: int = FETCH_BYTES) -> Fetched:
        """Fetch the log's bytes from an offset on. Of transactions only finished ones are returned.

        Args:
            place: Topic and partition.
            offset: First offset to fetch.
            most: Most bytes to fetch, unless the first batch alone is larger.

        Raises:
            OffsetOutOfRangeError: The log does not hold this offset.
            KafkaError: The broker answers with an error, or not at all.
            TimeoutError: The broker does not answer in time.
        """
        async with asyncio.timeout(REACH_SECONDS):
            client = await self._connected()
            node = await self._leader(client, place)
            request = FetchRequest(
                WAIT_MS, 1, most, READ_COMMITTED, [(place.topic, [(place.partition, offset, most)])]
            )
            answer = await client.send(node, request)
        ((_, ((_, code, highwater, *part),)),) = answer.topics
        if code:
            error = for_code(code)
            if error.invalid_metadata:
                client.force_metadata_update()
            raise error(f"{place.topic}[{place.partition}] at offset {offset}")
        return _fetched(answer.API_VERSION, highwater, part)

    async def close(self) -> None:
        """Close the connections. A later fetch makes new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            client = AIOKafkaClient(**connection(self._settings))
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        return self._client

    async def _leader(self, client: AIOKafkaClient, place: TopicPartition) -> int:
        await client.add_topic(place.topic)
        node = client.cluster.leader_for_partition(place)
        if node is None or node == -1:
            client.force_metadata_update()
            raise LeaderNotAvailableError(f"{place.topic}[{place.partition}]")
        return int(node)


def _fetched(version: int, highwater: int, part: list[Any]) -> Fetched:
    """Parse the rest of a partition's answer, whose fields depend on the version of the request."""
    data = bytes(part[-1] or b"")
    if version < 4:
        return Fetched(data, highwater)
    stable = part[0]
    aborted = part[2] if version >= 11 else part[-2]
    end = highwater if stable is None or stable < 0 else min(highwater, stable)
    return Fetched(data, end, tuple(aborted or ()), part[1] if version >= 5 else -1)
