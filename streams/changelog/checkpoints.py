"""Local checkpoints: a partition's ledger in a file of the worker's own, so that a restart reads only a tail.

A checkpoint is the ledger's memory and its place in the changelog: the offset before which every row is in
it, and the last row before that offset, the witness. Whoever takes it up reads the changelog from the witness
on, takes these rows on top, the greatest of each key, and has what the whole changelog would have given.

Why that is right:

- Every row before the place is in the ledger. The owner read the changelog up to where its first rows landed,
  and each of its batches landed exactly where the one before ended (`Delivery.base`); whatever another worker
  wrote lies behind the place. So a worker that lost its partition and does not know it writes no checkpoint
  that could do harm: its state is a prefix of the log, and all that came later is in the tail.
- What the ledger holds beyond its place, steps under way when its memory was copied, is written down only
  when the changelog has acknowledged it. Those rows then lie behind the place and are read again. Should the
  broker have lost them since, the ledger's clock is ahead of every clock row from the witness on, and the
  checkpoint is thrown away.
- The changelog is the one it was made from: the witness is looked up, and has to be there byte for byte. A
  topic made anew does not hold it, unless it holds the same rows up to there. Compaction keeps rows for a day
  and then takes the witness, once a later clock row has replaced it; a checkpoint that is older than that is
  thrown away even if it might do. So no deletion behind its place can have been forgotten either: compaction
  forgets a deletion a day after it has first been through the rows before it.
- A file is read as one only if its length and its SHA-256 are right, and its heading names this application,
  this changelog, this partition of as many, and this format (`checkpoint_file.py`). The layout of memory is
  the ledger's affair.

In every other case it is thrown away with a line that says why, and the changelog serves. A checkpoint that
cannot be written, because the disk is full or the folder not ours, costs a line and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from streams.changelog.checkpoint_file import FORMAT, Heading, Memory, Owner, Unusable, opened, write
from streams.changelog.recovery import PositionedLedger

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.clock import Clock
    from streams.flow import Flow, LedgerLike
    from streams.metrics import Counts
    from streams.settings.settings import Settings

log = logging.getLogger(__name__)

SUFFIX = ".checkpoint"
STOP_SECONDS = 5.0
"""How long the checkpoints of a clean stop may take: a worker that is told to end has ten in all."""


class Checkpoints:
    """The checkpoints of one worker.

    Args:
        flow: Flow whose changelog the checkpoints stand for.
        settings: Service settings; without `checkpoint_dir` nothing is written and nothing found.
        counts: the worker's counters.
        clock: the machine's clocks.
    """

    def __init__(self, flow: Flow, *, settings: Settings, counts: Counts, clock: Clock) -> None:
        self._flow = flow
        self._application = settings.application
        self._folder = settings.checkpoint_dir
        self._counts = counts
        self._clock = clock
        self._bases: dict[int, int] = {}
        """The place of each checkpoint that is there, as far as known."""
        self._sizes: dict[int, int] = {}
        self._complaint = ""
        self._stopping = threading.Event()

    @property
    def wanted(self) -> bool:
        """True if the settings name a folder for checkpoints."""
        return self._folder is not None

    def base(self, partition: int) -> int | None:
        """Return the place in the changelog of the checkpoint that a partition has, as far as known."""
        return self._bases.get(partition)

    def room(self, partition: int) -> Memory:
        """Make memory of the size that a partition's checkpoint had last."""
        return Memory(self._sizes.get(partition, 0))

    def path(self, partition: int) -> Path:
        """Where a partition's checkpoint is."""
        return (self._folder or Path()) / f"{self._flow.changelog}-{partition}{SUFFIX}"

    async def load(self, partition: int, make: Callable[[], LedgerLike]) -> PositionedLedger | None:
        """The ledger of a partition as its checkpoint has it, not settled yet; None without a usable one.

        Args:
            partition: its number.
            make: makes a new ledger.
        """
        if self._folder is None:
            return None
        try:
            return await asyncio.to_thread(self._load, partition, make())
        except FileNotFoundError:
            return None
        except (Unusable, OSError, ValueError) as reason:
            name = self.path(partition)
            log.warning("The checkpoint %s is thrown away, and the whole changelog read: %s", name, reason)
            self._counts.add("checkpoints_unusable")
            return None

    async def write_last(self, kept: dict[int, PositionedLedger]) -> None:
        """Write the ledgers of a worker that has stopped cleanly, as far as it goes in a few seconds."""
        if self._folder is None:
            return
        timer = threading.Timer(STOP_SECONDS, self._stopping.set)
        timer.start()
        try:
            for number, known in kept.items():
                if self._bases.get(number) != known.base and not self._stopping.is_set():
                    content = self.room(number)
                    await asyncio.to_thread(known.ledger.save, content)
                    await self.store(number, known, content)
        finally:
            timer.cancel()

    async def store(self, number: int, kept: PositionedLedger, content: Memory) -> bool:
        """Write a ledger's memory to its partition's file; tell whether there is a new one."""
        if kept.witness is None:  # no row was ever written, so there is nothing to spare
            return False
        heading = Heading(
            owner=self.owner(number),
            base=kept.base,
            witness=kept.witness,
            made_at=self._clock.now_ms(),
            size=content.size,
            checksum=await asyncio.to_thread(content.checksum),
        )
        try:
            path, stopped = self.path(number), self._stopping.is_set
            await asyncio.to_thread(write, path, heading, content, stopped=stopped)
        except OSError as reason:
            return self.failed(number, reason)
        self._complaint = ""
        self._sizes[number], self._bases[number] = content.size, kept.base
        self._counts.add("checkpoints_written")
        return True

    def failed(self, number: int, reason: Exception) -> bool:
        """Say so, once for each reason in a row; the answer is that there is no new checkpoint."""
        self._counts.add("checkpoints_failed")
        if (said := repr(reason)) != self._complaint:
            log.warning(
                "No checkpoint of partition %d could be written to %s (%s): a restart reads more of the "
                "changelog, and nothing else is the matter",
                number,
                self._folder,
                reason,
            )
            self._complaint = said
        return False

    def _load(self, number: int, ledger: LedgerLike) -> PositionedLedger:
        path = self.path(number)
        with path.open("rb") as file:
            heading = opened(file, self.owner(number))
            ledger.restore(file)
        self._sizes[number] = heading.size
        return PositionedLedger(ledger, heading.base, heading.witness, origin=f"the checkpoint {path.name}")

    def owner(self, number: int) -> Owner:
        """What the heading of a partition's checkpoint has to say."""
        flow = self._flow
        return Owner(FORMAT, self._application, flow.changelog, number, flow.partitions)
