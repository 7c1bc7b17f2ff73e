"""Local checkpoints: a partition's ledger in a file, so that a restart reads only the changelog's tail.

A checkpoint is the ledger's memory and its place in the changelog. The place is an offset before which every
row is in the ledger, and the witness: the last row before that offset. A worker that loads a checkpoint reads
the changelog from the witness on, applies the greatest row of each key, and has the same state that the whole
changelog would have given.

Proof of correctness:

- Every row before the place is in the ledger. The owner read the changelog up to where its first rows landed,
  and each of its batches landed exactly where the previous one ended (`Delivery.base`). Rows of another
  worker lie after the place. So a worker that lost its partition without noticing writes no harmful
  checkpoint: its state is a prefix of the log, and all later rows are in the tail.
- The ledger may hold steps beyond its place, which were under way when its memory was copied. The copy is
  written to disk only when the changelog has acknowledged those steps. Their rows then lie after the place
  and are read again. If the broker has lost the rows since, the ledger's clock is ahead of every clock row
  from the witness on, and the checkpoint is thrown away.
- The changelog is the one from which the checkpoint was made: recovery looks the witness up, and the witness
  must be there byte for byte. A topic made anew does not hold the witness, unless the topic holds the same
  rows up to there. Compaction keeps rows for a day and then removes the witness, once a later clock row has
  replaced it. A checkpoint older than that is thrown away, even if it might be usable. So no deletion after
  the place can be missing either: compaction removes a tombstone a day after it has first compacted the rows
  before the tombstone.
- A file is accepted only if its length and its SHA-256 are right, and if its heading names this application,
  this changelog, this partition, this partition count and this format (`checkpoint_file.py`). The layout of
  the memory is defined by the ledger.

In every other case the checkpoint is thrown away, one log line says why, and the whole changelog is read. If
a checkpoint cannot be written, because the disk is full or the folder not writable, the only consequence is a
log line.
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
"""Seconds that the checkpoints of a clean stop may take. A worker that is asked to end has ten seconds in
all."""


class Checkpoints:
    """Checkpoints of one worker.

    Args:
        flow: Flow whose ledgers the checkpoints hold.
        settings: Service settings. Without `checkpoint_dir` no checkpoint is written or loaded.
        counts: Counters of the worker.
        clock: Clocks of the machine.
    """

    def __init__(self, flow: Flow, *, settings: Settings, counts: Counts, clock: Clock) -> None:
        self._flow = flow
        self._application = settings.application
        self._folder = settings.checkpoint_dir
        self._counts = counts
        self._clock = clock
        self._bases: dict[int, int] = {}
        """Changelog offset (`base`) of each existing checkpoint, as far as known."""
        self._sizes: dict[int, int] = {}
        self._complaint = ""
        self._stopping = threading.Event()

    @property
    def wanted(self) -> bool:
        """True if the settings name a folder for checkpoints."""
        return self._folder is not None

    def base(self, partition: int) -> int | None:
        """Return the changelog offset (`base`) of a partition's checkpoint, or None if unknown."""
        return self._bases.get(partition)

    def room(self, partition: int) -> Memory:
        """Allocate memory of the size that the partition's previous checkpoint had."""
        return Memory(self._sizes.get(partition, 0))

    def path(self, partition: int) -> Path:
        """Return the path of a partition's checkpoint."""
        return (self._folder or Path()) / f"{self._flow.changelog}-{partition}{SUFFIX}"

    async def load(self, partition: int, make: Callable[[], LedgerLike]) -> PositionedLedger | None:
        """Load a partition's ledger from its checkpoint, not settled yet; return None without a usable one.

        Args:
            partition: Number of the partition.
            make: Factory of a new ledger.
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
            self._counts.checkpoints_unusable += 1
            return None

    async def write_last(self, kept: dict[int, PositionedLedger]) -> None:
        """Write the ledgers of a worker that has stopped cleanly, as many as a few seconds allow."""
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
        """Write a ledger's memory to its partition's file; return True if there is a new checkpoint."""
        if kept.witness is None:  # no row was ever written, so a checkpoint would save nothing
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
        self._counts.checkpoints_written += 1
        return True

    def failed(self, number: int, reason: Exception) -> bool:
        """Log a failure, once for each run of equal reasons; return False: there is no new checkpoint."""
        self._counts.checkpoints_failed += 1
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
        """Return the identity that the heading of a partition's checkpoint must have."""
        flow = self._flow
        return Owner(FORMAT, self._application, flow.changelog, number, flow.partitions)
