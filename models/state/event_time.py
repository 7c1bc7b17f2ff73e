"""Event time and a partition's clock: which records are from the future, and how far a record moves time.

A record's timestamp is the measure of the future, never the watermark: so a shop that was closed for a month
goes on, one wrong date closes nobody's days, and a log that is read again decides alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.contracts.changes import Refusal
from models.records.columns import UNKNOWN_TIME, Kind
from models.state.calendar import MINUTE
from models.state.clock_row import UNTIL_LIVE_MS

if TYPE_CHECKING:
    from models.records.columns import Records
    from models.state.step import Step

FURTHEST_AHEAD = 10 * MINUTE
"""An event may be this much later than its record's timestamp, because producers' clocks differ by minutes.
With more, one wrong date could close everybody's days; with less, tills whose clocks are fast are refused."""

FROM_THE_FUTURE = Refusal(
    offset=-1,
    stage="time",
    error="future",
    field="occurred_at",
    reason="the event is more than ten minutes later than its record's timestamp (the broker's, or where it "
    "keeps none the producer's): correct the date, or the clock of who wrote it, and send it again",
)

_TICK, _LIVE = int(Kind.TICK), int(Kind.LIVE)


def in_time(step: Step, records: Records, index: int, kind: int, watermark: int | None) -> bool:
    """Tell whether a record's event time can be; the step refuses one from the future.

    A tick from the future is a worker's wrong clock on the wall clock; on the log clock ticks move time as
    far as their source likes. A `live` record may announce a later moment.

    Args:
        step: The step being computed.
        records: A run of records.
        index: The record, a purchase, a return, a tick or a `live` record.
        kind: Its kind.
        watermark: The watermark before it, ms since 1970 UTC.
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
    """Return the watermark behind a record whose event time less the lateness is `to` (ms since 1970 UTC).

    A `live` record moves time on the wall clock alone, and only where it speaks of the moment at which it was
    written: one that announces a later moment, or none yet, says what is history and no more.
    """
    if kind == _LIVE:
        now = int(records.occurred_at[index]) < UNTIL_LIVE_MS and not _ahead(records, index)
        if not (step.state.clock.wall and now):
            return watermark
    return to if watermark is None else max(watermark, to)


def _follow_log(step: Step) -> None:
    """Take the log clock where the first record that tells the time is a tick, and nothing went live.

    On the wall clock a worker writes ticks only behind a `live` record: a tick before any purchase is that of
    a source which moves time itself, as files and replays do when they are loaded into fresh topics.
    """
    clock = step.state.clock
    if clock.wall and clock.live_at is None:
        step.state.clock = replace(clock, wall=False)


def _ahead(records: Records, index: int) -> bool:
    """Tell whether an event lies further ahead of its record's timestamp than clocks differ."""
    stamped = int(records.appended_at[index])
    return stamped != UNKNOWN_TIME and int(records.occurred_at[index]) > stamped + FURTHEST_AHEAD
