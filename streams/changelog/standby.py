"""Standbys: warm copies of partitions owned by other workers, so that a takeover reads only the latest rows.

A standby tails a partition's changelog into a ledger of its own and writes nothing. When the partition is
assigned to this worker, recovery continues from the standby's ledger and place: it reads a few rows instead
of all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.changelog.framing import LatestRows
from streams.changelog.recovery import POLL_MS, PositionedLedger, recover
from streams.errors import CartpulseError, ChangelogUnreadableError, LogUnreadableError
from streams.kafka.closing import close

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.changelog.checkpoints import Checkpoints
    from streams.changelog.framing import Witness
    from streams.flow import Flow, LedgerLike
    from streams.kafka.clients import Connections
    from streams.metrics import Counts
    from streams.settings.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
"""Seconds between two polls of a standby that is at the end. A takeover then reads a quarter of a second's
rows."""
PAUSE_SECONDS = 2.0
"""Seconds before a broker that is away is asked again."""
ROWS_AT_ONCE = 2_000
"""Most rows of one poll: some 20 ms of work, so that a standby that catches up leaves most of a core to
others."""


@dataclass(slots=True)
class StandbyCopy:
    """Standby copy of one partition."""

    ledger: LedgerLike
    position: int
    """Next changelog offset to read."""
    witness: Witness | None = None
    wrong: set[bytes] = field(default_factory=set)
    """Keys whose last row so far is not the greatest."""
    end: int = 0
    """End of the changelog as of the last poll."""
    sound: bool = True
    """False while rows are being taken, and for good if taking rows failed."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Lock held while the ledger takes rows."""


class Standbys:
    """Standby copies of the partitions that one worker follows without owning them.

    Args:
        flow: Flow whose changelog is followed.
        settings: Service settings; `standby_partitions` is the number of copies.
        connections: Maker of the reader.
        checkpoints: Checkpoints, one of which a standby begins with if it exists.
        counts: Counters of the worker.
        holes: True if the broker's logs may have offsets that hold no record.
    """

    def __init__(
        self,
        flow: Flow,
        *,
        settings: Settings,
        connections: Connections,
        checkpoints: Checkpoints,
        counts: Counts,
        holes: bool,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._flow = flow
        self._checkpoints = checkpoints
        self._counts = counts
        self._holes = holes
        # A configured name survives a restart, so that the worker then follows the same partitions.
        named = settings.group_instance_id or settings.worker_name
        self._name = named or f"{socket.gethostname()}/{os.getpid()}"
        self._warm: dict[int, StandbyCopy] = {}
        self._owned: frozenset[int] | None = None
        self._given_up: set[int] = set()

    def assigned(self, owned: Iterable[int], kept: Mapping[int, PositionedLedger]) -> None:
        """Note which partitions this worker owns from now on.

        Between a revocation and this call nothing changes. Otherwise a copy would be dropped in the very
        moment for which it was made.

        Args:
            owned: Owned partitions.
            kept: Ledgers of partitions that the worker owned before; a standby of such a partition continues
                with its ledger.
        """
        self._owned = frozenset(owned)
        self._given_up.clear()
        for number in self.wanted():
            if number in kept and number not in self._warm:
                known = kept[number]
                self._warm[number] = StandbyCopy(known.ledger, known.base, known.witness, set(known.wrong))

    def wanted(self) -> list[int]:
        """Return the partitions to follow: the first few of those not owned, in this worker's own order."""
        if self._owned is None:
            return []
        free = set(range(self._flow.partitions)) - self._owned - self._given_up
        order = sorted(free, key=lambda number: blake2b(f"{self._name}/{number}".encode()).digest())
        return order[: self._settings.standby_partitions]

    async def give(self, number: int) -> PositionedLedger | None:
        """Hand over the copy of a partition assigned to this worker, or None without a usable copy."""
        warm = self._warm.pop(number, None)
        if warm is None:
            return None
        async with warm.lock:
            if warm.witness is None or not warm.sound:
                return None
            return PositionedLedger(
                warm.ledger, warm.position, warm.witness, frozenset(warm.wrong), origin="a standby's copy"
            )

    async def run(self) -> None:
        """Follow the wanted partitions until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self.wanted():
                continue
            try:
                reader = await self._connections.reader()
                try:
                    await self._follow(reader)
                finally:
                    await close(reader)
            except (KafkaError, OSError, CartpulseError) as reason:
                log.info("Standbys stay where they are, and are read on later: %r", reason)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, reader: Any) -> None:
        assigned: set[int] = set()
        while wanted := self.wanted():
            for number in set(self._warm) - set(wanted) - (self._owned or set()):
                del self._warm[number]
            for number in set(wanted) - set(self._warm):
                await self._begin(reader, number)
                assigned = set()  # `recover` assigned another partition to the reader
            if assigned != set(self._warm):
                assigned = set(self._warm)
                reader.assign([self._changelog(number) for number in assigned])
                for number, warm in self._warm.items():
                    reader.seek(self._changelog(number), warm.position)
            busy = await self._poll(reader, assigned) if assigned else False
            self._counts.standby_lag = self.lag
            await asyncio.sleep(0 if busy else POLL_SECONDS)

    @property
    def lag(self) -> int:
        """Number of rows that the standbys have not taken yet, as of the last poll."""
        return sum(max(0, warm.end - warm.position) for warm in self._warm.values())

    async def _begin(self, reader: Any, number: int) -> None:
        """Make a copy as a recovery would: from a checkpoint and the tail, or from the whole changelog."""

        def make() -> LedgerLike:
            return self._flow.ledgers(number, self._flow.partitions)

        changelog = self._changelog(number)
        try:
            recovered = await recover(
                reader,
                changelog,
                make,
                None,
                stored=lambda: self._checkpoints.load(number, make),
                holes=self._holes,
            )
        except (ChangelogUnreadableError, ValueError) as reason:
            self._give_up(number, reason)
            return
        if number in (self._owned or ()):  # it was assigned meanwhile, and is being opened without this copy
            return
        wrong = {row.key for run in recovered.corrections for row in run}
        self._warm[number] = StandbyCopy(recovered.ledger, recovered.base, recovered.witness, wrong)
        self._counts.standbys_begun += 1

    async def _poll(self, reader: Any, assigned: Iterable[int]) -> bool:
        """Take the rows that have arrived; return True if there may be more at once."""
        try:
            changelogs = [self._changelog(number) for number in assigned]
            fetched = await reader.getmany(*changelogs, timeout_ms=POLL_MS, max_records=ROWS_AT_ONCE)
        except OffsetOutOfRangeError as error:
            for changelog in error.args[0]:
                self._warm.pop(changelog.partition, None)
            return False
        except LogUnreadableError as reason:
            for number in list(assigned):  # the other partitions' rows of this fetch are lost too
                if reason.place is None or number == reason.place.partition:
                    self._give_up(number, reason)
                else:
                    self._warm.pop(number, None)
            return False
        for changelog in changelogs:
            warm = self._warm.get(changelog.partition)
            if warm is None:
                continue
            try:
                async with warm.lock:
                    if records := fetched.get(changelog):
                        await asyncio.to_thread(_take, warm, records)
                        self._counts.standby_rows += len(records)
                    warm.position = await reader.position(changelog)
                    warm.end = reader.highwater(changelog) or warm.position
            except (ChangelogUnreadableError, ValueError) as reason:
                self._give_up(changelog.partition, reason)
        return bool(fetched)

    def _give_up(self, number: int, reason: Exception) -> None:
        """Stop following a partition until the next assignment: retrying a moment later would not help."""
        self._warm.pop(number, None)
        self._given_up.add(number)
        log.warning("Partition %d is not followed any more: %s", number, reason)

    def _changelog(self, number: int) -> TopicPartition:
        return TopicPartition(self._flow.changelog, number)


def _take(warm: StandbyCopy, records: list[Any]) -> None:
    warm.sound = False
    greatest = LatestRows()
    greatest.take(records)
    older = warm.ledger.take(greatest.rows.items())
    warm.wrong = (warm.wrong - greatest.rows.keys()) | greatest.corrected | set(older)
    warm.witness = greatest.last
    warm.sound = True
