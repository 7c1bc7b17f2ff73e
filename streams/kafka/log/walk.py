"""Walk over the batches of a fetched log from a due offset on, which never skips an offset silently.

Every offset from the due one on is accounted for in one of four ways: by a record; by a batch that states
that it has none there (a transaction marker, an aborted transaction, records removed by compaction); by a
`BrokenBatch`; or by a `Lost` range. Header fields that the CRC does not cover are checked against the
neighbouring batches: if the next batch does not begin where this one ends, one of the two has a wrong header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka.record.control_record import ABORT_MARKER, ControlRecord

from streams.errors import LogUnreadableError
from streams.kafka.log.batches import (
    NO_TIME,
    BrokenBatch,
    LogBatch,
    Undecodable,
    beginning,
    damage,
    records_of,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition

FIRST_SANE_MS: Final = 946_684_800_000
LAST_SANE_MS: Final = 4_102_444_800_000
"""Range of credible timestamps, the years 2000 to 2100. A timestamp outside it is ignored."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Broker's answer to one fetch."""

    data: bytes
    """Batches, the last of which may be cut off."""
    end: int
    """Offset after the last readable one (the last stable offset)."""
    aborted: Sequence[tuple[int, int]] = ()
    """Producer id and first offset of each aborted transaction in `data`."""
    start: int = 0
    """First offset of the log; -1 if the broker does not report it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Range of offsets about which nothing is known."""

    first: int
    last: int | None
    """Last lost offset; None if the extent is unknown."""
    reason: str
    """Reason for the loss, as the end of a sentence."""


@dataclass(slots=True)
class Walked:
    """Result of a walk."""

    following: int
    """Next due offset."""
    records: list[Any] = field(default_factory=list)
    """Records in order of offset. The last of them may be a `BrokenBatch`."""
    lost: Lost | None = None
    """Loss that begins at `following`, if it ended the walk."""
    more: bool = False
    """True if more bytes are needed to identify the fault at `following`."""
    doubtful: bool = False
    """True if another fetch may give another result: the walk was not ended by a batch with a right
    checksum."""

    @property
    def broken(self) -> BrokenBatch | None:
        """Broken batch that ended the walk, if one did."""
        last = self.records[-1] if self.records else None
        return last if isinstance(last, BrokenBatch) else None


def unreadable(place: TopicPartition, lost: Lost, remedy: str = "") -> LogUnreadableError:
    """Make the error for a lost range of a log; `remedy` is a sentence on how to continue."""
    until = "on" if lost.last is None else f"to {lost.last}"
    name = f"{place.topic}[{place.partition}]"
    said = f"{name} cannot be read from offset {lost.first} {until}: {lost.reason}."
    error = LogUnreadableError(f"{said} {remedy}".rstrip())
    error.place = place
    return error


def walk(place: TopicPartition, due: int, fetched: Fetched, most: int) -> Walked:
    """Account for the offsets from `due` on, batch by batch.

    The walk ends at the end of the bytes, after `most` records, or after the first broken batch. The bytes
    after a broken batch are fetched anew.

    Args:
        place: Topic and partition of the bytes.
        due: First offset of which no record was read yet.
        fetched: Answer to a fetch of `due`, or of an offset shortly before `due`.
        most: Number of records after which the walk ends, at the end of a batch.

    Raises:
        CodecMissingError: The library of a batch's codec is not installed.
    """
    return _Walk(place, due, fetched).run(most)


class _Walk:
    def __init__(self, place: TopicPartition, due: int, fetched: Fetched) -> None:
        self._place = place
        self._batches, rest = split(fetched.data)
        self._rest, self._beginning = rest, beginning(rest)
        self._end = fetched.end
        self._aborted = sorted(fetched.aborted, key=lambda transaction: transaction[1])
        self._walked = Walked(due)

    def run(self, most: int) -> Walked:
        walked, anchored = self._walked, False
        for at, batch in enumerate(self._batches):
            due = walked.following
            if not anchored and batch.last < due and batch.intact:
                self._note(batch)
                anchored = batch.last + 1 == due
                continue  # the fetch began before the due offset
            within = batch.base <= due <= batch.last if not anchored else batch.base == due <= batch.last
            behind = self._batches[at + 1] if at + 1 < len(self._batches) else None
            following = self._following(batch, behind)
            # A batch beyond the readable end is impossible, even with a right checksum.
            fits = batch.intact and due <= batch.last < self._end and (within or batch.wrapper)
            if fits and following is not None and self._lies(at, batch, following):
                said = f"its header says that it ends at offset {batch.last}, where {following - 1} has to be"
                self._break(batch, min(batch.base, due), following - 1, said)
            elif fits and not self._moved(batch, following):
                self._take(batch)
            elif following == due and not anchored:
                continue  # a damaged batch that an earlier walk accounted for
            else:
                self._settle(batch, behind, following)
            anchored = True
            if walked.lost or walked.more or walked.broken or len(walked.records) >= most:
                return walked
        if walked.following < self._end and self._rest and not (self._batches or walked.records):
            walked.lost = Lost(walked.following, None, "the length of the batch there cannot be right")
        return walked

    def _take(self, batch: LogBatch) -> None:
        """Take the records of a batch that is where it should be."""
        walked, due = self._walked, self._walked.following
        try:
            aborted = self._note(batch)
            records = [] if batch.control or aborted else records_of(batch, self._place)
        except Undecodable as verdict:
            self._break(batch, min(batch.base, due), batch.last, str(verdict))
            return
        walked.records += [record for record in records if record.offset >= due]
        walked.following = batch.last + 1

    def _following(self, batch: LogBatch, behind: LogBatch | None) -> int | None:
        """Return the offset at which the next batch claims to begin, or the log ends, or None."""
        if behind is not None:
            return None if behind.wrapper else behind.base
        if self._rest:
            return self._beginning
        return self._end if self._ends_here(batch) else None

    def _ends_here(self, batch: LogBatch) -> bool:
        """Return True if the batch can be the last: it ends with the log, or would from the due offset."""
        due = self._walked.following
        beyond = batch.intact and batch.base > due and self._end - 1 - due == batch.last - batch.base
        return batch.last + 1 == self._end or beyond

    def _moved(self, batch: LogBatch, following: int | None) -> bool:
        """Return True if a batch has as many offsets as are missing, but claims that they are others."""
        due = self._walked.following
        return (
            following is not None
            and not batch.wrapper
            and batch.base != due
            and following != batch.last + 1
            and following > due
            and following - 1 - due == batch.last - batch.base
        )

    def _lies(self, at: int, batch: LogBatch, following: int) -> bool:
        """Return True if a batch claims to reach into the next one, whose own place is confirmed.

        The batch after the next one, or the end of the log, confirms that place.
        """
        if not self._walked.following < following <= batch.last or at + 1 >= len(self._batches):
            return False
        behind = self._batches[at + 1]
        after = self._batches[at + 2].base if at + 2 < len(self._batches) else self._end
        return behind.intact and behind.last + 1 == after

    def _settle(self, batch: LogBatch, behind: LogBatch | None, following: int | None) -> None:
        """Record the verdict on a batch that is damaged, or not where it should be."""
        walked, due = self._walked, self._walked.following
        walked.doubtful = True
        if following is None and behind is None and batch.last + 1 != self._end:
            walked.more = True
            walked.lost = Lost(due, None, self._unplaced(batch))
        elif not batch.intact:
            if self._believable(batch, behind, following):
                first = batch.base if 0 <= batch.base <= due else due
                self._break(batch, first, batch.last if following is None else following - 1, damage(batch))
            else:
                walked.lost = Lost(due, None, f"{damage(batch)}, and its length cannot be believed")
        elif self._moved(batch, following) and following is not None:
            said = f"its header says that it begins at offset {batch.base}, where {due} has to be"
            self._break(batch, due, following - 1, said)
        elif batch.base > due and following in (None, batch.last + 1):
            walked.lost = Lost(due, batch.base - 1, "the log does not hold them")
        else:
            walked.lost = Lost(due, None, self._unplaced(batch))

    def _believable(self, batch: LogBatch, behind: LogBatch | None, following: int | None) -> bool:
        """Return True if a damaged batch is known to end where the next begins.

        Either both batches claim so, or the next one is intact.
        """
        due = self._walked.following
        if following is None:  # the next is a wrapper, which contains only its last offset
            return behind is not None and behind.intact and due <= batch.last < behind.last
        if not due < following <= self._end:
            return False
        return following == batch.last + 1 or (behind is not None and behind.intact)

    @staticmethod
    def _unplaced(batch: LogBatch) -> str:
        return f"the batch there says that it holds offsets {batch.base} to {batch.last}, which cannot be"

    def _break(self, batch: LogBatch, first: int, last: int, reason: str) -> None:
        sane = batch.intact and FIRST_SANE_MS <= batch.timestamp <= LAST_SANE_MS
        place = self._place
        self._walked.records.append(
            BrokenBatch(
                place.topic,
                place.partition,
                first,
                last,
                batch.data,
                reason,
                timestamp=batch.timestamp if sane else NO_TIME,
                timestamp_type=int(batch.append_time) if sane else 0,
            )
        )
        self._walked.following = last + 1

    def _note(self, batch: LogBatch) -> bool:
        """Note the end of a transaction; return True for a batch whose transaction was aborted.

        Raises:
            Undecodable: The batch is the end of a transaction, and cannot be read.
        """
        if batch.control:
            records = records_of(batch, self._place)
            try:
                aborts = ControlRecord.parse(records[0].key) == ABORT_MARKER
            except (IndexError, TypeError, struct.error) as error:
                raise Undecodable("it ends a transaction, and does not say how") from error
            if aborts:
                self._aborted = [
                    (producer, first)
                    for producer, first in self._aborted
                    if producer != batch.producer or first > batch.base
                ]
            return False
        return batch.transactional and any(
            producer == batch.producer and first <= batch.base for producer, first in self._aborted
        )
