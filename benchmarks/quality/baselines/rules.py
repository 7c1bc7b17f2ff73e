"""Rules for the next purchase of a pair: its own median interval, and rates per category.

- **Own median.** The next purchase comes one median interval after the last, or tomorrow if that has passed.
- **Poisson-Gamma** (Bhagat et al., KDD 2018): k purchases in t days since the first, a Gamma prior per
  category fitted by maximum likelihood to k / t of all its pairs with two purchase days or more, and
  P(within h) = 1 - exp(-h (k + a) / (t + b)).
- **Decayed Gamma-Poisson.** The count without the first purchase, decayed with a half-life of 112 days, the
  days watched decayed alike, and a Gamma prior per category by moments: what the variance of all its pairs'
  rates exceeds that of Poisson counts by. P(within h) = 1 - ((t + b) / (t + b + h))^(k + a).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import special
from scipy.optimize import isotonic_regression

from benchmarks.quality.log.pairs import NEVER, Asked
from benchmarks.quality.log.windows import FOLLOW_UP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.quality.log.pairs import History

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

HALF_LIFE: Final = 112.0
"""Days in which a purchase loses half of its weight."""
LEAST_PAIRS: Final = 5
"""Pairs of a category from which on it has a prior of its own; below, that of all pairs holds."""
LEAST_EXCESS: Final = 0.05
"""Least variance of rates between pairs, as a share of the squared mean: the prior stays finite."""
UNSEEN: Final = 0.5
"""Chance where the log is too young to have shown any outcome."""
NEWTON: Final = 5
"""Steps to the shape of a Gamma distribution; the start is within .2 % already."""


class Gamma(NamedTuple):
    """Rates of k pairs: each a Gamma distribution of purchases a day."""

    shape: Reals
    days: Reals
    poisson: bool
    """True if the mean rate is taken for known."""

    def within(self, horizon: float) -> Reals:
        """Return the chance of a purchase within some days."""
        if self.poisson:
            chance: Reals = -np.expm1(-horizon * self.shape / self.days)
        else:
            chance = -np.expm1(-self.shape * np.log1p(horizon / self.days))
        return chance

    def quantile(self, share: float) -> Reals:
        """Return the days within which a share of the next purchases comes."""
        if self.poisson:
            days: Reals = -np.log1p(-share) * self.days / self.shape
        else:
            days = np.expm1(-np.log1p(-share) / self.shape) * self.days
        return days


class Counts(NamedTuple):
    """Pairs bought before a day, one entry each."""

    names: Integers
    purchases: Reals
    age: Reals
    """Days since the first purchase, 1 at least."""
    decayed: Reals
    """Purchases but the first, weighted by 2^(-age / 112 days)."""


def counts_of(history: History, cut: int) -> tuple[Integers, Counts]:
    """Count every pair bought before a day.

    Returns:
        (p,) place of each pair's first purchase, and the counts.
    """
    days = history.bought.days
    weight = np.where(days < cut, np.exp2(-(cut - 1 - days) / HALF_LIFE), 0.0)
    weight[history.begins] = 0
    purchases = np.add.reduceat((days < cut).astype(np.float64), history.begins)
    decayed = np.add.reduceat(weight, history.begins)
    known = purchases > 0
    first = history.begins[known]
    age = np.maximum(cut - 1 - days[first], 1).astype(np.float64)
    return first, Counts(history.bought.names[first], purchases[known], age, decayed[known])


def poisson_gamma(history: History, asked: Asked, cut: int) -> Gamma:
    """Estimate rates with the prior as of a day, and counts as of each pair's own."""
    _, counts = counts_of(history, cut)
    several = counts.purchases >= 2
    shape, days = _likelihood(
        (counts.purchases / counts.age)[several], counts.names[several], _width(history)
    )
    names = history.names(asked)
    age = asked.day - history.bought.days[asked.first]
    return Gamma(asked.purchases + shape[names], age + days[names], poisson=True)


def decayed_gamma_poisson(history: History, asked: Asked, cut: int) -> Gamma:
    """Estimate rates with the prior as of a day, and decayed counts as of each pair's own."""
    _, counts = counts_of(history, cut)
    shape, days = _moments(counts, _width(history))
    # (k,) decayed count of each pair: the sum of 2^(day / half-life), less the first purchase's, taken back
    ahead = np.exp2(history.bought.days / HALF_LIFE)
    running = history.running(ahead) - np.repeat(ahead[history.begins], history.sizes)
    names = history.names(asked)
    decayed = running[asked.last] * np.exp2(-asked.day / HALF_LIFE)
    age = np.maximum(asked.day - history.bought.days[asked.first], 1)
    return Gamma(decayed + shape[names], watched(age) + days[names], poisson=False)


def watched(age: Reals | Integers) -> Reals:
    """Return the decayed days of watching."""
    days: Reals = HALF_LIFE / np.log(2) * -np.expm1(-np.log(2) * np.asarray(age, np.float64) / HALF_LIFE)
    return days


def remaining_median(history: History, asked: Asked, medians: Reals) -> Reals:
    """Return the (k,) days to the date one median interval after the last purchase, 1 at least."""
    return np.maximum(medians[asked.last] - history.elapsed(asked), 1.0)


def chances_of_due_days(
    history: History, asked: Asked, cut: int, medians: Reals, horizons: tuple[int, ...]
) -> Reals:
    """Return the (3, k) chances that a due date stands for: fewer, the later it is.

    An isotonic regression on all such pairs, as could be seen when the longest horizon last ended.
    """
    earlier = history.at(cut - max(horizons))
    if not len(earlier.last):
        return np.full((len(horizons), len(asked.last)), UNSEEN)
    due, now = (remaining_median(history, pairs, medians) for pairs in (earlier, asked))
    order = np.argsort(due, kind="stable")
    days, first = np.unique(due[order], return_index=True)
    counts = np.diff(np.append(first, len(order)))
    found = []
    for horizon in horizons:
        seen = np.add.reduceat((earlier.until <= horizon)[order].astype(np.float64), first) / counts
        fitted = isotonic_regression(seen, weights=counts, increasing=False).x
        found.append(np.interp(now, days, fitted))
    return np.stack(found)


def base_rates(history: History, asked: Asked, cut: int, horizons: tuple[int, ...], *, back: int) -> Reals:
    """Return the (3, k) share of such pairs that bought so soon, as could be seen `back` days earlier."""
    earlier = history.at(cut - back)
    if not len(earlier.last):
        return np.full((len(horizons), len(asked.last)), UNSEEN)
    shares = [float(np.mean(earlier.until <= horizon)) for horizon in horizons]
    return np.repeat(np.array(shares)[:, None], len(asked.last), axis=1)


def spread_of_intervals(history: History, medians: Reals, cut: int) -> float:
    """Return the s.d. of ln(interval / median so far) over cycles begun before a day whose end is known."""
    asked = history.after(range(cut - FOLLOW_UP))
    seen = asked.until < NEVER
    ratios = asked.until[seen] / np.maximum(medians[asked.last[seen]], 1)
    return float(np.std(np.log(ratios))) if seen.any() else 1.0


def _width(history: History) -> int:
    return int(history.bought.names.max(initial=0)) + 1


def _likelihood(rates: Reals, names: Integers, width: int) -> tuple[Reals, Reals]:
    """Fit a Gamma distribution of rates per category: (c,) shapes and (c,) days."""
    mean, variance = rates.mean(), rates.var()
    shape = np.full(width, mean**2 / max(variance, 1e-12))
    days = shape / mean
    order = np.argsort(names, kind="stable")
    bounds = np.searchsorted(names[order], np.arange(width + 1))
    for name in np.unique(names).tolist():
        own = rates[order[bounds[name] : bounds[name + 1]]]
        gap = np.log(own.mean()) - np.log(own).mean()
        if len(own) < LEAST_PAIRS or gap <= 0:
            continue
        found = (3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
        for _ in range(NEWTON):
            slope = 1 / found - special.polygamma(1, found)
            found -= (np.log(found) - special.digamma(found) - gap) / slope
        shape[name], days[name] = found, found / own.mean()
    return shape, days


def _moments(counts: Counts, width: int) -> tuple[Reals, Reals]:
    """Fit a Gamma distribution of rates per category by moments: (c,) shapes and (c,) days."""
    days = watched(counts.age)
    long = days > 7
    names, days, decayed = counts.names[long], days[long], counts.decayed[long]
    whole = np.bincount(names, days, width)
    number = np.bincount(names, minlength=width)
    mean = np.bincount(names, decayed, width) / np.maximum(whole, 1e-9)
    mean = np.where((number >= LEAST_PAIRS) & (mean > 0), mean, decayed.sum() / max(days.sum(), 1e-9))
    squares = np.bincount(names, days * (decayed / days - mean[names]) ** 2, width)
    excess = (squares - mean * number) / np.maximum(whole, 1e-9)
    mean = np.maximum(mean, 1e-9)
    excess = np.maximum(excess, LEAST_EXCESS * mean**2)
    return mean**2 / excess, mean / excess
