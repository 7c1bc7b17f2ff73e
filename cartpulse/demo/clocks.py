"""Progress of the workers, read from the clock rows that they store: the state itself, no mere counter."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.memory.rows import CLOCK_KEY
from models.state.clock_row import ClockRow
from streams.kafka.opened import opened
from streams.kafka.options import consumer_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings.settings import Settings

_WAIT_MS = 1_000
"""Milliseconds that one look waits for a batch. There is always one, so the batch comes at once."""

_PAUSE_SECONDS = 1.0
"""Seconds between two looks. A batch of rows has megabytes, and reading it takes time from the worker."""

_LAST_PAUSE_SECONDS = 0.1
"""Seconds between two looks when the end is near, because the end is what is timed."""

_NEAR = 0.97
"""Share of the records behind which the end is near."""


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """Progress of all partitions together."""

    accounted: int
    """Records of `purchases` that the state has applied, ticks included."""
    sweeping: bool
    """True while the end of a day is still being swept."""


async def follow(
    settings: Settings, records: asyncio.Future[int], report: Callable[[WorkerProgress], None]
) -> WorkerProgress:
    """Wait until the state accounts for all records of `purchases`, and no sweep is unfinished.

    Args:
        settings: Service settings.
        records: Number of records, set once all of them are sent.
        report: Called after each look at the changelog, once a second and more often near the end.

    Returns:
        Progress at the end.
    """
    async with opened(AIOKafkaConsumer(**consumer_options(settings))) as consumer:
        places = [TopicPartition(settings.changelog_topic, number) for number in range(settings.partitions)]
        consumer.assign(places)
        clocks = dict.fromkeys(range(settings.partitions), ClockRow())
        while True:
            await _look(consumer, clocks)
            standing = WorkerProgress(
                accounted=sum(clock.offset + 1 for clock in clocks.values()),
                sweeping=any(clock.sweeping for clock in clocks.values()),
            )
            report(standing)
            wanted = records.result() if records.done() else math.inf
            if standing.accounted >= wanted and not standing.sweeping:
                return standing
            near = standing.accounted >= _NEAR * wanted
            await asyncio.sleep(_LAST_PAUSE_SECONDS if near else _PAUSE_SECONDS)


async def _look(consumer: AIOKafkaConsumer, clocks: dict[int, ClockRow]) -> None:
    """Read the last batch of every partition, which a clock row ends.

    The embedded broker reports the base offset of the last batch as the last offset: the whole batch is read
    then.
    """
    for place, end in (await consumer.end_offsets(list(consumer.assignment()))).items():
        consumer.seek(place, max(end - 1, 0))
    for place, rows in (await consumer.getmany(timeout_ms=_WAIT_MS)).items():
        for row in reversed(rows):
            if row.key == CLOCK_KEY:
                clocks[place.partition] = ClockRow.decode(row.value)
                break
