"""Ticks: the records by which a log moves time past the end of a business day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.records import control
from streams.sources.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.settings import LedgerSettings


def tick(day: date, settings: LedgerSettings) -> Feed:
    """Make the tick that closes business day `day`.

    The tick carries the boundary of the day plus the allowed lateness. The boundary is `boundary_hour`
    o'clock of the next local date. The watermark stays the lateness behind, so it stands exactly on the
    boundary once the tick is applied.
    """
    boundary = datetime.combine(
        day + timedelta(days=1), time(settings.boundary_hour), ZoneInfo(settings.time_zone)
    ).astimezone(UTC)
    occurred_at = boundary + timedelta(minutes=settings.lateness_minutes)
    at = int(occurred_at.timestamp()) * 1000
    return Feed(None, control.tick(at, settings), at)


def with_ticks(records: Iterable[Feed], settings: LedgerSettings) -> Iterator[Feed]:
    """Put the ticks of a `log` clock between records, all in order of event time.

    One tick stands before the first record. One tick follows each business day that ended since, the latest
    record's own day included. Without records there are no ticks.

    Args:
        records: Records in order of event time. Some may come late; they stay where they are.
        settings: Ledger settings: time zone, boundary hour and lateness.
    """
    zone = ZoneInfo(settings.time_zone)
    rest = iter(records)
    record = next(rest, None)
    if record is None:
        return
    day = _local_date(record.occurred_at, zone)
    while tick(day, settings).occurred_at > record.occurred_at:
        day -= timedelta(days=1)
    coming = tick(day, settings)
    latest = record.occurred_at
    for each in chain((record,), rest):
        while coming.occurred_at <= each.occurred_at:
            yield coming
            day += timedelta(days=1)
            coming = tick(day, settings)
        latest = max(latest, each.occurred_at)
        yield each
    while day <= _local_date(latest, zone):
        yield tick(day, settings)
        day += timedelta(days=1)


def _local_date(moment: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(moment / 1000, zone).date()
