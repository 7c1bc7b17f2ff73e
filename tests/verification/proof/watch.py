"""Looks on: how far each partition has come, and how long it stood still while there was something to do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from models.memory.rows import CLOCK_KEY, header
from streams.kafka.closing import close
from streams.kafka.options import consumer_options

if TYPE_CHECKING:
    from streams.settings.settings import Settings
    from tests.verification.proof.load import Load

LOOK_MS = 100
WORTH_TELLING = 2.0
"""Seconds of standing still that are named, beside the longest."""


class Mark(NamedTuple):
    """From this moment on standing still is measured anew, or not at all."""

    at: float
    """Seconds since 1970 UTC."""
    counts: bool


class Watch:
    """Tails the changelog's clock rows with one consumer that reads what is committed.

    A partition stands still from its last clock row on, or from the first event that this does not account
    for, if that came later, to its next clock row. All three moments are those of the records themselves: the
    broker's append time of the rows, the producer's of the events. So a harness that is slow itself, on a
    busy machine, measures right.

    It counts from the last fault on, or from the last repair: before the first fault workers are still
    starting, and while the broker is away nothing can move.

    Args:
        settings: of the service.
        load: knows which events are in the log.
    """

    def __init__(self, settings: Settings, load: Load) -> None:
        self.positions: dict[int, int] = dict.fromkeys(range(settings.partitions), 0)
        """Events accounted for, by partition."""
        self.clocks: dict[int, bytes] = {}
        """The greatest clock row, by partition."""
        self.longest_stall = 0.0
        """Seconds."""
        self.stalls: list[str] = []
        """Those of more than two seconds, in words."""
        self._settings = settings
        self._load = load
        self._moved: dict[int, float] = {}
        self._marks: list[Mark] = []

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
        await close(self._consumer)

    @property
    def applied(self) -> int:
        """Events accounted for, of all partitions."""
        return sum(self.positions.values())

    def measure_from_now(self) -> None:
        """Something was broken, or mended: standing still counts from here."""
        self._marks.append(Mark(time.time(), counts=True))

    def measure_no_more(self) -> None:
        """Until `measure_from_now`."""
        self._marks.append(Mark(time.time(), counts=False))

    def finish(self) -> None:
        """Count those partitions too that stand still now."""
        for partition, position in self.positions.items():
            if position < self._load.ends[partition]:
                self._measure(partition, position, time.time())

    async def _look_on(self) -> None:
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=LOOK_MS)
            except OffsetOutOfRangeError as error:
                await self._consumer.seek_to_beginning(*error.args[0])
                continue
            except KafkaError:
                await asyncio.sleep(LOOK_MS / 1_000)
                continue
            for at, records in fetched.items():
                self.take(at.partition, records)

    def take(self, partition: int, records: list[Any]) -> None:
        """Take note of a changelog's records."""
        for record in records:
            if record.key != CLOCK_KEY:
                continue
            held, moment = self.clocks.get(partition), record.timestamp / 1_000
            if held is None or header(record.value)[1:3] >= header(held)[1:3]:
                self._measure(partition, self.positions[partition], moment)
                self.clocks[partition] = record.value
                self.positions[partition] = header(record.value).offset + 1
                self._moved[partition] = moment

    def _measure(self, partition: int, position: int, moment: float) -> None:
        """Count how long a partition has stood at a position until a moment."""
        waiting = self._load.waiting_since(partition, position)
        which = bisect_right(self._marks, moment, key=lambda mark: mark.at)
        if waiting is None or not which or not self._marks[which - 1].counts:
            return
        since = max(waiting, self._moved.get(partition, 0.0), self._marks[which - 1].at)
        self.longest_stall = max(self.longest_stall, moment - since)
        if moment - since > WORTH_TELLING:
            self.stalls.append(f"partition {partition} stood still at {position} for {moment - since:.1f} s")
