"""Reading purchases for the partitions that may take more."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.structs import TopicPartition

from streams.engine.fetching import Fetcher
from streams.kafka.log.salvage import Salvage
from streams.kafka.retry import RetryPolicy
from streams.metrics import Counts
from tests.support.kafka.fake_kafka import FakeClock, FakeConsumer, FakeLogs, until

SOURCE = TopicPartition("purchases", 0)


class Partition:
    """As far as reading looks at one."""

    def __init__(self) -> None:
        self.source, self.expected, self.can_fetch, self.reading = SOURCE, 0, True, True
        self.epoch = SimpleNamespace(over=False)
        self.taken: list[int] = []

    def offer(self, raws: list[Any]) -> None:
        """Take records."""
        self.taken += [raw.offset for raw in raws]
        self.expected = raws[-1].offset + 1


class Gaps:
    """Lets nothing through that does not begin where it should."""

    def __init__(self) -> None:
        self.looks: list[int | None] = []

    async def look(self, partition: object, found: int | None) -> bool:
        """Take note."""
        del partition
        self.looks.append(found)
        await asyncio.sleep(0)  # the real ones ask the broker
        return False

    def unbroken(self, partition: object, raws: list[Any]) -> list[Any]:
        """All."""
        del partition
        return raws


def reading(owned: dict[int, Any], logs: FakeLogs, gaps: Gaps) -> tuple[Fetcher, FakeConsumer, asyncio.Event]:
    """A reading of one partition's log."""
    consumer, progress = FakeConsumer(logs), asyncio.Event()
    consumer.assign([SOURCE])
    consumer.seek(SOURCE, 0)
    made = Fetcher(
        consumer,
        owned,
        gaps=gaps,  # type: ignore[arg-type] # a stand-in
        salvage=Salvage(logs),
        retry=RetryPolicy(FakeClock(), 1.0),
        clock=FakeClock(),
        counts=Counts(),
        progress=progress,
        most=10,
    )
    return made, consumer, progress


async def test_records_go_to_the_partition_that_owns_them_when_they_arrive() -> None:
    logs, mine, theirs = FakeLogs(), Partition(), Partition()
    owned: dict[int, Any] = {0: mine}
    made, _, _ = reading(owned, logs, Gaps())
    task = asyncio.create_task(made.run())
    logs.append(SOURCE, b"k", b"1")
    await until(lambda: mine.taken == [0])
    theirs.expected = 1
    owned[0] = theirs
    logs.append(SOURCE, b"k", b"2")
    await until(lambda: theirs.taken == [1])
    assert mine.taken == [0]
    task.cancel()


async def test_a_partition_that_is_not_hungry_is_not_read_until_there_is_progress() -> None:
    logs, partition = FakeLogs(), Partition()
    partition.can_fetch = False
    made, _, progress = reading({0: partition}, logs, Gaps())
    task = asyncio.create_task(made.run())
    logs.append(SOURCE, b"k", b"1")
    for _ in range(20):
        await asyncio.sleep(0)
    assert not partition.taken
    partition.can_fetch = True
    progress.set()
    await until(lambda: partition.taken == [0])
    task.cancel()


async def test_records_that_begin_elsewhere_and_a_position_out_of_range_are_looked_at() -> None:
    logs, partition, gaps = FakeLogs(), Partition(), Gaps()
    made, consumer, _ = reading({0: partition}, logs, gaps)
    logs.append(SOURCE, b"k", b"1")
    logs.append(SOURCE, b"k", b"2")
    partition.expected = 1
    task = asyncio.create_task(made.run())
    await until(lambda: gaps.looks == [0])
    logs.cut(SOURCE, 2)
    consumer.seek(SOURCE, 1)
    await until(lambda: None in gaps.looks)
    assert not partition.taken
    task.cancel()
