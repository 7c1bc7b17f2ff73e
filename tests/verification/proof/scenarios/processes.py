"""Faults of worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.verification.proof.stage import Stage

KILLS = 8


@scenario("kill -9 of a worker", runs=7, events=9_000, seconds=40)
async def kill(stage: Stage, chance: random.Random) -> None:
    """A random one at a random moment, again and again, and a new one joins each time."""
    for _ in range(chance.choice([1, 2, 3])):
        stage.start()
    stage.load.start()
    for number in range(1, KILLS + 1):
        await stage.until_applied(number * stage.load.events // (KILLS + 2) + chance.randrange(300))
        await stage.pause(chance.uniform(0, 0.4))
        stage.kill(chance.choice(stage.running))
        await stage.pause(chance.choice([0, 0, 0.5]))
        stage.start()


@scenario("two workers within half a second", runs=10, stall=None, seconds=20)
async def two_joiners(stage: Stage, chance: random.Random) -> None:
    """Under load, with an agent that is slow, so that fetch, seek and recovery overlap."""
    stage.load.start()
    await stage.load.until_written(chance.randrange(stage.load.events // 3))
    slow_ms = chance.choice([20, 50, 100])
    stage.start(slow_ms=slow_ms)
    await stage.pause(chance.uniform(0, 0.5))
    stage.start(slow_ms=slow_ms)
    stage.fault("the second of two workers joins")


@scenario("SIGSTOP beyond the session, SIGCONT, SIGKILL of the successor", runs=10, seconds=25)
async def stopped(stage: Stage, chance: random.Random) -> None:
    """In the middle of a batch; what it had under way must do no harm when it comes back."""
    victim = stage.start(slow_ms=chance.choice([0, 20]))
    stage.load.start()
    await stage.until_applied(chance.randrange(1, stage.load.events // 4))
    await stage.pause(chance.uniform(0, 0.3))
    stage.stop(victim)
    successor = stage.start()
    before = await stage.applied()
    await stage.pause(stage.settings.session_timeout_ms / 1_000 * 1.5)
    await stage.until(lambda: stage.watch.applied > before, 30, "the successor's work")
    await stage.pause(chance.uniform(0, 1))
    stage.go_on(victim)
    await stage.pause(chance.uniform(0, 1))
    stage.kill(successor)


@scenario("SIGTERM rolling restart of all workers", runs=3, seconds=25)
async def rolling_restart(stage: Stage, chance: random.Random) -> None:
    """One by one: a new one starts, an old one ends."""
    for _ in range(3):
        stage.start()
    stage.load.start()
    for number, worker in enumerate(list(stage.running), 1):
        await stage.until_applied(number * stage.load.events // 5 + chance.randrange(300))
        if chance.random() < 0.5:
            stage.start()
            await stage.term(worker)
        else:
            await stage.term(worker)
            stage.start()


@scenario("1 -> 4 -> 1 workers", runs=3, seconds=25)
async def up_and_down(stage: Stage, chance: random.Random) -> None:
    """Three join, one after the other, and any three end."""
    stage.start()
    stage.load.start()
    for number in range(1, 4):
        await stage.until_applied(number * stage.load.events // 12 + chance.randrange(300))
        stage.start()
        stage.fault(f"worker {number} joins")
    for number in range(5, 8):
        await stage.until_applied(number * stage.load.events // 10 + chance.randrange(300))
        await stage.term(chance.choice(stage.running))


BROKERS_OWN = {"group.initial.rebalance.delay.ms": "3000", "group.min.session.timeout.ms": "6000"}


@scenario(
    "the broker's own join delay and shortest session",
    runs=1,
    broker="own",
    properties=BROKERS_OWN,
    settings={"session_timeout_ms": 6_000},
    stall=5 + 3,
    seconds=50,
)
async def brokers_own(stage: Stage, chance: random.Random) -> None:
    """Two workers start at nearly the same moment, one of them is killed, a new one joins."""
    stage.load.start()
    stage.start(slow_ms=20)
    await stage.pause(chance.uniform(0, 0.5))
    stage.start(slow_ms=20)
    await stage.until_applied(stage.load.events // 4 + chance.randrange(500))
    stage.kill(chance.choice(stage.running))
    await stage.until_applied(stage.load.events // 2)
    stage.start()
