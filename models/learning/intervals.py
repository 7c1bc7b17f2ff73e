"""Purchase intervals of a customer in a category: their statistics, and closed-form predictions from them.

A *trip* is a business day on which the customer bought the category (net quantity above 0). An *interval* D
is the number of whole days between two consecutive trips, at least 1. A *cell* holds the eleven statistics
of one (customer, category): one row of a float32 matrix with the columns of `Statistic`. Each trip reads a
cell as float64 and rounds it once, to steps of which 16 bits hold the number (`STEPS`). Storage therefore
rounds nothing, and results do not depend on how a ledger cuts its work.

Two models read a cell. The *renewal* model takes ln D as normal, with location and spread shrunk to the
category's (`models.learning.priors`). A small share of intervals never ends in this model, because the
customer has lapsed. The *Gamma-Poisson* model takes trips as a Poisson stream, and estimates the rate from a
decayed count. The renewal model predicts when a customer is due; the Gamma-Poisson model follows changes of
habit. `purchase_probability` is the mean of their logits. Formulas and sources: docs/models.md.

Lengths are in days, rates in trips per day, probabilities from 0 to 1. Every function works on arrays that
broadcast.
"""

from __future__ import annotations

from enum import IntEnum
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.learning.normal import cdf, quantile, survival

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Cells = NDArray[np.float32]
    Reals = NDArray[np.float64]

HALF_LIVES = (14.0, 40.0, 112.0)
"""Half-lives of the three decayed counts of trips, in days: from a fortnight's habit to a season's."""
RECENCY_WEIGHT = 0.3
"""Weight of the newest value in `ewma_*` and `quantity`. The last two values hold half of a mean."""
LOCATION_PSEUDO_COUNT = 1.5
"""Weight of the category's mean of ln D, in intervals. With more, predictions follow the category more and
the customer less."""
UNSEEN_SHIFT = 0.75
"""Shift of the category's location of ln D. A history of months shows a customer's short intervals only, and
customers who reach three purchases soonest are not as quick as they look. Without the shift, probabilities of
cells with few trips are too high by up to a third. With a larger shift, alerts of such cells come later and
more rarely."""
SPREAD_PSEUDO_COUNT = 8.0
"""Weight of the category's variance of ln D, in degrees of freedom: a cell's own variance is noise below
ten."""
RECENT_SHARE = 0.5
"""Share of the recency-weighted mean in the evidence on location. The plain mean has the rest."""
LAPSE = 0.03
"""Share of intervals that never end."""
RATE_HALF_LIFE = 112.0
"""Half-life, in days, of the decayed count that the Gamma-Poisson model reads."""
RATE_PRIOR_DAYS = 28.0
"""Weight of the prior rate, in days of observation."""
RATE_PRIOR_FACTOR = 0.25
"""Ratio of the prior rate to exp(-location of the category). The ratio is below 1, because pairs that stopped
buying never show in intervals."""


class Statistic(IntEnum):
    """Columns of a cell: statistics of one (customer, category), all 0 before the first trip."""

    PURCHASES = 0
    """Count of trips."""
    FIRST_DAY = 1
    """Business day of the first trip, days since 2000-01-01."""
    LAST_DAY = 2
    """Business day of the last trip, days since 2000-01-01."""
    LAST_INTERVAL = 3
    """Interval D between the last two trips, days; 0 with fewer trips."""
    MEAN_LOG = 4
    """Mean of ln D; 0 before the first interval, like the next two columns."""
    VARIANCE_LOG = 5
    """Mean square of ln D about its mean."""
    EWMA_LOG = 6
    """Mean of ln D weighted by recency."""
    DECAYED_14 = 7
    """Sum of trips weighted by 2^(-age / 14 days) as of the last trip, which counts 1. The next two columns
    have longer half-lives."""
    DECAYED_40 = 8
    DECAYED_112 = 9
    QUANTITY = 10
    """Units per trip, weighted by recency: a half-precision number."""


LOG_STEPS = 4_096
"""Steps per unit of a mean of ln D. The longest interval of 65,535 days has ln D = 11.1."""
VARIANCE_STEPS = 2_048
"""Steps per unit of the variance of ln D, which cannot exceed (11.1 / 2)^2 = 30.7."""
COUNT_STEPS = 256
"""Steps per trip of a decayed count. No count exceeds 1 / (1 - 2^(-1/112)) = 162."""
STEPS = np.array([1] * 4 + [LOG_STEPS, VARIANCE_STEPS, LOG_STEPS] + [COUNT_STEPS] * 3, np.float64)
"""(10,) steps per unit of each statistic but the quantity. A cell holds a whole number of steps, at most
65,535."""
_MOST_STEPS = 65_535
_MOST_UNITS = float(np.finfo(np.float16).max)


class CategoryPrior(NamedTuple):
    """Prior distribution of ln D, one entry per category asked for."""

    location: Reals
    """(k,) mean of ln D over customers."""
    variance: Reals
    """(k,) variance of ln D about a customer's own mean."""


class Posterior(NamedTuple):
    """Predictive normal distribution of a cell's next ln D, given that the customer has not lapsed."""

    location: Reals
    """Mean of ln D; exp(location) is the median interval in days."""
    spread: Reals
    """Standard deviation of ln D, above 0."""


def observe(cells: Cells, day: ArrayLike, quantity: ArrayLike) -> Cells:
    """Add one trip to each cell.

    Args:
        cells: (k, 11) statistics before the trip; not changed.
        day: Business day of the trip, one or (k,), later than each cell's last trip.
        quantity: Units bought on that day, one or (k,), above 0.

    Returns:
        (k, 11) statistics after the trip, rounded to `STEPS`. Of ln D, the rounding leaves errors of some
        1/4,096 in its mean and of some 1/1,000 in its variance.

    Raises:
        ValueError: A trip is not later than the trip before it.

    Examples:
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (6210, 6217, 6231):
        ...     cells = observe(cells, day, 2.0)
        >>> [float(cells[0, s]) for s in (Statistic.PURCHASES, Statistic.LAST_INTERVAL)]
        [3.0, 14.0]
        >>> print(f"{np.exp(cells[0, Statistic.MEAN_LOG]):.2f} {cells[0, Statistic.DECAYED_14]:.3f}")
        9.90 1.852

    References:
        .. [1] Welford (1962). Note on a method for calculating corrected sums of squares and products.
           Technometrics 4(3), 419-420.
    """
    # Stage 1: (k,) interval that the trip ends; 0 for a first trip, which ends none.
    old = cells.astype(np.float64)
    new = old.copy()
    today = np.broadcast_to(np.asarray(day, np.float64), len(old))
    units = np.broadcast_to(np.asarray(quantity, np.float64), len(old))
    known = old[:, Statistic.PURCHASES] > 0
    first_interval = old[:, Statistic.PURCHASES] == 1
    gap = np.where(known, today - old[:, Statistic.LAST_DAY], 0.0)
    if np.any(known & (gap < 1)):
        raise ValueError(
            "a trip must be later than the last one of its cell: fold days in their order, each once"
        )
    # Stage 2: counts and days.
    log = np.log(np.maximum(gap, 1.0))
    new[:, Statistic.PURCHASES] += 1
    new[:, Statistic.FIRST_DAY] = np.where(known, old[:, Statistic.FIRST_DAY], today)
    new[:, Statistic.LAST_DAY] = today
    new[:, Statistic.LAST_INTERVAL] = gap
    # Stage 3: mean and variance of ln D [1]_, and its mean weighted by recency, which begins with the first
    # interval. A first trip leaves zeros: its ln D is taken as 0.
    count = np.maximum(old[:, Statistic.PURCHASES], 1.0)
    off = log - old[:, Statistic.MEAN_LOG]
    new[:, Statistic.MEAN_LOG] += off / count
    new[:, Statistic.VARIANCE_LOG] = (1 - 1 / count) * (old[:, Statistic.VARIANCE_LOG] + off**2 / count)
    moved = old[:, Statistic.EWMA_LOG] + RECENCY_WEIGHT * (log - old[:, Statistic.EWMA_LOG])
    new[:, Statistic.EWMA_LOG] = np.where(first_interval, log, moved)
    # Stage 4: decayed counts. The older trips fade by the interval, and the trip itself counts 1.
    for offset, half_life in enumerate(HALF_LIVES):
        column_index = Statistic.DECAYED_14 + offset
        new[:, column_index] = old[:, column_index] * np.exp2(-gap / half_life) + 1.0
    # Stage 5: mean quantity, then the one rounding: more roundings would depend on how work is cut.
    moved = old[:, Statistic.QUANTITY] + RECENCY_WEIGHT * (units - old[:, Statistic.QUANTITY])
    units = np.minimum(np.where(known, moved, units), _MOST_UNITS)
    new[:, Statistic.QUANTITY] = units.astype(np.float16)
    stepped = new[:, : Statistic.QUANTITY]
    stepped[:] = np.minimum(np.rint(stepped * STEPS), _MOST_STEPS) / STEPS
    return new.astype(np.float32)


def before_last(cells: Cells) -> Cells:
    """Return what the cells knew of their intervals before the last one, from which priors learn.

    Args:
        cells: (k, 11) statistics with two trips or more.

    Returns:
        (k, 11) statistics with count, last day and mean of ln D of the trip before. The other columns stay.

    >>> cells = np.zeros((1, len(Statistic)), np.float32)
    >>> for day in (6210, 6217, 6231):
    ...     cells = observe(cells, day, 2.0)
    >>> print(np.round(before_last(cells)[0, : Statistic.VARIANCE_LOG].astype(float), 2))
    [2.000e+00 6.210e+03 6.217e+03 1.400e+01 1.950e+00]
    """
    before = cells.astype(np.float64)
    intervals, last = before[:, Statistic.PURCHASES] - 1, before[:, Statistic.LAST_INTERVAL]
    rest = np.maximum(intervals - 1, 1.0)
    before[:, Statistic.MEAN_LOG] = (intervals * before[:, Statistic.MEAN_LOG] - np.log(last)) / rest
    before[:, Statistic.PURCHASES] -= 1
    before[:, Statistic.LAST_DAY] -= last
    return before.astype(np.float32)


def interval_posterior(cells: Cells, prior: CategoryPrior) -> Posterior:
    """Predict the next ln D of each cell, shrunk to its category.

    With n intervals, their mean m (half plain, half weighted by recency), the sum of squares SS about the
    plain mean, and the category's location mu and variance w: location = (n m + 1.5 (mu + .75)) / (n + 1.5),
    variance = (SS + 8 w) / (n - 1 + 8). The prediction's spread adds the uncertainty of the location [1]_.

    Args:
        cells: (k, 11) statistics.
        prior: Prior of the cells' categories, from `Priors.of`.

    Examples:
        >>> from models.learning.priors import Priors
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (0, 7, 14, 21):
        ...     cells = observe(cells, day, 1.0)
        >>> known = interval_posterior(cells, Priors().of([0]))
        >>> print(f"{np.exp(known.location[0]):.2f} days, spread {known.spread[0]:.3f}")
        12.77 days, spread 0.884

    References:
        .. [1] Gelman et al. (2013). Bayesian Data Analysis, 3rd ed., ch. 2.5 and 5.4.
    """
    # Stage 1: (k,) count of intervals, their plain mean, and the squares about it.
    values = cells.astype(np.float64)
    count = np.maximum(values[:, Statistic.PURCHASES] - 1, 0.0)
    mean = values[:, Statistic.MEAN_LOG]
    squares = count * values[:, Statistic.VARIANCE_LOG]
    # Stage 2: (k,) location and variance, each a mean of the cell's own value and its category's.
    evidence = mean + RECENT_SHARE * (values[:, Statistic.EWMA_LOG] - mean)
    weight = count + LOCATION_PSEUDO_COUNT
    location = (count * evidence + LOCATION_PSEUDO_COUNT * (prior.location + UNSEEN_SHIFT)) / weight
    variance = (squares + SPREAD_PSEUDO_COUNT * prior.variance) / (
        np.maximum(count - 1, 0.0) + SPREAD_PSEUDO_COUNT
    )
    return Posterior(location, np.sqrt(variance * (1 + 1 / weight)))


def interval_cdf(posterior: Posterior, days: ArrayLike) -> Reals:
    """Compute P(D <= days) without lapse: the log-normal distribution at days + 1/2, and 0 below one day.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round(interval_cdf(one, [0, 6, 7]), 4))
    [0.     0.4411 0.5549]
    """
    whole = np.floor(np.asarray(days, np.float64))
    reached = cdf((np.log(np.maximum(whole, 1.0) + 0.5) - posterior.location) / posterior.spread)
    return np.where(whole >= 1, reached, 0.0)


def renewal_survival(posterior: Posterior, elapsed: ArrayLike, lapse: float = LAPSE) -> Reals:
    """Compute P(D > elapsed): `lapse` + (1 - `lapse`) of the log-normal tail, and 1 below one day.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round(renewal_survival(one, [0, 7, 400]), 4))
    [1.     0.4618 0.03  ]
    """
    whole = np.floor(np.asarray(elapsed, np.float64))
    tail = survival((np.log(np.maximum(whole, 1.0) + 0.5) - posterior.location) / posterior.spread)
    return np.where(whole >= 1, lapse + (1 - lapse) * tail, 1.0)


def renewal_probability(
    posterior: Posterior, elapsed: ArrayLike, horizon: ArrayLike, lapse: float = LAPSE
) -> Reals:
    """Compute P(D <= elapsed + horizon | D > elapsed): a trip within `horizon` days after `elapsed` days.

    Args:
        posterior: Predictive distribution of ln D.
        elapsed: Whole days since the last trip, 0 at the end of the trip's own day.
        horizon: Days ahead, 0 or more.
        lapse: Share of intervals that never end, above 0.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round(renewal_probability(one, [0, 5, 60], 7), 3))
    [0.538 0.785 0.   ]
    """
    passed = np.floor(np.asarray(elapsed, np.float64))
    now = renewal_survival(posterior, passed, lapse)
    later = renewal_survival(posterior, passed + np.asarray(horizon, np.float64), lapse)
    return (now - later) / now


def renewal_quantile(posterior: Posterior, share: float, lapse: float = LAPSE) -> Reals:
    """Compute the days within which `share` of all intervals end, lapsed ones included.

    The days are not rounded, and at least 1.

    Args:
        posterior: Predictive distribution of ln D.
        share: Share of intervals, above 0 and below 1 - `lapse`.
        lapse: Share of intervals that never end.

    Raises:
        ValueError: `share` is out of its range; so large a share of intervals never ends.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round([renewal_quantile(one, q)[0] for q in (0.1, 0.5, 0.9)], 2))
    [ 3.72  7.14 14.52]
    """
    if not 0 < share < 1 - lapse:
        raise ValueError(f"share must lie between 0 and {1 - lapse}, not {share}")
    z = NormalDist().inv_cdf(share / (1 - lapse))
    return np.maximum(np.exp(posterior.location + z * posterior.spread), 1.0)


_LONGEST: Final = 0.98
"""Share of intervals that end before the latest day which an interval may name."""
_FARTHEST: Final = float(np.log(1 << 16))
"""Logarithm of the most days that an interval names."""


def renewal_interval(
    posterior: Posterior, elapsed: ArrayLike = 0, coverage: float = 0.8
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Compute the whole days (earliest, latest) that hold the next trip with probability `coverage`.

    The interval begins at the whole day next to the lower tail of (1 - `coverage`) / 2, or at the first day
    that is left, and ends where it holds `coverage` of all cycles, those that never end among them. Two equal
    tails would cover far more of regular purchases, because their first days hold so much.

    Args:
        posterior: Predictive distribution of ln D.
        elapsed: Whole days since the last trip, none of which held the next one.
        coverage: Probability, above 0 and below 1.

    Returns:
        Days from the last trip, later than `elapsed`.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> [[int(days[0]) for days in renewal_interval(one, elapsed)] for elapsed in (0, 12)]
    [[4, 14], [13, 29]]
    """
    passed = np.floor(np.asarray(elapsed, np.float64))
    reached = cdf((np.log(passed + 0.5) - posterior.location) / posterior.spread)
    # After a silence that no chance explains, nothing would be left to be divided.
    left = np.where(passed >= 1, np.maximum(1 - reached, 1e-12), 1.0)
    tail = (1 - coverage) / 2

    def day(share: Reals | float) -> Reals:
        reached_by: Reals = quantile(1 - (1 - np.minimum(share, _LONGEST)) * left)
        return np.rint(np.exp(np.minimum(posterior.location + posterior.spread * reached_by, _FARTHEST)))

    first = np.maximum(day(tail), passed + 1)
    before = cdf((np.log(first - 0.5) - posterior.location) / posterior.spread)
    cut = np.where(first > 1, 1 - (1 - before) / left, 0.0)
    alive = 1 - LAPSE / (LAPSE + (1 - LAPSE) * left)
    return first.astype(np.int64), np.maximum(day(cut + coverage / alive), first).astype(np.int64)


def gamma_poisson_probability(
    cells: Cells, prior: CategoryPrior, elapsed: ArrayLike, horizon: ArrayLike
) -> Reals:
    """Compute P(a trip within `horizon` days) from the decayed count: Poisson trips, their rate Gamma [1]_.

    The posterior of the rate is Gamma(A, B). A is the decayed count plus prior trips. The first trip is left
    out of A, because it only began the observation. B is the decayed days of observation plus prior days.
    Then P = 1 - (B / (B + horizon))^A.

    Args:
        cells: (k, 11) statistics, with at least one trip.
        prior: Prior of the cells' categories, from `Priors.of`.
        elapsed: Whole days since the last trip.
        horizon: Days ahead, 0 or more.

    Examples:
        >>> from models.learning.priors import Priors
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (0, 7, 14, 21):
        ...     cells = observe(cells, day, 1.0)
        >>> print(np.round([gamma_poisson_probability(cells, Priors().of([0]), e, 7)[0] for e in (0, 28)], 4))
        [0.357  0.2311]

    References:
        .. [1] Ehrenberg (1959). The pattern of consumer purchases. Applied Statistics 8(1), 26-41.
    """
    shape, days = _rate(cells, prior, elapsed)
    chance: Reals = -np.expm1(-shape * np.log1p(np.asarray(horizon, np.float64) / days))
    return chance


def window_probability(cells: Cells, prior: CategoryPrior, posterior: Posterior, length: int) -> Reals:
    """Compute the share of all windows of `length` days that hold a trip, at the pair's own rate.

    It is what a date has to beat. A window holds a trip if it begins less than `length` days before one, so
    that the share is the rate of trips times the mean of min(D, `length`) [1]_. The rate is that of the
    Gamma-Poisson model as of the last trip.

    Args:
        cells: (k, 11) statistics, with at least one trip.
        prior: Prior of the cells' categories, from `Priors.of`.
        posterior: Predictive distribution of ln D, from `interval_posterior`.
        length: Days of a window, 1 or more.

    Returns:
        (k,) shares, at most 1.

    Examples:
        >>> from models.learning.priors import Priors
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in range(0, 210, 14):
        ...     cells = observe(cells, day, 1.0)
        >>> prior = Priors().of([0])
        >>> print(np.round(window_probability(cells, prior, interval_posterior(cells, prior), 7), 2))
        [0.43]

    References:
        .. [1] Cox (1962). Renewal Theory, ch. 5 (forward recurrence times).
    """
    shape, days = _rate(cells, prior, 0)
    reached = Posterior(posterior.location[..., None], posterior.spread[..., None])
    mean = length - interval_cdf(reached, np.arange(length)).sum(axis=-1)
    share: Reals = np.minimum(shape / days * mean, 1.0)
    return share


def _rate(cells: Cells, prior: CategoryPrior, elapsed: ArrayLike) -> tuple[Reals, Reals]:
    """Return shape A and days B of the Gamma posterior of a cell's rate of trips, whose mean is A / B."""
    values = cells.astype(np.float64)
    passed = np.asarray(elapsed, np.float64)
    age = values[:, Statistic.LAST_DAY] - values[:, Statistic.FIRST_DAY] + passed
    decayed = values[:, Statistic.DECAYED_112] * np.exp2(-passed / RATE_HALF_LIFE)
    trips = np.maximum(decayed - np.exp2(-age / RATE_HALF_LIFE), 0.0)
    watched = RATE_HALF_LIFE / np.log(2.0) * -np.expm1(-np.log(2.0) * age / RATE_HALF_LIFE)
    shape = trips + RATE_PRIOR_DAYS * RATE_PRIOR_FACTOR * np.exp(-prior.location)
    return shape, watched + RATE_PRIOR_DAYS


def purchase_probability(cells: Cells, prior: CategoryPrior, elapsed: ArrayLike, horizon: ArrayLike) -> Reals:
    """Compute P(a trip within `horizon` days) as the mean of both models' logits.

    Each model's probability is kept within 1e-6 of 0 and 1.

    Args:
        cells: (k, 11) statistics, with at least one trip.
        prior: Prior of the cells' categories, from `Priors.of`.
        elapsed: Whole days since the last trip.
        horizon: Days ahead, above 0.

    Examples:
        >>> from models.learning.priors import Priors
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (0, 7, 14, 21):
        ...     cells = observe(cells, day, 1.0)
        >>> prior = Priors().of([0])
        >>> print(np.round([purchase_probability(cells, prior, e, 7)[0] for e in (0, 7, 28)], 4))
        [0.3093 0.3447 0.2516]
    """
    renewal = renewal_probability(interval_posterior(cells, prior), elapsed, horizon)
    return mean_of_logits(renewal, gamma_poisson_probability(cells, prior, elapsed, horizon))


def mean_of_logits(one: Reals, other: Reals) -> Reals:
    """Compute the probability whose logit is the mean of two others' logits.

    Both probabilities are kept within 1e-6 of 0 and 1.

    >>> print(np.round(mean_of_logits(np.array([0.5]), np.array([0.9])), 3))
    [0.75]
    """
    low, high = 1e-6, 1 - 1e-6
    first, second = np.clip(one, low, high), np.clip(other, low, high)
    odds: Reals = np.sqrt(first / (1 - first) * (second / (1 - second)))
    return odds / (1 + odds)
