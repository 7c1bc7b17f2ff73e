"""Day ends: before which purchase a log's ticks stand; `with_ticks` is tested with them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from models.records.tick_times import DayEnds, tick_time
from models.settings import LedgerSettings

BERLIN = LedgerSettings(time_zone="Europe/Berlin", boundary_hour=3, lateness_minutes=30)


def at(day: int, hour: int) -> int:
    return int(datetime(2026, 3, day, hour, tzinfo=UTC).timestamp() * 1000)


def test_a_day_ends_at_its_boundary_and_the_lateness() -> None:
    assert tick_time(date(2026, 3, 1), BERLIN) == at(2, 2) + 30 * 60_000


def test_on_the_day_that_has_23_hours_the_boundary_is_an_hour_earlier() -> None:
    assert tick_time(date(2026, 3, 28), BERLIN) == at(29, 1) + 30 * 60_000


def test_ticks_come_before_the_purchase_that_passes_them_and_the_rest_at_the_end() -> None:
    ends = DayEnds(BERLIN)
    ticks = [tick_time(date(2026, 3, day), BERLIN) for day in range(1, 8)]
    assert ends.before(at(3, 12)) == ticks[1:2]
    assert ends.before(at(3, 20)) == []
    assert ends.before(at(6, 12)) == ticks[2:5]
    assert ends.before(at(2, 12)) == []
    assert ends.rest() == ticks[5:6]


def test_without_purchases_no_day_ends() -> None:
    assert DayEnds(BERLIN).rest() == []
