"""Much of it, for long: partitions, transactions in the source, eager compaction, an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.verification.proof.stage import Stage

EAGER = {
    "segment.bytes": str(1024 * 1024),
    "segment.ms": "1000",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
}
"""Of a changelog: closed and compacted every second, as far as a broker allows."""
CLEANER = {"log.cleaner.backoff.ms": "200", "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024)}
HOUR = 3_600
HALF_LOAD = 250


async def kills(
    stage: Stage, chance: random.Random, times: int, start: Callable[[], object] | None = None
) -> None:
    """Two workers, started so; one of them is killed now and then, and a new one joins."""
    start = start or stage.start
    start()
    start()
    stage.load.start()
    for number in range(1, times + 1):
        await stage.until_applied(number * stage.load.events // (times + 2) + chance.randrange(300))
        await stage.pause(chance.uniform(0, 0.5))
        stage.kill(chance.choice(stage.running))
        start()


@scenario(
    "64 partitions",
    runs=1,
    events=12_000,
    settings={"partitions": 64, "session_timeout_ms": 6_000},
    stall=15,
    seconds=60,
)
async def many_partitions(stage: Stage, chance: random.Random) -> None:
    """And two workers that own half of them each, until one is killed."""
    await kills(stage, chance, 3)


@scenario("transactional producers in the source", runs=2, transactions=True)
async def transactional_source(stage: Stage, chance: random.Random) -> None:
    """Of five transactions one is aborted; a worker is killed twice."""
    await kills(stage, chance, 2)


@scenario(
    "small segments and eager compaction over stale rows",
    runs=1,
    broker="own",
    properties=CLEANER,
    topics={"changelog": EAGER},
    settings={"session_timeout_ms": 3_000},
    events=9_000,
    seconds=60,
)
async def eager_compaction(stage: Stage, chance: random.Random) -> None:
    """Workers come back from a stop with rows under way, and others are killed, while the broker compacts."""
    stage.start(slow_ms=20)
    stage.start(slow_ms=20)
    stage.load.start()
    for number in range(1, 5):
        await stage.until_applied(number * stage.load.events // 6 + chance.randrange(300))
        victim = chance.choice(stage.running)
        stage.stop(victim)
        stage.start()
        await stage.pause(stage.settings.session_timeout_ms / 1_000 + chance.uniform(0, 1))
        stage.go_on(victim)
        await stage.pause(chance.uniform(0, 0.5))
        stage.kill(chance.choice([worker for worker in stage.running if worker is not victim]))
    await stage.load.finish()

    async def compacted() -> bool:
        kept, end = await stage.rows_kept()
        return kept < end / 2

    await stage.until(compacted, 60, "the compaction of at least half of the rows")


@scenario(
    "an hour at half load",
    runs=1,
    rate=HALF_LOAD,
    events=HOUR * HALF_LOAD,
    days=300,
    settings={"session_timeout_ms": 6_000},
    seconds=HOUR + 600,
    stall=5,
)
async def an_hour(stage: Stage, chance: random.Random) -> None:
    """A kill every five minutes, a checkpoint every minute: what is not compacted yet is long by then."""

    def start() -> object:
        folder = str(stage.folder / "checkpoints")
        return stage.start(CARTPULSE_CHECKPOINT_DIR=folder, CARTPULSE_CHECKPOINT_SECONDS="60")

    async with stage.followed(every=2):
        await kills(stage, chance, 12, start)
        await stage.load.finish()
