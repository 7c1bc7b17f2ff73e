"""Hit share of alerts: compared with the purchases that followed, beside each customer's own median rhythm.

A cycle begins with a purchase of a category by a customer and ends with the next purchase. An alert hits if
that next purchase falls on a business day from so many days before the alert's date (the lead) to so many
after it (the grace). The rhythm's date on the same cycle is the last purchase plus the median of the
intervals that the customer had shown before. A cycle is judged once its outcome is known. The outcome is
known if the data holds the alert's window, and the next purchase or the end of the rhythm's window too.

An alert is raised only for a customer who has not bought by then, so an early date of the rhythm has missed
already. `rhythm_updated` is fairer to the rhythm: a date before the day of the alert moves to that day.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.state.calendar import day_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cartpulse.demo.received import Alert

_DAYS = 1 << 16
"""Number larger than every day number, so that (pair, day) fits one integer."""


class Outcome(Enum):
    """Outcome of a date on a cycle."""

    HIT = "hit"
    MISS = "miss"
    UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """Judgement of one alert."""

    outcome: Outcome
    rhythm: Outcome
    rhythm_updated: Outcome
    bought: int | None
    """Day number of the next purchase; None where there was none within the data."""


@dataclass(frozen=True, slots=True)
class Score:
    """Share of hits of each kind of date, over the cycles with a known outcome; None without such cycles."""

    cycles: int
    unknown: int
    hit_share: float | None
    rhythm_hit_share: float | None
    rhythm_updated_hit_share: float | None


class PurchaseDays:
    """Business days on which each customer bought from each category.

    Args:
        customers: (n,) numbers of customers, one entry per line.
        categories: (n,) numbers of categories.
        days: (n,) day numbers.
        names: Category names by number.
    """

    def __init__(
        self,
        customers: NDArray[np.int64],
        categories: NDArray[np.int64],
        days: NDArray[np.int64],
        names: Sequence[str],
    ) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}
        self._width = len(names)
        self._sorted = np.unique((customers * self._width + categories) * _DAYS + days)
        self.first_day, self.last_day = int(days.min()), int(days.max())
        """First and last day of the data, as day numbers."""

    def of(self, customer: int, category: str) -> list[int]:
        """Return the days on which a customer bought from a category, ascending."""
        pair = customer * self._width + self._numbers[category]
        first, last = np.searchsorted(self._sorted, [pair * _DAYS, (pair + 1) * _DAYS])
        return [int(value) for value in self._sorted[first:last] % _DAYS]


def judge(alert: Alert, days: Sequence[int], last_day: int, *, lead: int, grace: int) -> Verdict:
    """Compare one raised alert with the days on which its customer bought its category.

    Args:
        alert: Raised alert.
        days: All days of purchase, ascending, those after the alert too.
        last_day: Last day of the data.
        lead: Days before a date from which on a purchase hits.
        grace: Days after a date until which a purchase hits.
    """
    last = day_number(alert.evidence.last_purchase)
    cycle = bisect_right(days, last)
    bought = days[cycle] if cycle < len(days) else None
    date_of_alert = day_number(alert.best_date)
    if date_of_alert + grace > last_day:
        return Verdict(Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.UNKNOWN, bought)

    def outcome(day: int) -> Outcome:
        if bought is None:
            return Outcome.UNKNOWN if day + grace > last_day else Outcome.MISS
        return Outcome.HIT if day - lead <= bought <= day + grace else Outcome.MISS

    rhythm = last + median_interval(days[:cycle])
    return Verdict(
        outcome(date_of_alert), outcome(rhythm), outcome(max(rhythm, date_of_alert - lead)), bought
    )


def median_interval(days: Sequence[int]) -> int:
    """Return the median of the days between purchases, rounded up from a half; at least 1."""
    if len(days) < 2:
        return 1
    intervals = sorted(later - earlier for earlier, later in pairwise(days))
    middle = len(intervals) // 2
    if len(intervals) % 2:
        return intervals[middle]
    return (intervals[middle - 1] + intervals[middle] + 1) // 2


def score(verdicts: Sequence[Verdict]) -> Score:
    """Return the shares of hits on the cycles of which every outcome is known."""
    known = [verdict for verdict in verdicts if Outcome.UNKNOWN not in _outcomes(verdict)]
    shares = [
        sum(_outcomes(verdict)[which] is Outcome.HIT for verdict in known) / len(known) if known else None
        for which in range(3)
    ]
    return Score(len(known), len(verdicts) - len(known), *shares)


def _outcomes(verdict: Verdict) -> tuple[Outcome, Outcome, Outcome]:
    return verdict.outcome, verdict.rhythm, verdict.rhythm_updated
