"""Business days: local dates of the business time zone, and the instant at which each day closes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from models.contracts.timestamps import instant_of, text_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.settings import LedgerSettings

MINUTE = 60_000
"""Milliseconds of a minute."""
HOUR = 60 * MINUTE
FIRST_DATE = date(1999, 12, 31)
"""Day 0, the day before the first day that an event may carry, so that 0 can stand for `never`."""
LAST_DAY = (date(2101, 1, 31) - FIRST_DATE).days
"""Last day of the calendar, a month beyond the last day that an event may carry. A window that begins on that
day still has an end."""


@lru_cache(maxsize=4096)
def date_of(day: int) -> date:
    """Return the calendar date of a day number."""
    return FIRST_DATE + timedelta(days=day)


def day_number(value: date) -> int:
    """Return the day number of a calendar date."""
    return (value - FIRST_DATE).days


@lru_cache(maxsize=4096)
def date_text(day: int) -> str:
    """Format a day number as an ISO date."""
    return date_of(day).isoformat()


@lru_cache(maxsize=256)
def boundary_cause(boundary: int) -> str:
    """Return the text by which events name a boundary (day) as their cause."""
    return f"boundary:{date_text(boundary)}"


class Calendar:
    """Days and boundaries of one time zone, as sorted arrays of instants (ms since 1970 UTC).

    A day is a local date, not 86,400 s: two days of most years have 23 or 25 hours. Day D closes at its
    boundary, `boundary_hour` o'clock of D + 1. If the clock skips that hour, day D closes at the instant to
    which the clock skips.

    Args:
        time_zone: IANA name of the business time zone.
        boundary_hour: Local hour at which the previous day closes.
    """

    def __init__(self, time_zone: str, boundary_hour: int) -> None:
        zone = ZoneInfo(time_zone)
        self._starts = _instants(zone, 0)
        self._boundaries = _instants(zone, boundary_hour)[1:]
        self._texts: dict[int, str] = {}

    def days(self, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the day numbers of instants (ms), in the same shape."""
        return np.searchsorted(self._starts, instants, side="right") - 1

    def start(self, day: int) -> int:
        """Return the instant (ms) at which a day begins."""
        return int(self._starts[day])

    def boundary(self, day: int) -> int:
        """Return the instant (ms) at which a day closes."""
        return int(self._boundaries[day])

    def boundary_text(self, day: int) -> str:
        """Format the boundary of a day as events write it."""
        text = self._texts.get(day)
        if text is None:
            text = self._texts[day] = text_of(instant_of(self.boundary(day)))
        return text

    def closed(self, watermark: int) -> int:
        """Return the last day whose boundary a watermark (ms) has passed."""
        return int(np.searchsorted(self._boundaries, watermark, side="right")) - 1


@lru_cache(maxsize=8)
def calendar_of(settings: LedgerSettings) -> Calendar:
    """Return the calendar of a service, computed once (about 0.1 s)."""
    return _calendar(settings.time_zone, settings.boundary_hour)


@lru_cache(maxsize=8)
def _calendar(time_zone: str, boundary_hour: int) -> Calendar:
    return Calendar(time_zone, boundary_hour)


def _instants(zone: ZoneInfo, hour: int) -> NDArray[np.int64]:
    """Compute the instants (ms) of one local hour on every day from day 0 on."""
    first = datetime(FIRST_DATE.year, FIRST_DATE.month, FIRST_DATE.day, hour)  # noqa: DTZ001 - local by intent
    return np.array(
        [
            round((first + timedelta(days=day)).replace(tzinfo=zone).timestamp() * 1000)
            for day in range(LAST_DAY + 1)
        ],
        np.int64,
    )
