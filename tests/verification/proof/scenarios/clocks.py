"""Workers whose wall clock is an hour off, on the wall clock, with a service that goes live meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from models.records.control import tick
from streams.changelog.recovery import digest
from streams.kafka.options import producer_options
from streams.operations.go_live import NEVER, live_record
from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.verification.proof.stage import Stage

HOUR = 3_600
SOON = timedelta(minutes=30)
"""Until the next tick is due: for a clock an hour ahead it is now, and the ledger refuses what lies ten
minutes ahead of the broker's time."""


def next_tick_soon(stage: Stage) -> None:
    """Give the service a boundary and a lateness with which its next tick is due in half an hour."""
    due = (datetime.now(UTC) + SOON).replace(second=0, microsecond=0)
    minutes = due.hour * 60 + due.minute
    hour = min(12, minutes // 60)
    shape = {"boundary_hour": hour, "lateness_minutes": minutes - hour * 60}
    stage.settings = stage.settings.model_copy(update=shape)
    not_of_the_load(stage, tick(int(due.timestamp() * 1_000), stage.settings.ledger))


def not_of_the_load(stage: Stage, value: bytes) -> None:
    """A record that somebody else may write to every partition."""
    stage.load.in_doubt |= {(partition, digest(value)) for partition in range(stage.settings.partitions)}


async def go_live(stage: Stage, at: datetime | None = None) -> None:
    """As `cartpulse go-live` does; as `cartpulse topics --until-live` where `at` is never."""
    record = live_record(at or datetime.now(UTC))
    not_of_the_load(stage, record.value)
    async with AIOKafkaProducer(**producer_options(stage.settings, idempotent=True)) as producer:
        for partition in range(stage.settings.partitions):
            topic = stage.settings.purchases_topic
            await producer.send_and_wait(topic, record.value, key=record.key, partition=partition)


@scenario("a worker's clock an hour ahead", runs=1, settings={"clock": "wall"}, seconds=40)
async def ahead(stage: Stage, chance: random.Random) -> None:
    """Its ticks are refused as events from the future, and no day closes early; then it is killed."""
    next_tick_soon(stage)
    await go_live(stage, NEVER)
    worker = stage.start(CLOCK_OFFSET_SECONDS=str(HOUR))
    stage.load.start()
    await stage.until_applied(chance.randrange(500, stage.load.events // 3))
    stage.fault("the service goes live under a clock that is an hour ahead")
    await go_live(stage)
    await stage.load.finish()

    async def refused() -> bool:
        letters = await stage.dead_letters()
        return any(dict(letter.headers)["error"] == b"future" for letter in letters)

    await stage.until(refused, 60, "the tick that was written too early")
    stage.kill(worker)
    stage.start()


@scenario("a worker's clock an hour behind", runs=1, settings={"clock": "wall"}, seconds=40)
async def behind(stage: Stage, chance: random.Random) -> None:
    """Beside one whose clock is right; which of them owns a partition changes nothing."""
    next_tick_soon(stage)
    await go_live(stage, NEVER)
    worker = stage.start(CLOCK_OFFSET_SECONDS=str(-HOUR))
    stage.start()
    stage.load.start()
    await stage.until_applied(chance.randrange(500, stage.load.events // 3))
    await go_live(stage)
    await stage.until_applied(stage.load.events // 2)
    stage.kill(worker)
