"""Recovery of one partition: its ledger from the changelog, its position in the source, and whether both fit.

The position is the one in the clock row, whatever the group has committed: state and position are written as
one record batch, and the commit comes after it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from aiokafka.errors import OffsetOutOfRangeError

from streams.changelog import Greatest
from streams.errors import SourceJumped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiokafka.structs import TopicPartition

    from models.changes import Row
    from streams.ports import ClockRow, LedgerLike

POLL_MS = 100
"""How long one poll of an empty partition may take before it is asked again."""

RECORDS_AT_ONCE = 20_000
"""Rows between two looks at whether the partition is still ours: about 60 ms of work."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A ledger as its changelog has it."""

    ledger: LedgerLike
    base: int
    """Where in the changelog the next rows have to land, if nobody else writes to it."""
    corrections: tuple[list[Row], ...] = ()
    """Rows whose greatest is not the last, to be written again before anything else, in runs."""
    read: int = 0
    """How many rows were read."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A ledger that was clean when its partition was revoked, in case it comes back."""

    ledger: LedgerLike
    base: int
    """Everything before this changelog offset is in the ledger."""


async def log_start(reader: Any, partition: TopicPartition, *, holes: bool) -> int:
    """The first offset of a log.

    Where logs have no holes, nothing is ever removed from their front either: they begin at 0. The embedded
    broker, asked while two producers write a partition's first batches, may name the second of them.
    """
    return int((await reader.beginning_offsets([partition]))[partition]) if holes else 0


async def recover(
    reader: Any,
    changelog: TopicPartition,
    make: Callable[[], LedgerLike],
    kept: Kept | None,
    *,
    holes: bool = True,
) -> Recovered:
    """Read the changelog to its end, or only its tail where a kept ledger knows the rest.

    Args:
        reader: a started aiokafka consumer without a group, with `auto_offset_reset="none"`.
        changelog: the partition of the changelog.
        make: makes a new ledger.
        kept: what was kept at the last revocation; of no use once somebody else has written.
        holes: whether the broker's logs may have offsets that hold no record (`Connections.holes`).

    Raises:
        ChangelogUnreadable: a record is no row.
    """
    start = await log_start(reader, changelog, holes=holes)
    if kept is not None and kept.base >= start and not await _written_since(reader, changelog, kept.base):
        return Recovered(kept.ledger, await reader.position(changelog))
    greatest, read = Greatest(), 0
    async for records in read_to_end(reader, changelog, start):
        greatest.take(records)
        read += len(records)
    base = await reader.position(changelog)
    ledger = make()
    if greatest.rows:
        # Pure work of up to seconds: in a thread, so that heartbeats and other partitions go on.
        await asyncio.to_thread(ledger.load, greatest.rows.items())
    return Recovered(ledger, base, tuple(greatest.corrections()), read)


async def _written_since(reader: Any, changelog: TopicPartition, base: int) -> bool:
    try:
        async for records in read_to_end(reader, changelog, base):
            if records:
                return True
    except OffsetOutOfRangeError:  # it was made anew
        return True
    return False


async def read_to_end(reader: Any, partition: TopicPartition, start: int) -> AsyncIterator[list[Any]]:
    """Records from `start` to the high watermark of the first fetch.

    `end_offsets` is not asked: the embedded broker answers with the base offset of the last batch, plus one.
    """
    reader.assign([partition])
    reader.seek(partition, start)
    end: int | None = None
    while end is None or await reader.position(partition) < end:
        fetched = await reader.getmany(partition, timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE)
        if end is None:
            end = reader.highwater(partition)
        if fetched:
            yield fetched[partition]


async def check_source(
    reader: Any,
    source: TopicPartition,
    clock: ClockRow,
    *,
    committed: int | None,
    accept_gap: bool,
    holes: bool = True,
) -> int:
    """Whether the source can be taken up where the clock row says; the answer is the offset to begin at.

    Args:
        reader: a started aiokafka consumer without a group.
        source: the partition of `purchases`.
        clock: the clock row of its ledger.
        committed: what the group has committed, if anything.
        accept_gap: go on behind purchases that are gone.
        holes: whether the broker's logs may have offsets that hold no record.

    Raises:
        SourceJumped: purchases are gone, the log is another one, or the changelog is behind the group.
    """
    following = clock.offset + 1
    name = f"{source.topic}[{source.partition}]"
    start = await log_start(reader, source, holes=holes)
    # Whoever begins at the start of a log commits it before the first clock row is written.
    if committed is not None and committed > max(following, start) and not accept_gap:
        raise SourceJumped(
            f"{name}: the group has committed offset {committed}, but the changelog only knows of "
            f"{following} records: {committed - following} of its steps are gone. `cartpulse reset` "
            "starts anew from the log; `--accept-gap` goes on from what the changelog knows."
        )
    if following < start:
        if clock.offset < 0 or accept_gap:
            return int(start)
        raise SourceJumped(
            f"{name}: the log begins at offset {start}, and {start - following} purchases from {following} "
            "on are gone unread. `--accept-gap` goes on behind them; `cartpulse reset` starts anew."
        )
    if clock.offset < start:
        return following
    reader.assign([source])
    reader.seek(source, clock.offset)
    try:
        record = await _first(reader, source)
    except OffsetOutOfRangeError:
        record, end = None, -1
    else:
        end = reader.highwater(source)
    if end < following:
        raise SourceJumped(
            f"{name}: the state knows {following} records, and the log ends before that: it was made anew or "
            "cut. `cartpulse reset` starts anew from this log."
        )
    if record is not None and record.offset == clock.offset and digest(record.value) != clock.digest:
        raise SourceJumped(
            f"{name}: the record at offset {clock.offset} is not the one that was applied: this is another "
            "log. `cartpulse reset` starts anew from it."
        )
    return following


async def _first(reader: Any, partition: TopicPartition) -> Any:
    """The first record at or behind the reader's position; None if there is none up to the end."""
    while True:
        fetched = await reader.getmany(partition, timeout_ms=POLL_MS, max_records=1)
        if fetched:
            return fetched[partition][0]
        end = reader.highwater(partition)
        if end is not None and await reader.position(partition) >= end:
            return None


def digest(value: bytes | None) -> int:
    """64-bit BLAKE2b of a raw record, as the clock row keeps it."""
    return int.from_bytes(blake2b(value or b"", digest_size=8).digest(), "little")
