"""Faults of checkpoint files: what is of no use is thrown away with a line, and the changelog serves."""

from __future__ import annotations

import resource
import shutil
from typing import TYPE_CHECKING

from aiokafka.structs import TopicPartition

from streams.changelog.checkpoint_file import read_heading
from streams.changelog.recovery import read_to_end
from tests.verification.proof.scenario import scenario
from tests.verification.proof.scenarios.endurance import CLEANER, EAGER

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from streams.changelog.checkpoint_file import Heading
    from tests.verification.proof.stage import Stage, Worker

    Damage = Callable[[list[Path], random.Random], object]

KILLS = 3
"""Of all workers at once: so nobody writes a new checkpoint over a damaged one."""
SMALL = 48 * 1024
"""Bytes that fit on a disk that is full: no checkpoint does, and what a worker logs does."""
ALL_DEAD = 15.0
"""Seconds beyond the session that a partition may stand still here: new processes have to start first."""
THROWN_AWAY = "is thrown away"


def begin(stage: Stage) -> Worker:
    """Start a worker that writes a checkpoint a second to the folder of all."""
    return stage.start(
        CARTPULSE_CHECKPOINT_DIR=str(stage.folder / "checkpoints"), CARTPULSE_CHECKPOINT_SECONDS="1"
    )


def files(stage: Stage) -> list[Path]:
    """The checkpoints that are there, by partition."""
    return sorted((stage.folder / "checkpoints").glob("*.checkpoint"))


def said(stage: Stage, words: str) -> int:
    """In how many lines the workers said so."""
    logs = (stage.log_of(number) for number in range(len(stage.workers)))
    return sum(words in line for log in logs for line in log.read_text(errors="replace").splitlines())


async def until_said(stage: Stage, words: str, least: int) -> None:
    """Wait until the workers have said so in so many lines."""
    await stage.until(lambda: said(stage, words) >= least, 60, f"{least} lines of {words!r}")


async def all_written(stage: Stage) -> None:
    """Wait until every partition has a checkpoint."""
    await stage.until(
        lambda: len(files(stage)) == stage.settings.partitions, 60, "a checkpoint of each partition"
    )


async def under_kills(
    stage: Stage, chance: random.Random, damage: Damage, what: str, *, line: str = THROWN_AWAY
) -> None:
    """Kill all workers, do something to their files, and start others, who say what they found."""
    begin(stage)
    begin(stage)
    stage.load.start()
    for number in range(1, KILLS + 1):
        await stage.until_applied(number * stage.load.events // (KILLS + 2) + chance.randrange(300), 120)
        await all_written(stage)
        await stage.pause(chance.uniform(0, 0.5))
        for worker in list(stage.running):
            stage.kill(worker)
        damage(files(stage), chance)
        stage.fault(what)
        heard = said(stage, line)
        begin(stage)
        begin(stage)
        await until_said(stage, line, heard + 1)


@scenario("checkpoints are as they should be", runs=2, seconds=35, stall=ALL_DEAD)
async def consistent(stage: Stage, chance: random.Random) -> None:
    """Workers are killed and come back from them."""
    await under_kills(stage, chance, lambda *_: None, "nothing is damaged", line="on top of the checkpoint")


@scenario("checkpoint deleted", runs=2, seconds=35, stall=ALL_DEAD)
async def deleted(stage: Stage, chance: random.Random) -> None:
    """Then there is nothing to throw away."""

    def delete(found: list[Path], _: random.Random) -> None:
        for path in found:
            path.unlink()

    await under_kills(stage, chance, delete, "the checkpoints are deleted", line="goes on at offset")


@scenario("checkpoint truncated", runs=2, seconds=35, stall=ALL_DEAD)
async def truncated(stage: Stage, chance: random.Random) -> None:
    """Anywhere, as by a file system that lost its last writes."""

    def cut(found: list[Path], chance: random.Random) -> None:
        for path in found:
            content = path.read_bytes()
            path.write_bytes(content[: chance.randrange(len(content))])

    await under_kills(stage, chance, cut, "the checkpoints are truncated")


@scenario("checkpoint with a bit flipped", runs=2, seconds=35, stall=ALL_DEAD)
async def flipped(stage: Stage, chance: random.Random) -> None:
    """Anywhere."""

    def flip(found: list[Path], chance: random.Random) -> None:
        for path in found:
            content = bytearray(path.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)

    await under_kills(stage, chance, flip, "a bit of each checkpoint is flipped")


@scenario("checkpoint of another partition", runs=2, seconds=35, stall=ALL_DEAD)
async def swapped(stage: Stage, chance: random.Random) -> None:
    """Each partition finds its neighbour's under its own name."""

    def swap(found: list[Path], _: random.Random) -> None:
        contents = [path.read_bytes() for path in found]
        for path, content in zip(found, (*contents[1:], contents[0]), strict=True):
            path.write_bytes(content)

    await under_kills(stage, chance, swap, "the checkpoints are another partition's", line="its partition is")


@scenario("disk full of checkpoints", runs=2, seconds=30, stall=ALL_DEAD)
async def disk_full(stage: Stage, chance: random.Random) -> None:
    """Nothing can be written any more, and later it can; workers are killed meanwhile."""
    stage.load.start()
    begin(stage)
    await all_written(stage)
    for number in range(1, KILLS + 1):
        worker = begin(stage)
        stage.fault(f"the disk of worker {stage.number(worker)} is full")
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (SMALL, SMALL))
        await stage.until_applied(number * stage.load.events // (KILLS + 2) + chance.randrange(300), 120)
        stage.kill(chance.choice([other for other in stage.running if other is not worker]))
        await until_said(stage, "could be written to", number)
    begin(stage)


@scenario(
    "checkpoint of a month ago",
    runs=2,
    broker="own",
    properties=CLEANER,
    topics={"changelog": EAGER},
    seconds=60,
    stall=ALL_DEAD,
)
async def old(stage: Stage, chance: random.Random) -> None:
    """Put back from a backup, when compaction has long been through what it knows."""
    begin(stage)
    begin(stage)
    stage.load.start()
    await stage.until_applied(chance.randrange(500, 1_000), 120)
    await all_written(stage)
    backup = stage.folder / "backup"
    shutil.copytree(files(stage)[0].parent, backup)
    for number in range(2, 4):
        await stage.until_applied(number * stage.load.events // 4, 120)
        await stage.until(lambda: forgotten(stage, backup), 60, "compaction of what the old checkpoints know")
        for worker in list(stage.running):
            stage.kill(worker)
        for path in files(stage):
            shutil.copy(backup / path.name, path)
        stage.fault("the checkpoints are those of long ago")
        heard = said(stage, THROWN_AWAY)
        begin(stage)
        begin(stage)
        await until_said(stage, THROWN_AWAY, heard + 1)


def headings(folder: Path) -> list[Heading]:
    """Of all checkpoints in a folder."""
    found = []
    for path in sorted(folder.glob("*.checkpoint")):
        with path.open("rb") as file:
            found.append(read_heading(file))
    return found


async def forgotten(stage: Stage, backup: Path) -> bool:
    """Whether the rows by which old checkpoints know their changelogs are gone."""
    for heading in headings(backup):
        changelog = TopicPartition(heading.owner.changelog, heading.owner.partition)
        async for records in read_to_end(stage._reader, changelog, heading.witness.offset):
            if records[0].offset == heading.witness.offset:
                return False
            break
    return True
