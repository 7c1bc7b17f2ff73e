"""Reader of the output topics while they are written, which can wait for their present end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Self

from cartpulse.demo.received import Received
from streams.kafka.log.reading import at_end, open_reader
from streams.kafka.topics import OUTPUTS

if TYPE_CHECKING:
    from types import TracebackType

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from streams.settings.settings import Settings

_WAIT_MS = 100
"""Milliseconds that one read waits for records."""


class Listener:
    """Plain reader of the outputs and dead letters, from their beginning.

    Usage::

        async with Listener(settings) as listener:
            ...
            await listener.drained()
            listener.received
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer
        self._reading: asyncio.Task[None]
        self._wanted = asyncio.Event()
        self._drained = asyncio.Event()
        self.received = Received()
        self.first_alert: float | None = None
        """Time on the monotonic clock at which the first alert arrived."""

    async def __aenter__(self) -> Self:
        topics = [*(self._settings.topic(name) for name in OUTPUTS), self._settings.dead_letters_topic]
        self._consumer = await open_reader(self._settings, topics)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        await self._consumer.stop()

    async def drained(self) -> None:
        """Wait until everything that the topics hold now has been read."""
        self._drained.clear()
        self._wanted.set()
        waiting = asyncio.ensure_future(self._drained.wait())
        await asyncio.wait({waiting, self._reading}, return_when=asyncio.FIRST_COMPLETED)
        if self._reading.done():
            waiting.cancel()
            await self._reading

    async def positions(self, topic: str) -> dict[TopicPartition, int]:
        """Return partition of a topic -> offset up to which it has been read."""
        return {
            place: await self._consumer.position(place)
            for place in self._consumer.assignment()
            if place.topic == topic
        }

    async def _read(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=5_000)
            for records in batches.values():
                for record in records:
                    self.received.take(self._settings, record)
            if self.first_alert is None and self.received.alerts:
                self.first_alert = time.monotonic()
            if self._wanted.is_set() and not batches and await at_end(self._consumer):
                self._wanted.clear()
                self._drained.set()
