"""One partition's log as a broker keeps it: record batches whole, markers, holes, what a reader may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import InvalidProducerEpoch, OffsetOutOfRangeError, OutOfOrderSequenceNumber

from streams.kafka.log.walk import Fetched as Bytes
from tests.support.kafka.fake_kafka import Record
from tests.support.kafka.raw_batches import ABORT, COMMIT, held, marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition

RECENT = 5
"""Batches of a producer whose repetition a broker recognises."""


class Content(NamedTuple):
    """A record before it has an offset."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Producer(NamedTuple):
    """Who sent a batch, and which of its batches it is."""

    number: int
    epoch: int
    sequence: int
    transactional: bool = False


@dataclass(slots=True)
class Batch:
    """A record batch of the log."""

    base: int
    end: int
    records: list[Record]
    at: float
    producer: int | None = None
    """Whose transaction it belongs to, if any."""
    state: str = "committed"
    """`open`, `committed`, `aborted`, or `marker`."""
    aborts: bool = False
    """Of a marker: whether it ends its producer's transaction by aborting it."""


@dataclass(slots=True)
class Sequence_:  # noqa: N801 - the name without it is typing's
    """What a broker remembers of one producer in one partition."""

    epoch: int
    last: int = -1
    bases: dict[int, int] = field(default_factory=dict)


class Fetched(NamedTuple):
    """Answer to a fetch."""

    records: list[Record]
    following: int
    highwater: int
    stable: int


class Log:
    """A partition."""

    def __init__(self, partition: TopicPartition) -> None:
        self.partition = partition
        self.batches: list[Batch] = []
        self.start = self.end = 0
        self._open: dict[int, int] = {}
        self._producers: dict[int, Sequence_] = {}

    @property
    def stable(self) -> int:
        """The last stable offset: where the first transaction begins that is still open."""
        return min(self._open.values(), default=self.end)

    def append(
        self, contents: Sequence[Content], at: float, producer: Producer | None = None
    ) -> tuple[int, bool]:
        """Append a batch whole; the answer is its base offset, and whether it is new.

        Raises:
            InvalidProducerEpoch: a newer producer of that name has been here.
            OutOfOrderSequenceNumber: a batch in between is missing.
        """
        if producer is not None:
            known = self._producers.get(producer.number)
            if known is None or known.epoch < producer.epoch:
                known = self._producers[producer.number] = Sequence_(producer.epoch)
            if known.epoch > producer.epoch:
                raise InvalidProducerEpoch
            if producer.sequence in known.bases:
                return known.bases[producer.sequence], False
            if producer.sequence != known.last + 1:
                raise OutOfOrderSequenceNumber
            known.last = producer.sequence
            known.bases[producer.sequence] = self.end
            known.bases.pop(producer.sequence - RECENT, None)
        base = self.end
        topic, number = self.partition
        stamp = int(at * 1_000)
        records = [
            Record(topic, number, base + index, key, value, headers, stamp)
            for index, (key, value, headers) in enumerate(contents)
        ]
        self.end = base + len(records)
        batch = Batch(base, self.end, records, at)
        if producer is not None and producer.transactional:
            batch.producer, batch.state = producer.number, "open"
            self._open.setdefault(producer.number, base)
        self.batches.append(batch)
        return base, True

    def mark(self, producer: int, epoch: int, at: float, *, commit: bool) -> None:
        """End a transaction: the marker takes an offset; the epoch that it carries fences older ones."""
        for batch in self.batches:
            if batch.producer == producer and batch.state == "open":
                batch.state = "committed" if commit else "aborted"
        self._open.pop(producer, None)
        known = self._producers.get(producer)
        if known is None or known.epoch < epoch:
            self._producers[producer] = Sequence_(epoch)
        ended = Batch(self.end, self.end + 1, [], at, producer, "marker", aborts=not commit)
        self.batches.append(ended)
        self.end += 1

    def read(self, start: int, most: int, *, committed: bool) -> Fetched:
        """Records from an offset on.

        Raises:
            OffsetOutOfRangeError: there is no such offset.
        """
        if not self.start <= start <= self.end:
            raise OffsetOutOfRangeError({self.partition: start})
        limit = self.stable if committed else self.end
        found: list[Record] = []
        first = len(self.batches)
        while first and self.batches[first - 1].end > start:
            first -= 1
        for batch in self.batches[first:]:
            if batch.base >= limit:
                break
            if committed and batch.state == "aborted":
                continue
            for record in batch.records:
                if record.offset >= start:
                    found.append(record)
                    if len(found) == most:
                        return Fetched(found, record.offset + 1, self.end, self.stable)
        return Fetched(found, max(start, limit), self.end, self.stable)

    def fetch(self, start: int, *, committed: bool) -> Bytes:
        """The bytes of batches from an offset on, aborted ones and markers included.

        Raises:
            OffsetOutOfRangeError: there is no such offset.
        """
        if not self.start <= start <= self.end:
            raise OffsetOutOfRangeError({self.partition: start})
        limit = self.stable if committed else self.end
        batches = [batch for batch in self.batches if batch.end > start and batch.base < limit]
        pieces = [
            marker(batch.base, ABORT if batch.aborts else COMMIT, producer=batch.producer or 0)
            if batch.state == "marker"
            else held(
                batch.base,
                batch.end - 1,
                batch.records,
                producer=-1 if batch.producer is None else batch.producer,
                transactional=batch.producer is not None,
            )
            for batch in batches
        ]
        aborted = [
            (batch.producer or 0, batch.base) for batch in batches if committed and batch.state == "aborted"
        ]
        return Bytes(b"".join(pieces), limit, tuple(aborted), self.start)

    def compact(self, before: float) -> None:
        """Keep the last of every key among the stable records older than a moment."""
        seen: set[bytes | None] = set()
        old = [batch for batch in self.batches if batch.at < before and batch.end <= self.stable]
        for batch in reversed(old):
            kept = []
            for record in reversed(batch.records):
                if batch.state == "committed" and record.key not in seen:
                    seen.add(record.key)
                    kept.append(record)
            batch.records = kept[::-1]
        self.batches = [batch for batch in self.batches if batch.records or batch not in old]

    def visible(self) -> list[Record]:
        """All that a read-committed reader gets."""
        return self.read(self.start, 1_000_000_000, committed=True).records
