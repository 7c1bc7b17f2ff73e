"""Alert dates: the date most likely to be hit, and the first date that is likely enough to be hit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.learning.intervals import LAPSE, Posterior, interval_cdf, renewal_survival

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

LOCATIONS = np.linspace(-1.0, 7.0, 129)
"""Grid of ln D's location: medians from 9 hours to three years, in steps of 6 %."""
SPREADS = np.linspace(0.1, 3.0, 59)
"""Grid of ln D's spread. Values outside either grid count as the grid's edge."""
LATEST = 92
"""Days from a trip within which the window of a sent alert opens: rarer purchases have no date to aim at."""
_BETWEEN_POINTS = 0.05
HALVINGS = 14
"""Bisection steps, which narrow a window of at most 43 days to minutes."""


class AlertDates:
    """Table of best dates over a grid of (location, spread), computed once and read for each alert.

    A window of fixed length holds most of a single-peaked density where the density at both ends is equal
    [1]_. For ln D normal, bisection finds that date at every grid point. A look-up interpolates between four
    grid points and takes the better of the two nearest whole days. The mean and the median of D are both
    later: for a wide spread, much later.

    Args:
        lead_days: Days before the date on which its window opens, 0 or more.
        grace_days: Days after the date on which its window closes, 0 or more.

    Raises:
        ValueError: A number of days is below 0.

    Examples:
        >>> dates = AlertDates(lead_days=2, grace_days=5)
        >>> days, hit = dates.best(Posterior(np.log([14.0, 28.0]), np.array([0.3, 0.9])))
        >>> print(days, np.round(hit, 3))
        [12 12] [0.653 0.18 ]

    References:
        .. [1] Casella, Berger (2002). Statistical Inference, 2nd ed., theorem 9.3.2 (shortest intervals).
    """

    def __init__(self, lead_days: int, grace_days: int) -> None:
        if lead_days < 0 or grace_days < 0:
            raise ValueError("lead and grace are whole days, 0 or more")
        self.lead_days = lead_days
        self.grace_days = grace_days
        location, spread = np.meshgrid(LOCATIONS, SPREADS, indexing="ij")
        self._table = self._balanced(location, spread)
        every = Posterior(location[..., None], spread[..., None])
        self._peaks = self._given(every, np.arange(LATEST), lapse=1e-6).max(axis=-1)

    def best(self, posterior: Posterior, lapse: float = LAPSE) -> tuple[NDArray[np.int64], Reals]:
        """Find the best date of each cell, and the probability of a purchase in the date's window.

        Args:
            posterior: (k,) predictive distributions of ln D.
            lapse: Share of intervals that never end.

        Returns:
            (k,) days from the last trip, at least `lead_days` + 1 so that the window opens after the trip,
            and (k,) P(date - `lead_days` <= D <= date + `grace_days`), 0 to 1 - `lapse`.
        """
        earlier = np.floor(self._look_up(posterior))
        first = np.full_like(earlier, self.lead_days + 1.0)
        candidates = np.stack([first, np.maximum(earlier, first), np.maximum(earlier + 1, first)])
        chances = self.hit(posterior, candidates)
        choice = np.argmax(chances, axis=0)
        at = np.arange(len(choice))
        return candidates[choice, at].astype(np.int64), (1 - lapse) * chances[choice, at]

    def first(self, posterior: Posterior, least: Reals, lapse: float = LAPSE) -> NDArray[np.int64]:
        """Find the first date whose window holds the trip with a chance that is large enough.

        The chance is the one that is known when the window opens: that of a trip in the window, given that
        there was none before. It rises while a regular customer becomes due, and falls with every day over.

        Args:
            posterior: (k,) predictive distributions of ln D.
            least: (k,) chances that are large enough.
            lapse: Share of intervals that never end.

        Returns:
            (k,) days from the last trip, at least `lead_days` + 1; 0 where no window that opens within
            `LATEST` days is likely enough.

        >>> dates = AlertDates(lead_days=2, grace_days=5)
        >>> one = Posterior(np.log([14.0]), np.array([0.4]))
        >>> [int(dates.first(one, np.array([least]))[0]) for least in (0.4, 0.6, 0.7, 0.9)]
        [8, 12, 17, 0]
        """
        days = np.zeros(len(least), np.int64)
        # Stage 1: the (m,) cells for which the chance can get so large. The grid point next to a cell tells,
        # with a margin for what lies between the points.
        rows, below = _place(posterior.location, LOCATIONS)
        columns, left = _place(posterior.spread, SPREADS)
        peak = self._peaks[rows + np.rint(below).astype(np.int64), columns + np.rint(left).astype(np.int64)]
        asked = np.flatnonzero((1 - lapse) * peak + _BETWEEN_POINTS >= least)
        if not len(asked):
            return days
        # Stage 2: (m, LATEST) chances at the end of every day since the trip, the trip's own day first.
        some = Posterior(posterior.location[asked][:, None], posterior.spread[asked][:, None])
        chances = self._given(some, np.arange(LATEST), lapse)
        enough = chances >= least[asked][:, None]
        found = enough.any(axis=1)
        days[asked[found]] = enough[found].argmax(axis=1) + self.lead_days + 1
        return days

    def _given(self, posterior: Posterior, elapsed: NDArray[np.int64], lapse: float) -> Reals:
        """Compute the chance of a trip in the window that opens behind `elapsed` days without one."""
        length = self.lead_days + self.grace_days + 1
        ended = interval_cdf(posterior, np.arange(int(elapsed[-1]) + length + 1))
        now, then = ended[..., elapsed], ended[..., elapsed + length]
        given: Reals = (1 - lapse) * (then - now) / (1 - (1 - lapse) * now)
        return given

    def hit(self, posterior: Posterior, days: NDArray[np.float64] | NDArray[np.int64]) -> Reals:
        """Compute P(days - lead <= D <= days + grace) of customers who have not lapsed."""
        return interval_cdf(posterior, days + self.grace_days) - interval_cdf(
            posterior, days - self.lead_days - 1
        )

    def hit_given(
        self, posterior: Posterior, days: NDArray[np.int64], elapsed: NDArray[np.int64], lapse: float = LAPSE
    ) -> Reals:
        """Compute P(a trip in the window | none within `elapsed` whole days), which a raised alert reports.

        Args:
            posterior: (k,) predictive distributions of ln D.
            days: (k,) dates, in days from the last trip.
            elapsed: (k,) whole days since the last trip.
            lapse: Share of intervals that never end.

        >>> dates = AlertDates(lead_days=2, grace_days=5)
        >>> one = Posterior(np.log([28.0]), np.array([0.9]))
        >>> print(np.round(dates.hit_given(one, np.array([12]), np.array([9])), 3))
        [0.203]
        """
        start = np.maximum(elapsed, days - self.lead_days - 1)
        ended = interval_cdf(posterior, days + self.grace_days) - interval_cdf(posterior, start)
        return (1 - lapse) * np.maximum(ended, 0.0) / renewal_survival(posterior, elapsed, lapse)

    def _balanced(self, location: Reals, spread: Reals) -> Reals:
        """Find the date, in days from the last trip, at which both ends of the window have equal density."""
        back, ahead = self.lead_days + 0.5, self.grace_days + 0.5
        peak = np.exp(location - spread**2)
        low = np.maximum(peak - ahead, back)
        high = peak + back
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            start, end = np.log(np.maximum(middle - back, 1e-9)), np.log(middle + ahead)
            rising = (end - start) - ((start - location) ** 2 - (end - location) ** 2) / (2 * spread**2) < 0
            low = np.where(rising, middle, low)
            high = np.where(rising, high, middle)
        return (low + high) / 2

    def _look_up(self, posterior: Posterior) -> Reals:
        """Interpolate bilinearly in the table."""
        rows, below = _place(posterior.location, LOCATIONS)
        columns, left = _place(posterior.spread, SPREADS)
        table = self._table
        lower = table[rows, columns] * (1 - left) + table[rows, columns + 1] * left
        upper = table[rows + 1, columns] * (1 - left) + table[rows + 1, columns + 1] * left
        return lower * (1 - below) + upper * below


def _place(values: Reals, grid: Reals) -> tuple[NDArray[np.int64], Reals]:
    """Return the index of the grid point at or before each value, and the fraction of the way to the next."""
    steps = (np.clip(values, grid[0], grid[-1]) - grid[0]) / (grid[1] - grid[0])
    index = np.minimum(steps.astype(np.int64), len(grid) - 2)
    return index, steps - index
