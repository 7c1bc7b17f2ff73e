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

from benchmarks.quality.log.outlook import WEEK
from benchmarks.quality.log.windows import FIRST_DATE, end_of
from benchmarks.quality.tables.table import Table
from models.learning.rfm import SEGMENTS
from streams.sources.complete_journey import TIME_ZONE
from tests.support.ledgers import exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.journey import Journey
    from benchmarks.quality.log.ours import Standing
    from benchmarks.quality.log.outlook import Clustered
    from benchmarks.quality.log.windows import Window

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

RANDOM_INSTANTS: Final = 10
SEED: Final = 40
SUNDAY, WEDNESDAY = (6, 20), (2, 12)
"""Weekday, Monday first, and hour of New York at which labels are asked every week."""
CLUSTERS: Final = 8
STARTS: Final = 10


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


def inertia(values: Reals, centers: Reals) -> float:
    """Return the sum of squared distances to the nearest centre.

    >>> inertia(np.array([[0.0], [1.0], [10.0]]), np.array([[0.0], [10.0]]))
    1.0
    """
    squares = ((values[:, None, :] - centers[None]) ** 2).sum(axis=2)
    return float(squares.min(axis=1).sum())


def fitted(values: Reals, *, starts: int, seed: int = SEED) -> tuple[Reals, Integers]:
    """Return the (8, f) centres of scikit-learn's k-means, and the cluster of each customer."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - of the benchmark's own group of packages

    found = KMeans(CLUSTERS, n_init=starts, random_state=seed).fit(values)
    return found.cluster_centers_, found.labels_.astype(np.int64)


def table_of_clusters(days: Sequence[int], ours: Mapping[str, Mapping[int, Sequence[Clustered]]]) -> Table:
    """Make table D of clusters, on the ledgers' own features.

    Inertia is relative to that of k-means with ten starts on the same customers of the same partition, and
    identity is the share of customers with the same number a week later.

    Args:
        days: Days at whose end clusters are judged.
        ours: Customers of each partition at the end of days, by name of the ledger.
    """
    table = Table(
        f"D. Clusters (k = {CLUSTERS}), inertia by that of k-means with ten starts; same number a week later",
        tuple(f"{what}, day {day}" for day in days for what in ("inertia", "same")),
    )
    for name, by_day in ours.items():
        rows: dict[str, list[float | None]] = {
            each: [] for each in (name, f"k-means, ten starts ({name})", f"k-means, one start ({name})")
        }
        for day in days:
            parts, before = by_day[day], by_day[day - WEEK]
            fits = [fitted(part.values, starts=STARTS) for part in parts]
            earlier = [fitted(part.values, starts=STARTS)[1] for part in before]
            best = sum(inertia(part.values, centres) for part, (centres, _) in zip(parts, fits, strict=True))
            own = sum(inertia(part.values, part.centres) for part in parts)
            alone = [
                sum(inertia(part.values, fitted(part.values, starts=1, seed=seed)[0]) for part in parts)
                for seed in range(STARTS)
            ]
            now = [part.clusters for part in parts], [part.clusters for part in before]
            anew = [labels for _, labels in fits], earlier
            here, then = ([part.households for part in each] for each in (parts, before))
            figures: list[tuple[float | None, float | None]] = [
                (own / best if parts else None, _same(here, then, *now)),
                (1.0 if parts else None, _same(here, then, *anew)),
                (float(np.median(alone)) / best if parts else None, None),
            ]
            for row, cells in zip(rows.values(), figures, strict=True):
                row.extend(cells)
        for each, row in rows.items():
            table.add(each, *row)
        missing = [day for day in days if not by_day[day]]
        if missing:
            table.notes.append(f"{name}: too few customers a partition for clusters at days {missing}")
    return table


def _same(
    here: Sequence[Integers],
    then: Sequence[Integers],
    now: Sequence[Integers],
    before: Sequence[Integers],
) -> float | None:
    """Return the share of households of both days that have one number on both; None without any."""
    numbers = {
        household: number
        for households, labels in zip(then, before, strict=True)
        for household, number in zip(households.tolist(), labels.tolist(), strict=True)
    }
    same = [
        numbers[household] == number
        for households, labels in zip(here, now, strict=True)
        for household, number in zip(households.tolist(), labels.tolist(), strict=True)
        if household in numbers
    ]
    return float(np.mean(same)) if same else None
