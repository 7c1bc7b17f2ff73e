"""Closing of Kafka clients without waiting for a broker that may be away."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.5
"""Seconds that one Kafka client may take to close. With the broker away, closing would take a minute."""


async def close(client: Any) -> None:
    """Stop a client, or abandon it when stopping takes too long."""
    await bounded(client.stop())


async def bounded(work: Coroutine[Any, Any, None]) -> None:
    """Run a closing coroutine within the time limit. A broker's refusal no longer counts as a failure.

    aiokafka cancels its fetches when a consumer stops. A fetch that pauses after a failure does not expect
    that, and its cancellation comes out of `stop`. The caller of `stop` would then seem to be cancelled
    itself.
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
    """Closings that run in the background. A shutdown waits for all of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a closing coroutine in the background. The coroutine must limit its own time."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all closings that were begun."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
