"""The service that owns partitions, run on an in-memory broker with an agent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from models.memory.rows import CLOCK_KEY, header
from models.records.decoder import Decoder
from streams.engine.partitions import Partitions
from streams.flow import purchases
from streams.process.shutdown import Shutdown
from streams.settings.settings import Settings
from tests.support.data.purchases import purchase
from tests.support.kafka.fake_kafka import FakeConnections, FakeLogs, RunningClock, until
from tests.support.ledgers.counting import CountingLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTINGS = Settings(partitions=2, batch_records=10, session_timeout_ms=1_000, web_port=0)
SOURCES = [TopicPartition(SETTINGS.purchases_topic, number) for number in range(2)]
CHANGELOGS = [TopicPartition(SETTINGS.changelog_topic, number) for number in range(2)]


class Service(Partitions):
    """The service on an in-memory broker, with an agent."""

    def __init__(self, logs: FakeLogs, settings: Settings) -> None:
        self.logs = logs
        self.kafka = FakeConnections(logs)
        self.time = RunningClock()
        self.last_resort: list[float] = []
        self.batches: asyncio.Queue[Any] = asyncio.Queue()
        self.ledgers: list[CountingLedger] = []
        super().__init__(
            purchases(settings, ledgers=self.make_ledger, decoder=Decoder(settings.ledger)),
            settings=settings,
            channel=SimpleNamespace(queue=self.batches),  # type: ignore[arg-type] # a queue is all it needs
            connections=self.kafka,  # type: ignore[arg-type] # in memory
            clock=self.time,
            shutdown=Shutdown(self.last_resort.append),
        )

    def make_ledger(self, partition: int, partitions: int) -> CountingLedger:
        """A new one, remembered."""
        self.ledgers.append(CountingLedger(partition, partitions))
        return self.ledgers[-1]

    async def agent(self) -> None:
        """As the purchases agent."""
        while True:
            batch = await self.batches.get()
            async with batch:
                await batch.deliver(batch.ledger.advance(batch.records))

    async def assigned(self, *sources: TopicPartition) -> None:
        """Have the group assign these, and wait until they are read."""
        await self.kafka.group.rebalance(sources)
        await until(lambda: all(p.reading for p in self.owned.values()) or self._stopper.reason)

    @property
    def reason(self) -> BaseException | None:
        """Why it came to an end."""
        return self._stopper.reason


@asynccontextmanager
async def running(
    logs: FakeLogs | None = None, *, agent: bool = True, holes: bool = True, **overrides: Any
) -> AsyncIterator[Service]:
    """The service, started, and stopped at the end."""
    service = Service(logs or FakeLogs(), SETTINGS.model_copy(update=overrides))
    service.kafka.may_have_holes = service.logs.marked = holes
    await service.start()
    task = asyncio.create_task(service.agent()) if agent else None
    try:
        yield service
    finally:
        await service.stop()
        if task is not None:
            task.cancel()


def fill(logs: FakeLogs, count: int, *, source: TopicPartition = SOURCES[0]) -> FakeLogs:
    """Purchases of three customers, in a log."""
    for _ in range(count):
        number = logs.end(source)
        logs.append(source, b"c", purchase(number, f"c{number % 3}"))
    return logs


def clocks(logs: FakeLogs, changelog: TopicPartition = CHANGELOGS[0]) -> list[int]:
    """The source offsets of the clock rows in a changelog."""
    return [
        header(record.value or b"").offset for record in logs.records[changelog] if record.key == CLOCK_KEY
    ]
