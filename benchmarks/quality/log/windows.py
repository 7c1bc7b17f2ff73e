"""Windows: what is predicted when, and how far ahead the log is known.

Day 0 is 2017-01-01 in New York, week 1 is that day alone, and week w >= 2 runs Monday to Sunday. So week w
ends with day 7 (w - 1), and `end_of(w)` is the first day after it. A label counts as seen, and not a
prediction's date alone: the development window knows no line after week 40, so that whatever asks for 91
days ahead asks by the end of week 27.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_DATE: Final = date(2017, 1, 1)
FOLLOW_UP: Final = 91
"""Days for which a pair is followed. Purchases after them count as none: A1, A2 and B1 are cut off there."""


def end_of(week: int) -> int:
    """Return the first day after a week.

    >>> end_of(1), end_of(40)
    (1, 274)
    """
    return 7 * (week - 1) + 1


def date_of(day: int) -> date:
    """Return the date of a day.

    >>> date_of(273)
    datetime.date(2017, 10, 1)
    """
    return FIRST_DATE + timedelta(days=day)


@dataclass(frozen=True)
class Window:
    """Days and weeks of one report."""

    name: str
    days: int
    """Days of the log, from day 0. Nothing after them is read."""
    cuts: tuple[int, ...]
    """A1: weeks at whose end is asked who buys within 91 days."""
    purchases: tuple[int, int]
    """A2 and B1: first and last week of the purchases after which is asked when the next one comes."""
    sundays: tuple[int, int]
    """B2: first and last week at whose end is asked who buys within 7 days."""
    trips: tuple[int, int]
    """C and what is emitted: first and last week of the trips that are judged."""
    instants: tuple[int, int]
    """D: first and last week of the instants at which labels are asked."""
    value: tuple[int, int]
    """E: last day known, and last day held out."""

    @property
    def purchase_days(self) -> range:
        """Days of A2 and B1."""
        return _days(self.purchases)

    @property
    def trip_days(self) -> range:
        """Days of C."""
        return _days(self.trips)

    @property
    def digest_cuts(self) -> tuple[int, ...]:
        """First unknown days of B2, one per Sunday."""
        return _ends(range(self.sundays[0], self.sundays[1] + 1))

    @property
    def pair_cuts(self) -> tuple[int, ...]:
        """First unknown days of A1."""
        return _ends(self.cuts)


def _days(weeks: tuple[int, int]) -> range:
    return range(end_of(weeks[0] - 1), end_of(weeks[1]))


def _ends(weeks: Iterable[int]) -> tuple[int, ...]:
    return tuple(end_of(week) for week in weeks)


DEVELOPMENT: Final = Window(
    name="development",
    days=end_of(40),
    cuts=(24, 27),
    purchases=(20, 27),
    sundays=(28, 39),
    trips=(28, 40),
    instants=(30, 40),
    value=(182, 273),
)
"""Weeks 1 to 40, on which constants may be chosen."""

FINAL: Final = Window(
    name="final",
    days=365,
    cuts=(40,),
    purchases=(33, 40),
    sundays=(40, 51),
    trips=(41, 53),
    instants=(41, 52),
    value=(273, 364),
)
"""The whole year. Run once, at the end, on what was chosen on `DEVELOPMENT`."""
