"""Kafka clients opened for a block of code: started within a time limit, and closed whatever happens."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.kafka.options import REACH_SECONDS, connection, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
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


def admin(settings: Settings) -> AbstractAsyncContextManager[AIOKafkaAdminClient]:
    """Start an admin client, and close it after the block.

    Raises:
        KafkaError, OSError: The broker does not answer.
        TimeoutError: It does not answer within ten seconds.
    """
    client = AIOKafkaAdminClient(**connection(settings))
    return _closed_after(client, client.start)


def raw_client(settings: Settings) -> AbstractAsyncContextManager[AIOKafkaClient]:
    """Open a connection for requests of Cartpulse's own, and close it after the block.

    Raises:
        KafkaError, OSError: The broker does not answer.
        TimeoutError: It does not answer within ten seconds.
    """
    client = AIOKafkaClient(**connection(settings))
    return _closed_after(client, client.bootstrap)


@asynccontextmanager
async def _closed_after(client: Any, connect: Callable[[], Awaitable[None]]) -> AsyncIterator[Any]:
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await connect()
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
