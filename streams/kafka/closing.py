"""Closing Kafka clients without waiting for a broker that may be away."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.5
"""How long one Kafka client may take to close; with the broker away it would take a minute."""


async def close(client: Any) -> None:
    """Stop a client, or let go of it when that takes too long."""
    await bounded(client.stop())


async def bounded(work: Coroutine[Any, Any, None]) -> None:
    """Do what a close takes, within its time; a broker's refusal is no reason to fail any more.

    aiokafka cancels its fetches when a consumer stops. One that pauses after a failure does not expect that,
    and its cancellation comes out of `stop`: whoever waited for that would seem to be cancelled.
    """
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await work
    except (TimeoutError, KafkaError, OSError) as error:
        log.info("A Kafka client did not close cleanly: %r", error)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        log.info("A Kafka client did not close cleanly: a fetch was pausing")


class BackgroundCloses:
    """What is being closed beside the work, so that an end can wait for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Close something, from now on; how long it may take is its own matter."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all that was begun."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
