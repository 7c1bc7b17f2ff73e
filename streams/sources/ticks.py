"""Ticks: the records by which a log moves time past the end of a business day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.records import control
from models.records.tick_times import DayEnds, tick_time
from streams.sources.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from models.settings import LedgerSettings


def tick(day: date, settings: LedgerSettings) -> Feed:
    """Make the tick that closes a business day: it carries the day's boundary plus the allowed lateness."""
    return _tick_at(tick_time(day, settings), settings)


def with_ticks(records: Iterable[Feed], settings: LedgerSettings) -> Iterator[Feed]:
    """Yield records with the ticks of a `log` clock between them, all in order of event time.

    One tick stands before the first record, one after each business day that ended since, the latest
    record's own included. No records give no ticks.

    Args:
        records: Purchases in order of event time, but for some that come late: they stay where they are.
        settings: Time zone, boundary hour and lateness.
    """
    ends = DayEnds(settings)
    for record in records:
        for at in ends.before(record.occurred_at):
            yield _tick_at(at, settings)
        yield record
    for at in ends.rest():
        yield _tick_at(at, settings)


def _tick_at(occurred_at: int, settings: LedgerSettings) -> Feed:
    return Feed(None, control.tick(occurred_at, settings), occurred_at)
