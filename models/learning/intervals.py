"""How a customer uses up a category: interval statistics, and what closed forms make of them.

A *trip* is a business day on which the customer bought the category (net quantity above 0); the *interval* D
is the number of whole days between two consecutive trips, 1 at least. Per (customer, category) thirteen
numbers are kept, one row of a float32 matrix with the columns of `Statistic`. Each step reads them as float64
and rounds once, so that results do not depend on how a ledger cuts its work.

Two models read a row. The *renewal* model takes ln D as normal; its location and spread are shrunk to what
`models.learning.priors` knows of the category, and a small share of intervals never ends (the customer has
lapsed). The *Gamma-Poisson* model takes trips as a Poisson stream whose rate is seen through a decayed count.
The first knows when a customer is due, the second how habits move: `purchase_probability` is the mean of
their logits. Formulas and sources: docs/models.md.

Lengths are days, rates trips a day, probabilities 0 to 1; every function works on arrays that broadcast.
"""

from __future__ import annotations

from enum import IntEnum
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.learning.normal import cdf, survival

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Cells = NDArray[np.float32]
    Reals = NDArray[np.float64]

HALF_LIVES = (14.0, 28.0, 56.0, 112.0)
"""Half-lives, in days, of the four decayed counts of trips: a fortnight's habit to a season's."""
RECENCY_WEIGHT = 0.3
"""Weight of the newest value in `ewma_*` and `quantity`; the last two values hold half of a mean."""
LOCATION_PSEUDO_COUNT = 1.5
"""The category's mean of ln D counts as this many intervals. More follows the category, less the customer."""
UNSEEN_SHIFT = 0.75
"""Added to the category's location of ln D. A history of months shows the short ones of a customer's
intervals, and those who show three soonest are not as quick as they look: without it, chances of cells with
few trips are said too high by up to a third. More makes alerts of such cells later and rarer."""
SPREAD_PSEUDO_COUNT = 8.0
"""The category's variance of ln D counts as this many degrees of freedom: a cell's own is noise below ten."""
RECENT_SHARE = 0.5
"""Share of the recency-weighted mean in the evidence on location; the plain mean has the rest."""
LAPSE = 0.03
"""Share of intervals that never end."""
RATE_HALF_LIFE = 112.0
"""Days; which decayed count the Gamma-Poisson model reads."""
RATE_PRIOR_DAYS = 28.0
"""The prior rate counts as this many days of watching."""
RATE_PRIOR_FACTOR = 0.25
"""Prior rate over exp(-location of the category): pairs that stopped buying never show in intervals."""


class Statistic(IntEnum):
    """Columns of a cell: the statistics of one (customer, category). All 0 before the first trip."""

    PURCHASES = 0
    """Trips so far."""
    FIRST_DAY = 1
    """Business day of the first trip, days since 2000-01-01."""
    LAST_DAY = 2
    """Business day of the last trip."""
    LAST_INTERVAL = 3
    """D of the last two trips; 0 with fewer."""
    SUM_LOG = 4
    """Sum of ln D."""
    SUM_LOG2 = 5
    """Sum of (ln D)^2."""
    EWMA_INTERVAL = 6
    """Mean of D weighted by recency; 0 before there is an interval, as `EWMA_LOG`."""
    EWMA_LOG = 7
    """Mean of ln D weighted by recency."""
    DECAYED_14 = 8
    """Trips weighted by 2^(-age / 14 days) as of the last trip, which counts 1; the next three alike."""
    DECAYED_28 = 9
    DECAYED_56 = 10
    DECAYED_112 = 11
    QUANTITY = 12
    """Units a trip, weighted by recency."""


class CategoryPrior(NamedTuple):
    """Columns for k categories."""

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
        cells: (k, 13) statistics before the trip, untouched.
        day: business day of the trip, one or (k,), later than each cell's last.
        quantity: units bought on that day, one or (k,), above 0.

    Returns:
        (k, 13) statistics after it.

    Raises:
        ValueError: a trip is not later than the one before it.

    Examples:
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (6210, 6217, 6231):
        ...     cells = observe(cells, day, 2.0)
        >>> [float(cells[0, s]) for s in (Statistic.PURCHASES, Statistic.LAST_INTERVAL)]
        [3.0, 14.0]
        >>> print(f"{cells[0, Statistic.EWMA_INTERVAL]:.2f} {cells[0, Statistic.DECAYED_14]:.3f}")
        9.10 1.854
    """
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
    log = np.log(np.maximum(gap, 1.0))
    new[:, Statistic.PURCHASES] += 1
    new[:, Statistic.FIRST_DAY] = np.where(known, old[:, Statistic.FIRST_DAY], today)
    new[:, Statistic.LAST_DAY] = today
    new[:, Statistic.LAST_INTERVAL] = gap
    new[:, Statistic.SUM_LOG] += log
    new[:, Statistic.SUM_LOG2] += log**2
    for column, value in ((Statistic.EWMA_INTERVAL, gap), (Statistic.EWMA_LOG, log)):
        moved = old[:, column] + RECENCY_WEIGHT * (value - old[:, column])
        new[:, column] = np.where(first_interval, value, moved)
    for offset, half_life in enumerate(HALF_LIVES):
        column_index = Statistic.DECAYED_14 + offset
        new[:, column_index] = old[:, column_index] * np.exp2(-gap / half_life) + 1.0
    moved = old[:, Statistic.QUANTITY] + RECENCY_WEIGHT * (units - old[:, Statistic.QUANTITY])
    new[:, Statistic.QUANTITY] = np.where(known, moved, units)
    return new.astype(np.float32)


def interval_posterior(cells: Cells, prior: CategoryPrior) -> Posterior:
    """What the next ln D of each cell is expected to be, shrunk to its category.

    With n intervals, their mean m (half plain, half weighted by recency), the sum of squares SS about the
    plain mean, and the category's location mu and variance w: location = (n m + 1.5 (mu + .75)) / (n + 1.5),
    variance = (SS + 8 w) / (n - 1 + 8), and the prediction's spread adds the doubt about the location [1]_.

    Args:
        cells: (k, 13) statistics.
        prior: columns of `Priors.of` for the cells' categories.

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
    values = cells.astype(np.float64)
    count = np.maximum(values[:, Statistic.PURCHASES] - 1, 0.0)
    mean = values[:, Statistic.SUM_LOG] / np.maximum(count, 1.0)
    squares = np.maximum(values[:, Statistic.SUM_LOG2] - count * mean**2, 0.0)
    evidence = mean + RECENT_SHARE * (values[:, Statistic.EWMA_LOG] - mean)
    weight = count + LOCATION_PSEUDO_COUNT
    location = (count * evidence + LOCATION_PSEUDO_COUNT * (prior.location + UNSEEN_SHIFT)) / weight
    variance = (squares + SPREAD_PSEUDO_COUNT * prior.variance) / (
        np.maximum(count - 1, 0.0) + SPREAD_PSEUDO_COUNT
    )
    return Posterior(location, np.sqrt(variance * (1 + 1 / weight)))


def interval_cdf(posterior: Posterior, days: ArrayLike) -> Reals:
    """P(D <= days) of one that has not lapsed: the log-normal at days + 1/2, and 0 below a day.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round(interval_cdf(one, [0, 6, 7]), 4))
    [0.     0.4411 0.5549]
    """
    whole = np.floor(np.asarray(days, np.float64))
    reached = cdf((np.log(np.maximum(whole, 1.0) + 0.5) - posterior.location) / posterior.spread)
    return np.where(whole >= 1, reached, 0.0)


def renewal_survival(posterior: Posterior, elapsed: ArrayLike, lapse: float = LAPSE) -> Reals:
    """P(D > elapsed): `lapse` + (1 - `lapse`) of the log-normal tail; 1 at the start.

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
    """P(D <= elapsed + horizon | D > elapsed): a trip within `horizon` days after `elapsed` without one.

    Args:
        posterior: of ln D.
        elapsed: whole days since the last trip, 0 at its own day's end.
        horizon: days ahead, 0 or more.
        lapse: share of intervals that never end, above 0.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round(renewal_probability(one, [0, 5, 60], 7), 3))
    [0.538 0.785 0.   ]
    """
    passed = np.floor(np.asarray(elapsed, np.float64))
    now = renewal_survival(posterior, passed, lapse)
    later = renewal_survival(posterior, passed + np.asarray(horizon, np.float64), lapse)
    return (now - later) / now


def renewal_quantile(posterior: Posterior, share: float, lapse: float = LAPSE) -> Reals:
    """Days within which `share` of the intervals end, the lapsed among them: not rounded, 1 at least.

    Args:
        posterior: of ln D.
        share: above 0 and below 1 - `lapse`.
        lapse: share of intervals that never end.

    Raises:
        ValueError: so large a share never ends.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> print(np.round([renewal_quantile(one, q)[0] for q in (0.1, 0.5, 0.9)], 2))
    [ 3.72  7.14 14.52]
    """
    if not 0 < share < 1 - lapse:
        raise ValueError(f"share must lie between 0 and {1 - lapse}, not {share}")
    z = NormalDist().inv_cdf(share / (1 - lapse))
    return np.maximum(np.exp(posterior.location + z * posterior.spread), 1.0)


def renewal_interval(
    posterior: Posterior, coverage: float = 0.8
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole days (earliest, latest) that hold the next trip with probability `coverage`, tails alike.

    >>> one = Posterior(np.log([7.0]), np.array([0.5]))
    >>> [int(days[0]) for days in renewal_interval(one)]
    [4, 15]
    """
    tail = (1 - coverage) / 2
    earliest, latest = (np.rint(renewal_quantile(posterior, share)) for share in (tail, 1 - tail))
    return earliest.astype(np.int64), latest.astype(np.int64)


def gamma_poisson_probability(
    cells: Cells, prior: CategoryPrior, elapsed: ArrayLike, horizon: ArrayLike
) -> Reals:
    """P(a trip within `horizon` days) from the decayed count: Poisson trips, their rate Gamma [1]_.

    The belief is Gamma(A, B): A the decayed count without the first trip, which only began the watching, plus
    prior trips; B the decayed days watched plus prior days. Then P = 1 - (B / (B + horizon))^A.

    Args:
        cells: (k, 13) statistics, one trip at least.
        prior: columns of `Priors.of` for the cells' categories.
        elapsed: whole days since the last trip.
        horizon: days ahead, 0 or more.

    Examples:
        >>> from models.learning.priors import Priors
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (0, 7, 14, 21):
        ...     cells = observe(cells, day, 1.0)
        >>> print(np.round([gamma_poisson_probability(cells, Priors().of([0]), e, 7)[0] for e in (0, 28)], 4))
        [0.3569 0.231 ]

    References:
        .. [1] Ehrenberg (1959). The pattern of consumer purchases. Applied Statistics 8(1), 26-41.
    """
    values = cells.astype(np.float64)
    passed = np.asarray(elapsed, np.float64)
    age = values[:, Statistic.LAST_DAY] - values[:, Statistic.FIRST_DAY] + passed
    decayed = values[:, Statistic.DECAYED_112] * np.exp2(-passed / RATE_HALF_LIFE)
    trips = np.maximum(decayed - np.exp2(-age / RATE_HALF_LIFE), 0.0)
    watched = RATE_HALF_LIFE / np.log(2.0) * -np.expm1(-np.log(2.0) * age / RATE_HALF_LIFE)
    shape = trips + RATE_PRIOR_DAYS * RATE_PRIOR_FACTOR * np.exp(-prior.location)
    days = watched + RATE_PRIOR_DAYS
    chance: Reals = -np.expm1(-shape * np.log1p(np.asarray(horizon, np.float64) / days))
    return chance


def purchase_probability(cells: Cells, prior: CategoryPrior, elapsed: ArrayLike, horizon: ArrayLike) -> Reals:
    """P(a trip within `horizon` days): the mean of the two models' logits, each kept within 1e-6 of 0 and 1.

    Args:
        cells: (k, 13) statistics, one trip at least.
        prior: columns of `Priors.of` for the cells' categories.
        elapsed: whole days since the last trip.
        horizon: days ahead, above 0.

    Examples:
        >>> from models.learning.priors import Priors
        >>> cells = np.zeros((1, len(Statistic)), np.float32)
        >>> for day in (0, 7, 14, 21):
        ...     cells = observe(cells, day, 1.0)
        >>> prior = Priors().of([0])
        >>> print(np.round([purchase_probability(cells, prior, e, 7)[0] for e in (0, 7, 28)], 4))
        [0.3093 0.3446 0.2515]
    """
    renewal = renewal_probability(interval_posterior(cells, prior), elapsed, horizon)
    return mean_of_logits(renewal, gamma_poisson_probability(cells, prior, elapsed, horizon))


def mean_of_logits(one: Reals, other: Reals) -> Reals:
    """The probability whose logit is the mean of two others', each kept within 1e-6 of 0 and 1.

    >>> print(np.round(mean_of_logits(np.array([0.5]), np.array([0.9])), 3))
    [0.75]
    """
    low, high = 1e-6, 1 - 1e-6
    first, second = np.clip(one, low, high), np.clip(other, low, high)
    odds: Reals = np.sqrt(first / (1 - first) * (second / (1 - second)))
    return odds / (1 + odds)
