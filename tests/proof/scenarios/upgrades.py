"""Deploys across one version of the rows' format, both ways, under load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.statuses import Status
from tests.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.proof.stage import Stage

OLD, NEW = "1", "2"


@scenario("rolling deploy to the next row format and back", runs=3, events=8_000, seconds=35)
async def there_and_back(stage: Stage, chance: random.Random) -> None:
    """One by one: a worker of the other format starts before an old one ends, or after; one is killed."""
    workers = [stage.start(CARTPULSE_ROW_FORMAT=OLD) for _ in range(2)]
    stage.load.start()
    steps = [NEW, NEW, OLD, OLD]
    for number, row_format in enumerate(steps, 1):
        await stage.until_applied(number * stage.load.events // 7 + chance.randrange(300))
        leaving = workers.pop(0)
        first = chance.random() < 0.5
        if first:
            workers.append(stage.start(CARTPULSE_ROW_FORMAT=row_format))
            await stage.pause(chance.uniform(0, 1))
        if chance.random() < 0.3:
            stage.kill(leaving)
        else:
            await stage.term(leaving)
        if not first:
            workers.append(stage.start(CARTPULSE_ROW_FORMAT=row_format))


@scenario("a worker of an older release meets newer rows", runs=2, seconds=35)
async def older_worker(stage: Stage, chance: random.Random) -> None:
    """It ends with a line and a status of its own, having written nothing; the others go on."""
    stage.start(CARTPULSE_ROW_FORMAT=NEW)
    stage.start(CARTPULSE_ROW_FORMAT=NEW)
    stage.load.start()
    await stage.until_applied(chance.randrange(stage.load.events // 6, stage.load.events // 2))
    older = stage.start(NEWEST_FORMAT="1")
    stage.fault("a worker of an older release joins")
    await stage.ends(older, int(Status.NEWER_ROWS), "needs a later release", seconds=60)
