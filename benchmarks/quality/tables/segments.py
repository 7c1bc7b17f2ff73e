"""D: labels against an exact batch computation at instants, and clusters.

The exact label ranks the last basket, purchase days and sales of all households known at the instant. A label
is the ledger's as read then. Beside it stand what a batch would still say one day and seven days later, and
labels given at the household's own last purchase, which are not revised until the next.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.quality.log.windows import FIRST_DATE, end_of
from benchmarks.quality.tables.table import NOT_BUILT, Table
from models.learning.rfm import SEGMENTS
from streams.sources.complete_journey import TIME_ZONE
from tests.support.ledgers import exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.journey import Journey
    from benchmarks.quality.log.ours import Standing
    from benchmarks.quality.log.windows import Window

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

RANDOM_INSTANTS: Final = 10
SEED: Final = 40
SUNDAY, WEDNESDAY = (6, 20), (2, 12)
"""Weekday, Monday first, and hour of New York at which labels are asked every week."""
CLUSTERS: Final = 8
STARTS: Final = 10
RECENT_DAYS: Final = 56
"""Half-life, in days, of what clusters look at: a habit that is over fades."""
FEATURES: Final = (
    "ln trips a week",
    "ln basket value",
    "ln items",
    "ln mean gap",
    "produce",
    "meat",
    "non-food",
    "discount",
)
PRODUCE: Final = ("PRODUCE",)
MEAT: Final = ("MEAT", "MEAT-PCKGD", "SEAFOOD", "SEAFOOD-PCKGD")
NON_FOOD: Final = ("DRUG GM", "COSMETICS", "NUTRITION", "GARDEN CENTER", "FLORAL")


_LABELS: Final = np.array([[exact.rfm_label(recency, value) for value in range(6)] for recency in range(6)])
"""Label by the scores of recency and of value, 1 to 5 each."""


class Labels(NamedTuple):
    """Exact labels of the households known at an instant, in order of their numbers."""

    households: Integers
    labels: Integers


class Baskets(NamedTuple):
    """Baskets in order of time."""

    households: Integers
    times: Integers
    """ms since 1970 UTC."""
    days: Integers
    cents: Integers


def instants_of(window: Window) -> list[int]:
    """Return the instants of a window in ascending order, ms since 1970 UTC."""
    days = range(end_of(window.instants[0] - 1), end_of(window.instants[1]))
    found = [
        _instant(day, hour)
        for day in days
        for weekday, hour in (SUNDAY, WEDNESDAY)
        if (FIRST_DATE + timedelta(days=day)).weekday() == weekday
    ]
    random = np.random.default_rng(SEED)
    low, high = _instant(days.start, 0), _instant(days.stop, 0)
    found += (random.integers(low // 1000, high // 1000, RANDOM_INSTANTS) * 1000).tolist()
    return sorted(found)


def _instant(day: int, hour: int) -> int:
    moment = datetime.combine(FIRST_DATE + timedelta(days=day), time(hour), ZoneInfo(TIME_ZONE))
    return int(moment.timestamp()) * 1000


def baskets_of(journey: Journey) -> Baskets:
    """Sum the lines of each basket up; what is not consumed counts too."""
    first = np.flatnonzero(np.diff(journey.baskets, prepend=-1))
    cents = np.add.reduceat(journey.cents, first) if len(first) else journey.cents
    return Baskets(journey.households[first], journey.times[first], journey.days[first], cents)


def exact_labels(baskets: Baskets, instant: int) -> Labels:
    """Compute the labels of all baskets up to an instant, ms since 1970 UTC."""
    known = baskets.times <= instant
    who, place = np.unique(baskets.households[known], return_inverse=True)
    last = np.zeros(len(who), np.int64)
    np.maximum.at(last, place, baskets.times[known])
    spend = np.bincount(place, baskets.cents[known], len(who)).astype(np.int64)
    visits = np.unique(place * exact.DAYS + baskets.days[known]) // exact.DAYS
    frequency = np.bincount(visits, minlength=len(who))
    scores = np.stack([exact.quintile_scores(column) for column in (last, frequency, spend)])
    return Labels(who, _LABELS[scores[0], (scores[1] + scores[2] + 1) // 2])


def agreement(labels: Labels, households: Integers, said: Integers) -> float:
    """Return the share of exactly labelled households for whom the same is said."""
    place = np.minimum(np.searchsorted(households, labels.households), max(len(households) - 1, 0))
    same = (households[place] == labels.households) & (said[place] == labels.labels)
    return float(same.mean())


def at_last_purchase(baskets: Baskets, instant: int, every: Sequence[Labels]) -> tuple[Integers, Integers]:
    """Return households and the label that each got at the end of the last purchase day up to an instant.

    Args:
        baskets: All baskets.
        instant: Last instant known.
        every: Exact labels at the end of each day, from day 0.
    """
    known = baskets.times <= instant
    who, place = np.unique(baskets.households[known], return_inverse=True)
    last = np.zeros(len(who), np.int64)
    np.maximum.at(last, place, baskets.days[known])
    said = np.full(len(who), -1)
    for day in np.unique(last).tolist():
        here = last == day
        of_day = every[day]
        said[here] = of_day.labels[np.searchsorted(of_day.households, who[here])]
    return who, said


def table_of_labels(
    journey: Journey, instants: Sequence[int], standings: Mapping[str, Mapping[int, Standing]]
) -> Table:
    """Make table D of labels.

    Args:
        journey: Lines.
        instants: Instants, ms since 1970 UTC.
        standings: What ledgers said, by name and instant.
    """
    baskets = baskets_of(journey)
    last = int(baskets.days[baskets.times <= max(instants)].max())
    ends = [exact_labels(baskets, _instant(number + 1, 0) - 1) for number in range(last + 1)]
    shares: dict[str, list[float]] = {}
    same: dict[str, list[float]] = {}
    for instant in instants:
        labels = exact_labels(baskets, instant)
        for name, back in (("exact", 0), ("exact, a day old", 1), ("exact, seven days old", 7)):
            old = exact_labels(baskets, instant - back * exact.DAY_MS)
            shares.setdefault(name, []).append(agreement(labels, *old))
        own = at_last_purchase(baskets, instant, ends)
        shares.setdefault("exact, at the last purchase", []).append(agreement(labels, *own))
        for name, said in standings.items():
            one = said[instant]
            shares.setdefault(name, []).append(agreement(labels, one.households, one.labels))
            same.setdefault(name, []).append(float(np.mean(one.segments == one.labels)))
    table = Table(f"D. Labels against an exact batch, {len(instants)} instants", ("agreement, mean", "worst"))
    for name, found in shares.items():
        table.add(name, float(np.mean(found)), min(found))
    for name, found in same.items():
        table.notes.append(f"{name}: the reported segment is the label for {np.mean(found):.3f} on average")
    newest = max(instants)
    shown = {"exact": exact_labels(baskets, newest).labels}
    shown |= {f"{name}, reported": said[newest].segments for name, said in standings.items()}
    for name, numbers in shown.items():
        counts = np.bincount(numbers[numbers >= 0], minlength=len(SEGMENTS))
        each = zip(SEGMENTS, (counts / max(counts.sum(), 1)).tolist(), strict=True)
        text = ", ".join(f"{segment} {share:.3f}" for segment, share in each)
        table.notes.append(f"shares at the last instant, {name}: {text}")
    return table


def features(journey: Journey, day: int) -> tuple[Integers, Reals]:
    """Return households and the (k, 8) features of clusters before a day, everything decayed to it.

    A basket is here a household's business day.
    """
    known = journey.before(day)
    who, place = np.unique(known.households, return_inverse=True)
    weight = np.exp2(-(day - 1 - known.days) / RECENT_DAYS)
    # (t,) trips: household, day, decayed weight
    trips = np.unique(place * exact.DAYS + known.days)
    owner, days = np.divmod(trips, exact.DAYS)
    faded = np.exp2(-(day - 1 - days) / RECENT_DAYS)
    count = np.bincount(owner, faded)
    cents = known.cents.astype(np.float64)
    spend = np.bincount(place, weight * cents)
    items = np.bincount(place, weight)
    again = np.diff(owner, prepend=-1) == 0
    gaps = np.where(again, np.diff(days, prepend=0), 0)
    gap = np.bincount(owner, faded * gaps) / np.maximum(np.bincount(owner, faded * again), 1e-9)
    gap = np.where(gap > 0, gap, day - days[np.searchsorted(owner, np.arange(len(who)))])

    def share(departments: tuple[str, ...]) -> Reals:
        inside = np.isin(known.departments, departments)
        part: Reals = np.bincount(place, weight * cents * inside) / np.maximum(spend, 1)
        return part

    off = np.bincount(place, weight * known.discount_cents)
    watched = RECENT_DAYS / np.log(2) * -np.expm1(-np.log(2) * day / RECENT_DAYS)
    return who, np.stack(
        [
            np.log(count / watched * 7 + 1e-3),
            np.log(np.maximum(spend / count / 100, 0.01)),
            np.log(items / count),
            np.log(gap + 1),
            share(PRODUCE),
            share(MEAT),
            share(NON_FOOD),
            off / np.maximum(spend + off, 1),
        ],
        axis=1,
    )


def standardised(values: Reals) -> Reals:
    """Return columns with mean 0 and standard deviation 1."""
    scaled: Reals = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    return scaled


def inertia(values: Reals, centers: Reals) -> float:
    """Return the sum of squared distances to the nearest centre.

    >>> inertia(np.array([[0.0], [1.0], [10.0]]), np.array([[0.0], [10.0]]))
    1.0
    """
    squares = ((values[:, None, :] - centers[None]) ** 2).sum(axis=2)
    return float(squares.min(axis=1).sum())


def fitted(values: Reals, *, starts: int, seed: int = SEED) -> Reals:
    """Return the (8, f) centres of scikit-learn's k-means."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - of the benchmark's own group of packages

    centers: Reals = KMeans(CLUSTERS, n_init=starts, random_state=seed).fit(values).cluster_centers_
    return centers


def table_of_clusters(journey: Journey, days: Sequence[int], ours: Sequence[str]) -> Table:
    """Make table D of clusters: inertia relative to k-means of ten starts on the same day.

    Args:
        journey: Lines.
        days: First unknown days.
        ours: Names of ledgers, which have no clusters yet.
    """
    table = Table(
        f"D. Clusters (k = {CLUSTERS}, {len(FEATURES)} features), inertia by that of k-means with ten starts",
        tuple(f"day {day - 1}" for day in days),
    )
    rows: dict[str, list[float]] = {name: [] for name in ("ten starts", "one start", "centres of a week ago")}
    for day in days:
        values = standardised(features(journey, day)[1])
        best = inertia(values, fitted(values, starts=STARTS))
        rows["ten starts"].append(1.0)
        alone = [inertia(values, fitted(values, starts=1, seed=seed)) for seed in range(STARTS)]
        rows["one start"].append(float(np.median(alone)) / best)
        before = fitted(standardised(features(journey, day - 7)[1]), starts=STARTS)
        rows["centres of a week ago"].append(inertia(values, before) / best)
    for name, cells in rows.items():
        table.add(f"k-means, {name}", *cells)
    for name in ours:
        table.add(name, *[NOT_BUILT] * len(days))
    return table
