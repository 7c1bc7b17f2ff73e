"""A worker of another release beside newer ones, under load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.memory.rows import ROW_VERSION
from streams.process.exit_status import Status
from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random

    from tests.verification.proof.stage import Stage


@scenario("a worker of an older release meets newer rows", runs=2, seconds=35)
async def older_worker(stage: Stage, chance: random.Random) -> None:
    """It ends with a line and a status of its own, having written nothing; the others go on."""
    stage.start()
    stage.start()
    stage.load.start()
    await stage.until_applied(chance.randrange(stage.load.events // 6, stage.load.events // 2))
    older = stage.start(ROW_VERSION=str(ROW_VERSION - 1))
    stage.fault("a worker of an older release joins")
    await stage.ends(older, int(Status.NEWER_ROWS), "needs a later release", seconds=60)
