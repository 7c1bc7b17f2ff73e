"""Recovery of one partition: its ledger from the changelog, its position in the source, and whether both fit.

The position is the one in the clock row, whatever the group has committed: state and position are written as
one record batch, and the commit comes after it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from aiokafka.errors import OffsetOutOfRangeError

from models.contracts.changes import Row
from models.memory.rows import CLOCK_KEY
from streams.changelog.rows import LatestRows, Witness, runs_of
from streams.errors import ChangelogUnreadable, LogUnreadable, SourceJumped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiokafka.structs import TopicPartition

    from streams.flow import ClockLike, LedgerLike

log = logging.getLogger(__name__)

POLL_MS = 100
"""How long one poll of an empty partition may take before it is asked again."""

RECORDS_AT_ONCE = 20_000
"""Rows between two looks at whether the partition is still ours: about 60 ms of work."""


class Unfit(Exception):  # noqa: N818 - nothing is wrong but what was kept
    """A ledger that was kept or stored does not fit the changelog; the message says why."""


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
    witness: Witness | None = None
    """The last row before `base`; None where there is none."""
    origin: str = ""
    """What the ledger was made from besides the rows read; empty if nothing."""


@dataclass(frozen=True, slots=True)
class PositionedLedger:
    """A ledger that knows its changelog up to a place, and goes on from there.

    Its place is one of which this is true: every row before `base` is in the ledger. A worker knows that of
    its own rows, because they landed where it expected them, and of those before, because it read them.
    What the ledger holds beyond its place has to be acknowledged too: the rows of it then lie behind, and are
    read again.
    """

    ledger: LedgerLike
    base: int
    """Everything before this changelog offset is in the ledger."""
    witness: Witness | None = None
    """The last row before that; without one the ledger is of no use."""
    wrong: frozenset[bytes] = frozenset()
    """Keys whose last row before `base` is not the greatest."""
    live: bool = False
    """Whether it was at work, and can go on as it is when nothing was written since."""
    origin: str = "a ledger kept from before"


async def log_start(reader: Any, partition: TopicPartition, *, holes: bool) -> int:
    """The first offset of a log.

    Where logs have no holes, nothing is ever removed from their front either: they begin at 0. The embedded
    broker, asked while two producers write a partition's first batches, may name the second of them.
    """
    if not holes:
        return 0
    # A new leader's high watermark may be behind for a moment, and a fetch takes it for the end. Asked for
    # the end of the log it answers only when it has caught up (KIP-207): then fetches can be believed.
    await reader.end_offsets([partition])
    return int((await reader.beginning_offsets([partition]))[partition])


async def recover(
    reader: Any,
    changelog: TopicPartition,
    make: Callable[[], LedgerLike],
    kept: PositionedLedger | None,
    *,
    stored: Callable[[], Awaitable[PositionedLedger | None]] | None = None,
    holes: bool = True,
) -> Recovered:
    """Read the changelog's tail on top of a ledger that knows the rest, or all of it where there is none.

    Args:
        reader: a started aiokafka consumer without a group, with `auto_offset_reset="none"`.
        changelog: the partition of the changelog.
        make: makes a new ledger.
        kept: what was kept at the last revocation, or by a standby.
        stored: takes up a checkpoint; asked where nothing was kept, or what was kept does not fit.
        holes: whether the broker's logs may have offsets that hold no record (`Connections.holes`).

    Raises:
        ChangelogUnreadable: a record is no row.
    """
    recovered = None if kept is None else await _tried(reader, changelog, kept)
    if recovered is None and stored is not None and (checkpoint := await stored()) is not None:
        recovered = await _tried(reader, changelog, checkpoint)
    return recovered or await _read_all(reader, changelog, make, holes=holes)


async def _tried(reader: Any, changelog: TopicPartition, kept: PositionedLedger) -> Recovered | None:
    try:
        return await _go_on(reader, changelog, kept)
    except Unfit as reason:
        log.warning(
            "%s[%d]: %s is thrown away, and the whole changelog read: %s",
            changelog.topic,
            changelog.partition,
            kept.origin,
            reason,
        )
        return None


async def _go_on(reader: Any, changelog: TopicPartition, kept: PositionedLedger) -> Recovered:
    """Take what was written since on top of a ledger.

    Raises:
        Unfit: this changelog is not the one that the ledger knows, or lost what the ledger knows.
    """
    if kept.witness is None:
        raise Unfit("no row is known by which the changelog could be told")
    greatest, read = LatestRows(), -1
    try:
        async for records in read_to_end(reader, changelog, kept.witness.offset):
            if read < 0 and Witness.of(records[0].offset, records[0].key, records[0].value) != kept.witness:
                raise Unfit(
                    f"the row that it knows at offset {kept.witness.offset} is not there: it was compacted "
                    "away, or the topic was made anew"
                )
            greatest.take(records)
            read += len(records)
        base = await reader.position(changelog)
        if read < 0 or base < kept.base:
            raise Unfit(f"the changelog ends at offset {base}, before its place {kept.base}")
        if CLOCK_KEY not in greatest.rows:
            raise Unfit("no clock row is left in the changelog to compare with")
        # Pure work of up to seconds: in a thread, so that heartbeats and other partitions go on.
        wrong = await asyncio.to_thread(_take, kept, greatest)
    except OffsetOutOfRangeError:
        raise Unfit(f"the changelog does not hold its place {kept.base} any more") from None
    except (ChangelogUnreadable, LogUnreadable, ValueError) as error:
        raise Unfit(str(error)) from error
    return Recovered(kept.ledger, base, tuple(runs_of(wrong)), read, greatest.last, kept.origin)


def _take(kept: PositionedLedger, greatest: LatestRows) -> list[Row]:
    """Put the tail's rows into a ledger; the answer is what has to be written again."""
    if kept.live and not kept.wrong and greatest.last == kept.witness:
        return []  # nothing was written since, and the ledger stands where it stood
    older = kept.ledger.take(greatest.rows.items())
    if CLOCK_KEY in older:
        raise Unfit("it is ahead of the changelog, which lost rows that were acknowledged")
    kept.ledger.settle()
    wrong = (kept.wrong - greatest.rows.keys()) | greatest.corrected | set(older)
    rows = kept.ledger.rows_of(wrong)
    unknown = wrong - {row.key for row in rows}
    if not unknown <= greatest.rows.keys():
        raise Unfit("an erased customer's tombstone has to be written again, and lies before its place")
    return rows + [Row(key, greatest.rows[key]) for key in sorted(unknown)]


async def _read_all(
    reader: Any, changelog: TopicPartition, make: Callable[[], LedgerLike], *, holes: bool
) -> Recovered:
    greatest, read = LatestRows(), 0
    try:
        async for records in read_to_end(reader, changelog, await log_start(reader, changelog, holes=holes)):
            greatest.take(records)
            read += len(records)
    except LogUnreadable as error:
        raise ChangelogUnreadable(
            f"{error} Bring the changelog back from a copy, or make the state anew from the log: "
            "`cartpulse reset`."
        ) from error
    base = await reader.position(changelog)
    ledger = make()
    if greatest.rows:
        await asyncio.to_thread(ledger.load, greatest.rows.items())
    return Recovered(ledger, base, tuple(greatest.corrections()), read, greatest.last)


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
    clock: ClockLike,
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
    except (
        LogUnreadable
    ):  # the record cannot be compared; what is wrong with the log shows when it is read on
        record, end = None, max(reader.highwater(source) or 0, following)
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
