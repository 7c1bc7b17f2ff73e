"""Recovery of one partition: its ledger from the changelog, its source position, and a check that both fit.

The position is taken from the clock row, whatever the group has committed: state and position are written as
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
from streams.changelog.framing import LatestRows, Witness, runs_of
from streams.errors import ChangelogUnreadableError, LogUnreadableError, SourceJumpedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiokafka.structs import TopicPartition

    from streams.flow import ClockLike, LedgerLike

log = logging.getLogger(__name__)

POLL_MS = 100
"""Most ms that one poll of an empty partition waits."""

RECORDS_AT_ONCE = 20_000
"""Rows between two checks that the partition is still ours: about 60 ms of work."""


class Unfit(Exception):  # noqa: N818 - nothing is wrong except the saved ledger
    """Saved ledger that does not fit the changelog; the message says why."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """Ledger recovered from its changelog."""

    ledger: LedgerLike
    base: int
    """Changelog offset at which the next rows must land, if nobody else writes to the changelog."""
    corrections: tuple[list[Row], ...] = ()
    """Rows to be written again before anything else, in runs: for their keys the greatest row is not the
    last."""
    read: int = 0
    """Number of rows read."""
    witness: Witness | None = None
    """Last row before `base`; None if there is none."""
    origin: str = ""
    """Name of the saved ledger on which the rows were applied; empty if there was none."""


@dataclass(frozen=True, slots=True)
class PositionedLedger:
    """Ledger that holds its changelog up to a place, from which recovery continues.

    Every row before the place, `base`, is in the ledger. For its own rows a worker has proof of that, because
    the rows landed where it expected them. The worker has read the rows before those. Steps that the ledger
    holds beyond its place must be acknowledged too: their rows then lie after the place, and are read again.
    """

    ledger: LedgerLike
    base: int
    """Changelog offset before which every row is in the ledger."""
    witness: Witness | None = None
    """Last row before `base`. A ledger without a witness cannot be used."""
    wrong: frozenset[bytes] = frozenset()
    """Keys whose last row before `base` is not the greatest."""
    live: bool = False
    """True if the ledger was at work, and can continue unchanged if nothing was written since."""
    origin: str = "a ledger kept from before"


async def log_start(reader: Any, partition: TopicPartition, *, holes: bool) -> int:
    """Return the first offset of a log.

    Where logs have no holes, nothing is ever removed from their front either: they begin at 0. The embedded
    broker, asked while two producers write a partition's first batches, may return the offset of the second
    batch.
    """
    if not holes:
        return 0
    # A new leader's high watermark may be behind for a moment, and a fetch would take it for the end of the
    # log. A leader answers a request for the end only when it has caught up (KIP-207). After that answer,
    # fetches are correct.
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
    """Apply the changelog's tail to a saved ledger; read the whole changelog if no saved ledger fits.

    Args:
        reader: Started aiokafka consumer without a group, with `auto_offset_reset="none"`.
        changelog: Partition of the changelog.
        make: Factory of a new ledger.
        kept: Ledger kept at the last revocation, or a standby's copy.
        stored: Loader of the checkpoint, called if nothing was kept or what was kept does not fit.
        holes: True if the broker's logs may have offsets that hold no record (`Connections.holes`).

    Raises:
        ChangelogUnreadableError: A record is no row.
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
    """Apply the rows written since to a saved ledger.

    Raises:
        Unfit: The changelog is not the one of the ledger, or has lost rows that the ledger holds.
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
        # Computing takes up to seconds and has no I/O: a thread lets heartbeats and other partitions
        # continue.
        wrong = await asyncio.to_thread(_take, kept, greatest)
    except OffsetOutOfRangeError:
        raise Unfit(f"the changelog does not hold its place {kept.base} any more") from None
    except (ChangelogUnreadableError, LogUnreadableError, ValueError) as error:
        raise Unfit(str(error)) from error
    return Recovered(kept.ledger, base, tuple(runs_of(wrong)), read, greatest.last, kept.origin)


def _take(kept: PositionedLedger, greatest: LatestRows) -> list[Row]:
    """Apply the tail's rows to a ledger; return the rows that must be written again."""
    if kept.live and not kept.wrong and greatest.last == kept.witness:
        return []  # nothing was written since, and the ledger is unchanged
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
    except LogUnreadableError as error:
        raise ChangelogUnreadableError(
            f"{error} Bring the changelog back from a copy, or make the state anew from the log: "
            "`cartpulse reset`."
        ) from error
    base = await reader.position(changelog)
    ledger = make()
    if greatest.rows:
        await asyncio.to_thread(ledger.load, greatest.rows.items())
    return Recovered(ledger, base, tuple(greatest.corrections()), read, greatest.last)


async def read_to_end(reader: Any, partition: TopicPartition, start: int) -> AsyncIterator[list[Any]]:
    """Yield records from `start` to the high watermark of the first fetch.

    `end_offsets` is not used: the embedded broker answers it with the base offset of the last batch, plus
    one.
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
    """Check that the source can continue where the clock row ends; return the offset to begin at.

    Args:
        reader: Started aiokafka consumer without a group.
        source: Partition of `purchases`.
        clock: Clock row of the partition's ledger.
        committed: Offset that the group has committed, if any.
        accept_gap: True to continue after purchases that are gone.
        holes: True if the broker's logs may have offsets that hold no record.

    Raises:
        SourceJumpedError: Purchases are gone, the log is another one, or the changelog is behind the group's
            commit.
    """
    following = clock.offset + 1
    name = f"{source.topic}[{source.partition}]"
    start = await log_start(reader, source, holes=holes)
    # A new partition whose log begins after 0 commits the start of the log before its first clock row is
    # written. So a commit at the start proves nothing.
    if committed is not None and committed > max(following, start) and not accept_gap:
        raise SourceJumpedError(
            f"{name}: the group has committed offset {committed}, but the changelog only knows of "
            f"{following} records: {committed - following} of its steps are gone. `cartpulse reset` "
            "starts anew from the log; `--accept-gap` goes on from what the changelog knows."
        )
    # Compare with the start of the log: purchases may be gone, or the last applied record may be.
    if following < start:
        if clock.offset < 0 or accept_gap:
            return int(start)
        raise SourceJumpedError(
            f"{name}: the log begins at offset {start}, and {start - following} purchases from {following} "
            "on are gone unread. `--accept-gap` goes on behind them; `cartpulse reset` starts anew."
        )
    if clock.offset < start:
        return following
    # Read the last applied record again, and compare its digest: the log must be the same one.
    reader.assign([source])
    reader.seek(source, clock.offset)
    try:
        record = await _first(reader, source)
    except OffsetOutOfRangeError:
        record, end = None, -1
    except LogUnreadableError:  # the record cannot be compared; later reading reports the damage of the log
        record, end = None, max(reader.highwater(source) or 0, following)
    else:
        end = reader.highwater(source)
    if end < following:
        raise SourceJumpedError(
            f"{name}: the state knows {following} records, and the log ends before that: it was made anew or "
            "cut. `cartpulse reset` starts anew from this log."
        )
    if record is not None and record.offset == clock.offset and digest(record.value) != clock.digest:
        raise SourceJumpedError(
            f"{name}: the record at offset {clock.offset} is not the one that was applied: this is another "
            "log. `cartpulse reset` starts anew from it."
        )
    return following


async def _first(reader: Any, partition: TopicPartition) -> Any:
    """Return the first record at or after the reader's position; None if there is none up to the end."""
    while True:
        fetched = await reader.getmany(partition, timeout_ms=POLL_MS, max_records=1)
        if fetched:
            return fetched[partition][0]
        end = reader.highwater(partition)
        if end is not None and await reader.position(partition) >= end:
            return None


def digest(value: bytes | None) -> int:
    """Return the 64-bit BLAKE2b of a raw record, as stored in the clock row."""
    return int.from_bytes(blake2b(value or b"", digest_size=8).digest(), "little")
