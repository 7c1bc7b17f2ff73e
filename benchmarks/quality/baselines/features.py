"""Columns from which learners foretell a pair's next purchase: all that cells and priors hold, unbounded.

Per pair: counts, the last interval, plain and recency-weighted means of D and ln D, the spread of ln D, four
decayed counts. As of the day asked: time since the last purchase, absolute and by the pair's own intervals,
and the four rates. Of the household: trips lately, time since the last, share of trips with the category. Of
the category: mean and spread of ln D, and the share of trips that hold it. Nothing from after the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.quality.log.journey import DAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.quality.log.pairs import Asked, History

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

HALF_LIVES: Final = (14.0, 28.0, 56.0, 112.0)
RECENCY_WEIGHT: Final = 0.3
TRIP_HALF_LIVES: Final = (28.0, 112.0)


class Features:
    """Columns of every pair at every purchase, from which those of a question are made.

    Args:
        history: Purchase days of all pairs.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        bought = history.bought
        logs = np.log(np.maximum(history.gaps, 1))
        self._number = np.arange(len(logs)) - history.begins[history.pair]
        self._sum = history.running(logs)
        self._squares = history.running(logs**2)
        self._recursive = self._recurse(history.gaps.astype(np.float64), logs)
        # (t,) household-days with any purchase, in order
        self._trips = np.unique(bought.households * DAYS + bought.days)
        first = np.searchsorted(self._trips, (self._trips // DAYS) * DAYS)
        self._trip_number = np.arange(len(self._trips)) - first
        day = self._trips % DAYS
        self._trip_rates = []
        for half_life in TRIP_HALF_LIVES:
            ahead = np.exp2(day / half_life)
            total = np.cumsum(ahead)
            self._trip_rates.append(total - (total - ahead)[first])
        # (n,) order of all purchases by category and day, and sums of ln D up to each
        self._by_name = np.argsort(bought.names * DAYS + bought.days, kind="stable")
        self._name_keys = (bought.names * DAYS + bought.days)[self._by_name]
        ended = (history.gaps > 0)[self._by_name]
        self._name_sums = np.cumsum(np.stack([ended, logs[self._by_name], logs[self._by_name] ** 2]), axis=1)

    def of(self, asked: Asked) -> Reals:
        """Return the (k, 28) columns of pairs as of the day asked."""
        history, bought = self._history, self._history.bought
        last, elapsed = asked.last, history.elapsed(asked).astype(np.float64)
        age = (asked.day - bought.days[asked.first]).astype(np.float64)
        count = np.maximum(asked.purchases - 1.0, 1)
        mean = self._sum[last] / count
        spread = np.sqrt(np.maximum(self._squares[last] / count - mean**2, 0))
        recent = [column[last] for column in self._recursive]
        columns = [asked.purchases, history.gaps[last], mean, spread, *recent[:2], elapsed, age]
        columns += [elapsed / np.exp(mean), elapsed / np.maximum(recent[0], 1), np.log1p(elapsed) - recent[1]]
        for half_life, decayed in zip(HALF_LIVES, recent[2:], strict=True):
            watched = half_life / np.log(2) * -np.expm1(-np.log(2) * np.maximum(age, 1) / half_life)
            columns += [decayed, decayed * np.exp2(-elapsed / half_life) / watched]
        columns += self._of_household(asked)
        columns += self._of_category(asked)
        columns += [asked.day % 7]
        return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)

    def _of_household(self, asked: Asked) -> list[Reals]:
        household = self._history.households(asked)
        place = np.searchsorted(self._trips, household * DAYS + asked.day, "right") - 1
        since = (asked.day - self._trips[place] % DAYS).astype(np.float64)
        trips = self._trip_number[place] + 1.0
        rates = [
            total[place] * np.exp2(-asked.day / half_life)
            for half_life, total in zip(TRIP_HALF_LIVES, self._trip_rates, strict=True)
        ]
        return [since, trips, *rates, asked.purchases / trips]

    def _of_category(self, asked: Asked) -> list[Reals]:
        names = self._history.names(asked)
        stop = np.searchsorted(self._name_keys, names * DAYS + asked.day, "right")
        start = np.searchsorted(self._name_keys, names * DAYS)
        padded = np.concatenate([np.zeros((3, 1)), self._name_sums], axis=1)
        count, total, squares = padded[:, stop] - padded[:, start]
        mean = total / np.maximum(count, 1)
        spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
        return [mean, spread, np.log1p(stop - start) - np.log1p(asked.day)]

    def _recurse(self, gaps: Reals, logs: Reals) -> list[Reals]:
        """Return (n,) recency-weighted means of D and ln D, and decayed counts, as of each purchase."""
        found = [np.zeros(len(gaps)) for _ in range(2 + len(HALF_LIVES))]
        order = np.argsort(self._number, kind="stable")
        bounds = np.searchsorted(self._number[order], np.arange(int(self._number.max(initial=-1)) + 2))
        for number in range(len(bounds) - 1):
            now = order[bounds[number] : bounds[number + 1]]
            before = now - 1
            for column, values in zip(found[:2], (gaps, logs), strict=True):
                if number == 1:
                    column[now] = values[now]
                elif number:
                    column[now] = column[before] + RECENCY_WEIGHT * (values[now] - column[before])
            for column, half_life in zip(found[2:], HALF_LIVES, strict=True):
                faded = column[before] * np.exp2(-gaps[now] / half_life) if number else 0.0
                column[now] = faded + 1
        return found
