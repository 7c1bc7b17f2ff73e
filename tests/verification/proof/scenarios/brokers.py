"""Faults of brokers: the only one, one of three, the one that controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.brokers.node import BROKERS_OWN
from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.verification.proof.stage import Stage

SESSION: Final[dict[str, Any]] = {"session_timeout_ms": 6_000, "send_deadline_seconds": 90}
"""So that the stall allowed beyond the session is 15 s in all once the broker is back, and so that nobody
gives up before: a restart after SIGKILL takes Apache Kafka up to 25 s on a small machine."""
BACK: Final = 9.0

COPIES: Final = SESSION | {"replication_factor": 3}

FAILOVER: Final = 14.0
"""Beyond the session, when one of three is lost: the controller counts it out after 9 s of silence
(`broker.session.timeout.ms`), and then the group's and the transactions' coordinators have to be found."""


@scenario("kill -9 of the only broker", runs=5, broker="own", seconds=60, settings=SESSION, stall=BACK)
async def only_broker(stage: Stage, chance: random.Random) -> None:
    """It is away for a moment or longer than the session; at times a worker joins as soon as it is back."""
    stage.start()
    stage.start(slow_ms=20)
    stage.load.start()
    await stage.until_applied(chance.randrange(500, 2_000))
    for _ in range(2):
        stage.away("SIGKILL of the broker")
        stage.broker.kill()
        await stage.pause(chance.choice([0, 2, 8]))
        await stage.broker.start()
        stage.mended("the broker is back")
        if chance.random() < 0.5:
            await _joined(stage)
        before = await stage.applied()
        await stage.until_applied(before + 300)
        await stage.pause(chance.uniform(0, 2))


@scenario(
    "kill -9 of one of three brokers", runs=3, broker="cluster", seconds=70, settings=COPIES, stall=FAILOVER
)
async def one_of_three(stage: Stage, chance: random.Random) -> None:
    """Any of them; what it led others lead, and it comes back while they work."""
    await _without(stage, chance, chance.choice([1, 2, 3]), "one")


@scenario("kill -9 of the controller", runs=2, broker="cluster", seconds=70, settings=COPIES, stall=FAILOVER)
async def controller(stage: Stage, chance: random.Random) -> None:
    """The node that leads the metadata quorum; it leads partitions, too."""
    await _without(stage, chance, None, "the controller")


@scenario(
    "orderly restart of three brokers in turn",
    runs=1,
    broker="cluster",
    seconds=90,
    settings=COPIES,
    stall=BACK,
)
async def rolling(stage: Stage, chance: random.Random) -> None:
    """Every partition changes its leader, and so do the coordinators."""
    stage.start()
    stage.start(slow_ms=20)
    stage.load.start()
    await stage.until_applied(chance.randrange(500, 1_500))
    numbers = [1, 2, 3]
    chance.shuffle(numbers)
    for number in numbers:
        stage.fault(f"SIGTERM of node {number}")
        await stage.broker.stop(number)
        stage.mended(f"node {number} has ended")
        await stage.pause(chance.uniform(0, 2))
        await stage.broker.start_node(number)
        stage.mended(f"node {number} is back")


@scenario(
    "kill -9 of a worker, with the broker's own defaults",
    runs=1,
    broker="own",
    properties=BROKERS_OWN,
    settings=SESSION,
    seconds=40,
    stall=5.0,
)
async def own_defaults(stage: Stage, chance: random.Random) -> None:
    """A join delay of 3 s, and no session below 6 s."""
    stage.start()
    stage.load.start()
    for number in (1, 2, 3):
        stage.start(slow_ms=20)
        await stage.until_applied(number * 900 + chance.randrange(500))
        stage.kill(chance.choice(stage.running))
    stage.start()


async def _without(stage: Stage, chance: random.Random, lost: int | None, what: str) -> None:
    stage.start()
    stage.start(slow_ms=20)
    stage.load.start()
    await stage.until_applied(chance.randrange(500, 2_000))
    number = stage.broker.controller() if lost is None else lost
    stage.fault(f"SIGKILL of {what} of three")
    stage.broker.kill(number)
    before = await stage.applied()
    await stage.until_applied(before + chance.randrange(300, 2_000))
    if chance.random() < 0.5:
        await _joined(stage)
    await stage.broker.start_node(number)
    stage.mended("it is back")
    await stage.pause(chance.uniform(0, 2))


async def _joined(stage: Stage) -> None:
    """A worker that starts while no broker answers ends; so wait until this one has joined."""
    stage.note("a worker joins")
    number = stage.number(stage.start())
    await stage.until(lambda: "goes on at offset" in stage.log_of(number).read_text(), 60, "the newcomer")
