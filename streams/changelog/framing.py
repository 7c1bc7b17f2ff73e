"""Conversion of rows to record batches and back."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from models.contracts.changes import Row
from models.memory.rows import (
    CLOCK_KEY,
    EarlierFormatError,
    LaterFormatError,
    RowError,
    customer_of,
    header,
    is_erased,
    rank_of,
    row_of_tombstone,
)
from streams.errors import ChangelogUnreadableError, NewerRowsError
from streams.kafka.log.batches import BrokenBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RANK = "rank"
"""Record header of a tombstone: its rank (source offset, boundary), by which the greatest row of a key is
found."""

ROWS_PER_BATCH_BYTES = 6 * 1024 * 1024
"""Most bytes of rows in one batch. A ledger cuts its steps so that their rows stay below this limit;
corrected rows are cut the same way."""


class Witness(NamedTuple):
    """Row that identifies a changelog, by its offset and its content."""

    offset: int
    digest: int
    """64-bit BLAKE2b of key and value."""

    @classmethod
    def of(cls, offset: int, key: bytes | None, value: bytes | None) -> Witness:
        """Make a witness of the row at an offset.

        The digest is no CRC: a row ends with its own CRC, and the CRC of any data followed by the data's CRC
        is constant.
        """
        content = b"%d:%b%b" % (len(key or b""), key or b"", value or b"")
        return cls(offset, int.from_bytes(blake2b(content, digest_size=8).digest(), "little"))


def fill(builder: Any, rows: Sequence[Row], timestamp: int) -> Any:
    """Write all rows into one record batch and close it: a broker appends a batch whole or not at all.

    An open batch would be held back for the producer's linger time, and could grow.

    Args:
        builder: New `BatchBuilder` of the producer that will send the batch.
        rows: Changed rows, the clock row last.
        timestamp: Wall time, ms since 1970 UTC; compaction keeps rows until a day after that.

    Raises:
        ValueError: The rows do not fit into one batch, which is a fault of the ledger.
    """
    for row in rows:
        taken = builder.append(timestamp=timestamp, key=row.key, value=row.value)
        if taken is not None and _leaves_a_tombstone(row):
            rank = [(RANK, rank_of(row.value))]
            taken = builder.append(timestamp=timestamp, key=row.key, value=None, headers=rank)
        if taken is None:
            size = sum(len(row.key) + len(row.value) for row in rows)
            raise ValueError(f"{len(rows)} rows of {size} bytes do not fit into one record batch")
    builder.close()
    return builder


def records_of(rows: Sequence[Row]) -> int:
    """Return the number of records that `fill` makes.

    Each row is one record; an erased customer's row is followed by a tombstone.
    """
    return len(rows) + sum(map(_leaves_a_tombstone, rows))


def _leaves_a_tombstone(row: Row) -> bool:
    return customer_of(row.key) is not None and is_erased(row.value)


class LatestRows:
    """Greatest row of every key of one changelog, by (source offset, boundary).

    The last row may be an older one.

    A worker that lost its partition may still have had rows under way, which land after rows of its
    successor. Such rows are correct rows of an older state, so the greatest row wins. A key whose last row is
    not its greatest is stored in `corrected`: compaction would keep the wrong row, so the greatest must be
    written again.

    A tombstone is treated as a row: the erased customer's, with the rank that the tombstone's header carries.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.corrected: set[bytes] = set()
        self._ranks: dict[bytes, tuple[int, int]] = {}
        self._last: Any = None

    def take(self, records: Iterable[Any]) -> None:
        """Take consumer records of aiokafka, in the order of the log.

        Raises:
            NewerRowsError: A record is a row of a later release.
            ChangelogUnreadableError: A record is no ledger row.
        """
        rows, ranks, corrected = self.rows, self._ranks, self.corrected
        record = None
        for record in records:
            # Read the record's rank. A record that is no readable row makes the whole changelog unreadable.
            key, value = record.key, record.value
            if isinstance(record, BrokenBatch):
                raise undecodable(record)
            try:
                if key is None or value is None:
                    value = _erased_by(record)
                _, offset, boundary, _ = header(value)
            except LaterFormatError as error:
                raise NewerRowsError(
                    f"{record.topic}[{record.partition}] holds at offset {record.offset} {error}. Start that "
                    "release: this worker has written nothing."
                ) from error
            except EarlierFormatError as error:
                raise ChangelogUnreadableError(
                    f"{record.topic}[{record.partition}] holds at offset {record.offset} {error}."
                ) from error
            except RowError as error:
                raise ChangelogUnreadableError(
                    f"{record.topic}[{record.partition}] holds at offset {record.offset} what is no row of "
                    f"Cartpulse's ({error}): another program writes to this topic."
                ) from error
            # Keep the record if its rank is not below the known one. Otherwise its key must be written again.
            rank = (offset, boundary)
            known = ranks.get(key)
            if known is not None and known > rank:
                corrected.add(key)
                continue
            if corrected:
                corrected.discard(key)
            rows[key] = value
            ranks[key] = rank
        self._last = record or self._last

    @property
    def last(self) -> Witness | None:
        """Witness of the last record taken; None before the first."""
        record = self._last
        return None if record is None else Witness.of(record.offset, record.key, record.value)

    def corrections(self) -> Iterator[list[Row]]:
        """Yield the rows to write again, in runs that fit a record batch, the clock row last."""
        return runs_of(Row(key, self.rows[key]) for key in self.corrected)


def undecodable(broken: BrokenBatch) -> ChangelogUnreadableError:
    """Make the error for a changelog with a batch that cannot be decoded."""
    return ChangelogUnreadableError(
        f"{broken.topic}[{broken.partition}] holds at offset {broken.first_offset} to {broken.offset} a "
        f"batch that cannot be decoded: {broken.reason}. Bring the changelog back from a copy, or make the "
        "state anew from the log: `cartpulse reset`."
    )


def row_of(record: Any) -> bytes:
    """Return the row that a changelog record holds, or for which the record stands as a tombstone.

    Raises:
        RowError: The record is a tombstone of another program.
    """
    return _erased_by(record) if record.value is None else bytes(record.value)


def _erased_by(tombstone: Any) -> bytes:
    """Return the row for which a tombstone of Cartpulse stands.

    Raises:
        RowError: The record has no key, or no rank, so it is another program's.
    """
    if tombstone.key is None:
        raise RowError("a record without a key")
    rank = dict(tombstone.headers).get(RANK)
    if rank is None:
        raise RowError("a tombstone without a rank")
    return row_of_tombstone(rank)


def runs_of(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows in runs that fit a record batch, ordered by key, the clock row last."""
    run: list[Row] = []
    size = 0
    for row in sorted(rows, key=lambda row: (row.key == CLOCK_KEY, row.key)):
        if run and size + len(row.key) + len(row.value) > ROWS_PER_BATCH_BYTES:
            yield run
            run, size = [], 0
        run.append(row)
        size += len(row.key) + len(row.value)
    if run:
        yield run
