"""A produce that fails for good: the worker ends with a clear line, and nothing is passed over."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from streams.process.exit_status import Status
from tests.verification.proof.brokers import configure_topics
from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.verification.proof.stage import Stage, Worker

TOPICS = ("changelog", "dead-letters", "recommendations", "segment-changes")
LEAST = "256"
"""Bytes: too few for any event or row. Marks that end transactions fit: without them a broker is stuck."""


async def begun(stage: Stage, chance: random.Random) -> list[Worker]:
    """Two workers, each with partitions, some way into the load."""
    workers = [stage.start(), stage.start()]
    stage.load.start()
    for worker in workers:
        await stage.at_work(worker)
    await stage.until_applied(chance.randrange(500, stage.load.events // 3))
    return workers


@scenario("a produce that is refused: message too large", runs=2, stall=None, seconds=30)
async def too_large(stage: Stage, chance: random.Random) -> None:
    """A topic takes no message any more that is as large as a worker's; then it does again."""
    topic = chance.choice(TOPICS)
    workers = await begun(stage, chance)
    stage.fault(f"{topic} takes {LEAST} bytes at most")
    await configure_topics(stage.settings, {topic: {"max.message.bytes": LEAST}})
    # The broker refuses a send; the worker looks at the topics, and says what is behind it.
    for worker in workers:
        await stage.ends(worker, Status.REFUSED, f"max.message.bytes is {LEAST}", seconds=60)
    await configure_topics(stage.settings, {topic: {}})
    stage.mended(f"{topic} takes all again")
    stage.start()


@scenario(
    "a produce that is not acknowledged in time",
    runs=2,
    broker="own",
    stall=None,
    seconds=35,
    settings={"send_deadline_seconds": 3, "session_timeout_ms": 6_000},
)
async def too_late(stage: Stage, chance: random.Random) -> None:
    """The broker stands still for longer than a send may take, and keeps all connections open."""
    workers = await begun(stage, chance)
    stage.away("SIGSTOP of the broker")
    os.kill(stage.broker.pid, signal.SIGSTOP)
    try:
        for worker in workers:
            await stage.ends(worker, Status.FAILED, seconds=60)
    finally:
        os.kill(stage.broker.pid, signal.SIGCONT)
    stage.mended("SIGCONT of the broker")
    stage.start()
