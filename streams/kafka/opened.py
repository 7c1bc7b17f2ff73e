"""Kafka clients opened for a block of code: started within a time limit, and closed whatever happens."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.kafka.options import REACH_SECONDS, connection, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Protocol

    from streams.settings.settings import Settings

    class Startable(Protocol):
        """Consumer or producer of aiokafka."""

        async def start(self) -> None:
            """Connect."""

        async def stop(self) -> None:
            """Disconnect."""


C = TypeVar("C", bound="Startable")


@asynccontextmanager
async def opened(client: C) -> AsyncIterator[C]:
    """Start a consumer or producer, and stop it after the block; also one that does not start.

    Raises:
        KafkaError: The broker does not answer.
    """
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Start an admin client, and close it after the block.

    Raises:
        KafkaError, OSError: The broker does not answer.
        TimeoutError: It does not answer within ten seconds.
    """
    client = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await client.start()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def raw_client(settings: Settings) -> AsyncIterator[AIOKafkaClient]:
    """Open a connection for requests of Cartpulse's own, and close it after the block.

    Raises:
        KafkaError, OSError: The broker does not answer.
        TimeoutError: It does not answer within ten seconds.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await client.bootstrap()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def reaching(settings: Settings) -> AsyncIterator[None]:
    """Turn the errors of a broker that does not answer into the one that says what to do.

    Raises:
        BrokerUnreachableError: The block met a `KafkaError`, an `OSError` or a timeout.
    """
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
