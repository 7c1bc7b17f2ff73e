"""Event time and a partition's clock: late events, records from the future, and moves of the watermark.

The future is measured against the record's timestamp, never against the watermark. A shop that was closed for
a month can go on, one wrong date closes nobody's days, and a log that is read again gives equal results.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.contracts.changes import Refusal
from models.records.columns import UNKNOWN_TIME, Kind
from models.state.calendar import MINUTE
from models.state.clock_row import UNTIL_LIVE_MS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.records.columns import Records
    from models.state.state import State
    from models.state.step import Step

FURTHEST_AHEAD = 10 * MINUTE
"""Largest lead of an event over its record's timestamp, because producers' clocks differ by minutes. With
more, one wrong date could close everybody's days. With less, tills whose clocks are fast would be refused."""

FROM_THE_FUTURE = Refusal(
    offset=-1,
    stage="time",
    error="future",
    field="occurred_at",
    reason="the event is more than ten minutes later than its record's timestamp (the broker's, or where it "
    "keeps none the producer's): correct the date, or the clock of who wrote it, and send it again",
)


def is_late(state: State, days: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) True for the business days of events that come late: days whose boundary has begun.

    A late event counts for spend, segment and visits. Habits, alerts and priors were computed without it and
    stay as they are, so that a replay, which meets the event at the same place of the log, gives the same.
    """
    late: NDArray[np.bool_] = days <= state.clock.begun
    return late


_TICK, _LIVE = int(Kind.TICK), int(Kind.LIVE)


def in_time(step: Step, records: Records, index: int, kind: int, watermark: int | None) -> bool:
    """Return True if a record's event time is plausible; otherwise refuse the record as one from the future.

    On the wall clock, a tick from the future reveals a worker's wrong clock. On the log clock, ticks may move
    time as far as their source wants. A `live` record may announce a later moment.

    Args:
        step: Step being computed; it takes the refusal.
        records: Run of records.
        index: Index of the record: a purchase, a return, a tick or a `live` record.
        kind: Kind of the record.
        watermark: Watermark before the record, ms since 1970 UTC.
    """
    if kind == _TICK and watermark is None:
        _follow_log(step)
    if kind == _LIVE or (kind == _TICK and not step.state.clock.wall):
        return True
    if int(records.appended_at[index]) == UNKNOWN_TIME:
        return True
    if not _ahead(records, index):
        return True
    step.refusals.append(FROM_THE_FUTURE._replace(offset=int(records.offsets[index])))
    return False


def moved(
    step: Step, records: Records, index: int, kind: int, *, watermark: int | None, to: int
) -> int | None:
    """Return the watermark behind a record.

    A `live` record moves time on the wall clock alone, and only if its moment is the one at which it was
    written. A `live` record that announces a later moment, or none yet, only sets where history ends.

    Args:
        step: Step being computed.
        records: Run of records.
        index: Index of the record.
        kind: Kind of the record.
        watermark: Watermark before the record, ms since 1970 UTC; None before the first.
        to: Event time of the record less the lateness, ms since 1970 UTC.
    """
    if kind == _LIVE:
        now = int(records.occurred_at[index]) < UNTIL_LIVE_MS and not _ahead(records, index)
        if not (step.state.clock.wall and now):
            return watermark
    return to if watermark is None else max(watermark, to)


def _follow_log(step: Step) -> None:
    """Switch to the log clock if the first record that moves time is a tick and the service never went live.

    On the wall clock a worker writes ticks only behind a `live` record. A tick before any purchase therefore
    comes from a source that moves time itself, such as a file or a replay loaded into fresh topics.
    """
    clock = step.state.clock
    if clock.wall and clock.live_at is None:
        step.state.clock = replace(clock, wall=False)


def _ahead(records: Records, index: int) -> bool:
    """Return True if an event is later than its record's timestamp by more than clocks differ."""
    stamped = int(records.appended_at[index])
    return stamped != UNKNOWN_TIME and int(records.occurred_at[index]) > stamped + FURTHEST_AHEAD
