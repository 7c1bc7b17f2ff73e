"""Day ends of a log clock: when its ticks come, between purchases in order of event time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from models.settings import LedgerSettings


def tick_time(day: date, settings: LedgerSettings) -> int:
    """Return the event time (ms since 1970 UTC) of the tick that closes a business day.

    That is `boundary_hour` o'clock of the next local date plus the allowed lateness: the watermark, which
    stays the lateness behind, stands exactly on the boundary once the tick is applied.
    """
    boundary = datetime.combine(
        day + timedelta(days=1), time(settings.boundary_hour), ZoneInfo(settings.time_zone)
    ).astimezone(UTC)
    return int((boundary + timedelta(minutes=settings.lateness_minutes)).timestamp()) * 1000


class DayEnds:
    """Ticks of a log: one before its first purchase, one after each business day that ended since.

    Args:
        settings: Time zone, boundary hour and lateness.
    """

    def __init__(self, settings: LedgerSettings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.time_zone)
        self._day: date | None = None
        self._coming = 0
        self._latest = 0

    def before(self, occurred_at: int) -> list[int]:
        """Return the event times of the ticks that stand before a purchase, in order (ms since 1970 UTC).

        Args:
            occurred_at: Event time of the purchase, ms since 1970 UTC. One that lies before an earlier call's
                has none.
        """
        day = self._first(occurred_at) if self._day is None else self._day
        due: list[int] = []
        while self._coming <= occurred_at:
            due.append(self._coming)
            day += timedelta(days=1)
            self._coming = tick_time(day, self._settings)
        self._day, self._latest = day, max(self._latest, occurred_at)
        return due

    def rest(self) -> list[int]:
        """Return the event times of the ticks behind the last purchase: its own day's is the last of them."""
        if self._day is None:
            return []
        days = (self._date(self._latest) - self._day).days + 1
        return [tick_time(self._day + timedelta(days=ahead), self._settings) for ahead in range(days)]

    def _first(self, occurred_at: int) -> date:
        """Find the last day whose tick precedes the first purchase, or meets it."""
        day = self._date(occurred_at)
        while (coming := tick_time(day, self._settings)) > occurred_at:
            day -= timedelta(days=1)
        self._coming = coming
        return day

    def _date(self, moment: int) -> date:
        return datetime.fromtimestamp(moment / 1000, self._zone).date()
