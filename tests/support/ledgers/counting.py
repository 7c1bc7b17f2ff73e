"""A small ledger that counts events per customer, with boundaries and sweeps: what the engine is tested with.

A customer's tenth event, its twentieth and so on are worth an output (or every second, or as told), and so is
every boundary for every customer. A boundary is passed with every `DAY` offsets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from models.contracts.changes import Changes, Refusal, Row
from models.contracts.event_block import EventBlock, Outputs
from models.contracts.status import LedgerStatus
from models.ledger.checkpoint import CheckpointError
from models.memory.rows import CLOCK_KEY, header, own_payload, partition_row
from models.records.columns import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.ledger.checkpoint import Readable, Writable
    from models.records.columns import Records

DAY = 5_000
POISON = b"poison"
"""A customer whose events make the ledger raise."""


@dataclass(frozen=True, slots=True)
class CountingClock:
    """How far a counting ledger has come."""

    offset: int = -1
    digest: int = 0
    begun: int = 0
    finished: int = 0
    fingerprint: int = 0
    unopened: bool = False
    silent: bool = False

    def waits_for_live(self, _: int) -> bool:
        """It has no history."""
        return False


class CountingLedger:
    """Counts. `most` records are applied at once at most, as if the rows of more did not fit a batch."""

    def __init__(
        self,
        partition: int = 0,
        partitions: int = 1,
        *,
        day: int = DAY,
        most: int = 10_000,
        every: int = 10,
    ) -> None:
        self.partition, self.partitions = partition, partitions
        self.clock = CountingClock()
        self._day, self._most, self._every = day, most, every
        self._counts: dict[bytes, int] = {}
        self._seen: dict[bytes, tuple[int, int]] = {}
        self._unswept: list[bytes] = []

    @property
    def sweeping(self) -> bool:
        """Whether a boundary is begun and not finished."""
        return self.clock.finished < self.clock.begun

    @property
    def standing(self) -> LedgerStatus:
        """How many customers it counts; its boundaries have no time."""
        return LedgerStatus(
            customers=len(self._counts),
            rows=len(self._counts),
            memory=0,
            watermark=None,
            begun=None,
            finished=None,
            concerned=len(self._unswept),
            left=len(self._unswept),
            sending=True,
        )

    def advance(self, records: Records) -> Changes:
        """Count a prefix of the records."""
        clock, outputs = self.clock, list[Event]()
        refusals, touched, applied = list[Refusal](), dict[bytes, None](), 0
        offsets, customers, kinds = records.offsets.tolist(), records.customers, records.kinds.tolist()
        for index in range(min(len(records), self._most)):
            if kinds[index] != Kind.REFUSED and customers[index] == POISON:
                raise ValueError("poison")
        begun = clock.begun
        for index in range(min(len(records), self._most)):
            offset, customer = offsets[index], customers[index]
            if offset // self._day > begun:
                if self.sweeping or begun > clock.begun:
                    break
                begun = offset // self._day
                self._unswept = sorted(c for c, (_, seen) in self._seen.items() if seen < begun)
            applied += 1
            if kinds[index] == Kind.REFUSED:
                continue
            if self._seen.get(customer, (0, begun))[1] < begun:
                outputs.append(self._boundary(customer, begun))
            self._counts[customer] = count = self._counts.get(customer, 0) + 1
            self._seen[customer] = (offset, begun)
            touched[customer] = None
            if not count % self._every:
                outputs.append(_event("count", customer, count))
        if applied:
            finished = clock.finished if begun == clock.begun else clock.begun
            digest = int(records.digests[applied - 1])
            self.clock = CountingClock(offsets[applied - 1], digest, begun, finished)
        rows = (*(self._row(customer) for customer in touched), *((self._clock_row(),) if applied else ()))
        return Changes(applied, _outputs(outputs), tuple(refusals), (), rows, {"applied": applied})

    def sweep(self, limit: int) -> Changes:
        """Bring at most `limit` customers up to the boundary."""
        if not self.sweeping:
            return Changes(0)
        begun, outputs, rows = self.clock.begun, list[Event](), list[Row]()
        while self._unswept and len(rows) < limit:
            customer = self._unswept.pop(0)
            if self._seen[customer][1] < begun:
                outputs.append(self._boundary(customer, begun))
                self._seen[customer] = (self._seen[customer][0], begun)
                rows.append(self._row(customer))
        if not self._unswept:
            clock = self.clock
            self.clock = CountingClock(clock.offset, clock.digest, begun, begun)
        return Changes(0, _outputs(outputs), (), (), (*rows, self._clock_row()))

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Take recovered rows."""
        self.take(rows)
        self.settle()

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take rows on top of what is known; the answer is the keys of older ones."""
        older = list[bytes]()
        for key, value in rows:
            rank = header(value)[1:3]
            if key == CLOCK_KEY:
                if (self.clock.offset, self.clock.finished) > rank:
                    older.append(key)
                else:
                    self.clock = CountingClock(rank[0], *struct.unpack("<Qii", own_payload(value)))
            elif self._seen.get(key, rank) > rank:
                older.append(key)
            else:
                self._seen[key] = rank
                (self._counts[key],) = struct.unpack("<Q", own_payload(value))
        return older

    def settle(self) -> None:
        """Lay out the sweep."""
        begun = self.clock.begun
        self._unswept = sorted(c for c, (_, seen) in self._seen.items() if seen < begun)

    def rows_of(self, keys: Iterable[bytes]) -> list[Row]:
        """The rows of these keys."""
        return [self._clock_row() if key == CLOCK_KEY else self._row(key) for key in keys]

    def save(self, file: Writable) -> None:
        """Its rows, one after the other."""
        for key, value in (*map(self._row, self._counts), self._clock_row()):
            file.write(struct.pack("<II", len(key), len(value)) + key + value)

    def restore(self, file: Readable) -> None:
        """Take up what `save` wrote."""
        sizes = bytearray(8)
        while file.readinto(sizes):
            key, value = (bytearray(size) for size in struct.unpack("<II", sizes))
            if not file.readinto(key) or not file.readinto(value):
                raise CheckpointError("it ends inside a row")
            self.take([(bytes(key), bytes(value))])

    def tick_due(self, now_ms: int) -> int | None:
        """Never."""
        del now_ms
        return None

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """How many events."""
        return {"events": self._counts[customer]} if customer in self._counts else None

    def _boundary(self, customer: bytes, boundary: int) -> Event:
        return _event(f"boundary {boundary}", customer, self._counts[customer])

    def _row(self, customer: bytes) -> Row:
        offset, boundary = self._seen[customer]
        payload = struct.pack("<Q", self._counts[customer])
        return Row(customer, partition_row(payload, offset=offset, boundary=boundary))

    def _clock_row(self) -> Row:
        clock = self.clock
        payload = struct.pack("<Qii", clock.digest, clock.begun, clock.finished)
        return Row(CLOCK_KEY, partition_row(payload, offset=clock.offset, boundary=clock.finished))


class Event(NamedTuple):
    """Output of a counting ledger; its event time is the count."""

    customer: bytes
    value: bytes
    identity: str
    at: int


def _event(kind: str, customer: bytes, count: int) -> Event:
    value = f"{kind} {customer.decode()} {count}".encode()
    return Event(customer, value, blake2b(value, digest_size=16).hexdigest(), count)


def _outputs(events: list[Event]) -> Outputs:
    """The events of a step, in one block."""
    if not events:
        return Outputs()
    return Outputs(
        [EventBlock("segment-changes", (), *(list(column) for column in zip(*events, strict=True)))]
    )
