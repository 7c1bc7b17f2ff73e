"""Binned additive model of what the next trip holds: one weight a bin of each column, learnt in one pass.

The chance that a trip holds a name that its household bought before is the logistic of a sum of weights, one
for each of seven numbers about the household and the name, straight between the centres of bins. At the end
of a day its trips teach: one step of Adagrad [1]_. So a list never knows its own day.

References:
    .. [1] Duchi, Hazan, Singer (2011). Adaptive subgradient methods. JMLR 12, 2121-2159.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

COLUMNS: Final = 7
BINS: Final = 32
RATE: Final = 0.1
"""Step of Adagrad: a weight moves by at most so much on a day."""
START: Final = -2.0 / COLUMNS
"""Weight of every bin before the first day: a chance of .12."""


class Additive:
    """Weights of all bins."""

    def __init__(self) -> None:
        self._weights = np.full(COLUMNS * BINS, START)
        self._gradient = np.zeros_like(self._weights)
        self._squares = np.full_like(self._weights, 1e-6)

    def score(self, places: Reals) -> Reals:
        """Return the (k,) logits of names by their (7, k) places among the bins."""
        low, part = _bins(places)
        logits: Reals = (self._weights[low] * (1 - part) + self._weights[low + 1] * part).sum(axis=0)
        return logits

    def observe(self, places: Reals, bought: Booleans) -> None:
        """Add what a trip teaches; it counts from the end of the day.

        Args:
            places: (7, k) places of every name that the household bought before.
            bought: (k,) True for those that the trip holds.
        """
        low, part = _bins(places)
        gap = 1 / (1 + np.exp(-self.score(places))) - bought
        for bins, share in ((low, 1 - part), (low + 1, part)):
            self._gradient += np.bincount(bins.ravel(), (share * gap).ravel(), len(self._weights))

    def end_day(self) -> None:
        """Take the step that the day's trips ask for."""
        self._squares += self._gradient**2
        self._weights -= RATE * self._gradient / np.sqrt(self._squares)
        self._gradient[:] = 0


def places_of(counts: Reals, days: Integers, *, trips: int, day: int) -> Reals:
    """Return the (7, k) places of names among the bins of each column.

    Args:
        counts: (3, k) trips with a name: plain, decayed .97 per trip, decayed .8 per trip.
        days: (3, k) number of the last trip with it, from 1; its first day and its last.
        trips: Trips of the household so far.
        day: Day of the trip to come.
    """
    last_trip, first_day, last_day = days
    elapsed = np.maximum(day - last_day, 1)
    mean_gap = np.maximum(last_day - first_day, 1) / np.maximum(counts[0] - 1, 1)
    long = (1 - 0.97**trips) / 0.03
    return np.stack(
        [
            4 * np.log2(counts[0]),
            4 * np.log2(counts[1] + 0.05) + 17,
            3 * np.log2(counts[1] / long + 1e-3) + 30,
            3 * np.log2(counts[2] + 0.01) + 20,
            4 * np.log2(trips - last_trip + 1),
            4 * np.log2(elapsed),
            3 * np.log2(elapsed / mean_gap) + 16,
        ]
    )


def _bins(places: Reals) -> tuple[Integers, Reals]:
    """Return the bin below each place, counted over all columns, and the part of the way to the next."""
    inside = np.clip(places, 0, BINS - 1.001)
    low = np.floor(inside)
    return low.astype(np.int64) + np.arange(COLUMNS)[:, None] * BINS, inside - low
