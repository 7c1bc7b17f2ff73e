"""Looks on: how far each partition has come, and how long it stood still while there was something to do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from models.rows import CLOCK_KEY, header
from streams.clients import consumer_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.settings import Settings

LOOK_SECONDS = 0.1
WORTH_TELLING = 2.0


class Watch:
    """Tails the changelog's clock rows with one consumer that reads what is committed.

    A partition stands still while the load has written to it beyond its clock row, and that does not move.
    Standing still counts from the last fault, or from the last repair if that is later: before the first
    fault workers are still starting, and while the broker is away nothing can move.

    Args:
        settings: of the service.
        ends: where the load's last acknowledged event ends, by partition.
    """

    def __init__(self, settings: Settings, ends: Mapping[int, int]) -> None:
        self.positions: dict[int, int] = dict.fromkeys(range(settings.partitions), 0)
        """Events accounted for, by partition."""
        self.clocks: dict[int, bytes] = {}
        """The greatest clock row, by partition."""
        self.longest_stall = 0.0
        """Seconds."""
        self.stalls: list[str] = []
        """Those of more than two seconds, in words."""
        self._settings = settings
        self._ends = ends
        self._since: dict[int, float] = {}
        self._from: float | None = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(**consumer_options(self._settings))
        await self._consumer.start()
        topic = self._settings.changelog_topic
        partitions = [TopicPartition(topic, number) for number in self.positions]
        self._consumer.assign(partitions)
        for partition in partitions:
            self._consumer.seek(partition, 0)
        self._task = asyncio.create_task(self._look_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._consumer.stop()

    @property
    def applied(self) -> int:
        """Events accounted for, of all partitions."""
        return sum(self.positions.values())

    def measure_from_now(self) -> None:
        """Something was broken, or mended: standing still counts from here."""
        self._from = time.monotonic()

    def measure_no_more(self) -> None:
        """Until `measure_from_now`."""
        self._from = None

    async def _look_on(self) -> None:
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=int(LOOK_SECONDS * 1_000))
            except OffsetOutOfRangeError as error:
                await self._consumer.seek_to_beginning(*error.args[0])
                continue
            except KafkaError:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            moved = {at.partition for at, records in fetched.items() if self._take(at.partition, records)}
            self._measure(moved, time.monotonic())

    def _take(self, partition: int, records: list[Any]) -> bool:
        moved = False
        for record in records:
            if record.key == CLOCK_KEY:
                row: bytes = record.value
                held = self.clocks.get(partition)
                if held is None or header(row)[1:3] >= header(held)[1:3]:
                    self.clocks[partition] = row
                    self.positions[partition] = header(row).offset + 1
                    moved = True
        return moved

    def _measure(self, moved: set[int], now: float) -> None:
        for partition, position in self.positions.items():
            since = self._since.setdefault(partition, now)
            lagging = position < self._ends[partition]
            if lagging and self._from is not None:
                self.longest_stall = max(self.longest_stall, now - max(since, self._from))
            if partition in moved or not lagging:
                if self._from is not None and now - max(since, self._from) > WORTH_TELLING:
                    lasted = now - max(since, self._from)
                    self.stalls.append(f"partition {partition} stood still at {position} for {lasted:.1f} s")
                self._since[partition] = now
