"""Faults of the network between workers and the broker; the load and the oracle have one of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.kafka.proxy import BOTH, Way
from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.support.kafka.proxy import Proxy
    from tests.verification.proof.stage import Stage

SESSION: Final = {"session_timeout_ms": 6_000, "send_deadline_seconds": 60}
BACK: Final = 9.0
"""Beyond the session, once the network is healed."""


def _started(stage: Stage, chance: random.Random) -> Proxy:
    """Two workers behind the network, and the load."""
    for slow_ms in (0, chance.choice([0, 20])):
        stage.start(slow_ms=slow_ms, KAFKA_BROKER=stage.broker.proxied_address)
    stage.load.start()
    network: Proxy = stage.broker.network
    return network


@scenario("the network is cut", runs=2, broker="own", seconds=45, settings=SESSION, stall=BACK)
async def cut(stage: Stage, chance: random.Random) -> None:
    """Connections are closed and refused, for a moment or for longer than the session."""
    network = _started(stage, chance)
    await stage.until_applied(chance.randrange(300, 1_500))
    for seconds in (chance.uniform(0.1, 2), chance.uniform(7, 12)):
        stage.away("the network is cut")
        network.cut()
        await stage.pause(seconds)
        network.heal()
        stage.mended("the network is healed")
        await _some_more(stage, chance)


@scenario("the network swallows everything", runs=2, broker="own", seconds=60, settings=SESSION, stall=BACK)
async def blackhole(stage: Stage, chance: random.Random) -> None:
    """Both ways or one, for a moment or for longer than the session; connections stay open meanwhile."""
    network = _started(stage, chance)
    await stage.until_applied(chance.randrange(300, 1_500))
    for seconds in (chance.uniform(0.5, 3), chance.uniform(7, 15)):
        ways = chance.choice([BOTH, frozenset({Way.TO_BROKER}), frozenset({Way.TO_WORKER})])
        stage.away(f"nothing arrives {' and '.join(sorted(way.value for way in ways))}")
        network.blackhole(ways)
        await stage.pause(seconds)
        network.heal()
        stage.mended("the network is healed")
        await _some_more(stage, chance)


@scenario(
    "the network takes two seconds each way", runs=2, broker="own", seconds=75, settings=SESSION, stall=BACK
)
async def delay(stage: Stage, chance: random.Random) -> None:
    """A heartbeat takes four, and a session six: members may be lost again and again."""
    network = _started(stage, chance)
    await stage.until_applied(chance.randrange(300, 1_500))
    stage.away("two seconds each way")
    network.delay(2)
    if chance.random() < 0.5:
        stage.start(KAFKA_BROKER=stage.broker.proxied_address)
        stage.note("a worker joins")
    await stage.pause(chance.uniform(10, 20))
    network.heal()
    stage.mended("the network is healed")
    await _some_more(stage, chance)


@scenario("the network is slow", runs=2, broker="own", seconds=60, settings=SESSION, stall=BACK)
async def throttle(stage: Stage, chance: random.Random) -> None:
    """So many bytes a second of each connection; requests queue behind each other."""
    network = _started(stage, chance)
    await stage.until_applied(chance.randrange(300, 1_500))
    rate = chance.choice([5_000, 20_000, 100_000])
    stage.away(f"{rate} bytes a second")
    network.throttle(rate)
    await stage.pause(chance.uniform(8, 15))
    network.heal()
    stage.mended("the network is healed")
    await _some_more(stage, chance)


@scenario("connections are reset", runs=2, broker="own", seconds=35, settings=SESSION, stall=BACK)
async def reset(stage: Stage, chance: random.Random) -> None:
    """All of them at once, again and again, under load."""
    network = _started(stage, chance)
    await stage.until_applied(chance.randrange(300, 1_500))
    for _ in range(8):
        stage.fault("every connection is reset")
        network.reset()
        await stage.pause(chance.uniform(0.05, 1.5))
    await _some_more(stage, chance)


async def _some_more(stage: Stage, chance: random.Random) -> None:
    before = await stage.applied()
    await stage.until_applied(before + chance.randrange(100, 500))
    carried = stage.broker.network.carried
    assert min(carried.values()) > 10_000, f"the workers went round the network, which carried {carried}"
