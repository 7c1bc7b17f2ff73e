"""C: what the next trip buys. A trip is a household's business day; all that it bought is the truth.

Every trip of the window is judged whose household had three before it. Lists know the days before the trip's.
Counts are the household's own; ties, and places that own names leave empty, go to what was popular so far.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks.quality.baselines.additive import Additive, places_of
from benchmarks.quality.log.journey import DAYS
from benchmarks.quality.measures import scores
from benchmarks.quality.tables.next_purchase import compared
from benchmarks.quality.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.journey import Bought

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Lists = Callable[[int, int], Sequence[int]]
    """Household and day to the names that were recommended last before the day, the likeliest first."""

ITEMS: Final = 10
DECAY: Final = 0.97
FAST_DECAY: Final = 0.8
"""Factor per trip of the count that tells the additive model of the last few trips."""
LEAST_TRIPS: Final = 3
"""Trips of a household before the first that is judged."""
DECAYED: Final = "counts decayed .97 per trip"
OWN: Final = "own counts, then popularity"
ADDITIVE: Final = "binned additive model"
POPULAR: Final = "popularity"
_DISCOUNT: Final = 1 / np.log2(np.arange(2, ITEMS + 2))
_IDEAL: Final = np.concatenate([[0.0], np.cumsum(_DISCOUNT)])


class Score(NamedTuple):
    """Figures of one list against one trip."""

    recall: float
    ndcg: float
    hit: float


class Judged(NamedTuple):
    """Figures of t trips."""

    households: Integers
    scores: dict[str, Reals]
    """By model (t, 3): recall, NDCG and hit."""
    names: Integers
    """Names that the level had by the end."""


def score(given: Sequence[int], truth: set[int]) -> Score:
    """Hold a list against a trip, of which nothing is filtered.

    >>> [round(figure, 3) for figure in score([5, 7, 9], {7, 8})]
    [0.5, 0.387, 1.0]
    """
    found = np.array([name in truth for name in given[:ITEMS]], np.float64)
    gain = float(found @ _DISCOUNT[: len(found)]) / float(_IDEAL[min(len(truth), ITEMS)])
    return Score(float(found.sum()) / len(truth), gain, float(found.any()))


class _Household:
    """Names that a household bought, with counts: plain, and decayed .97 and .8 per trip."""

    def __init__(self) -> None:
        self.trips = 0
        self.places: dict[int, int] = {}
        self.names = np.zeros(16, np.int64)
        self.counts = np.zeros((3, 16))
        self.days = np.zeros((3, 16), np.int64)
        """Number of the last trip with the name, first and last day."""

    def columns(self, day: int) -> Reals:
        """Return the columns of an additive model, for a trip on a day."""
        size = len(self.places)
        return places_of(self.counts[:, :size], self.days[:, :size], trips=self.trips, day=day)

    def best(self, scores: Reals, popular: Integers, by_popularity: Sequence[int]) -> list[int]:
        """Return the ten names with the greatest scores; popular ones settle ties and fill empty places."""
        names = self.names[: len(self.places)]
        order = np.lexsort((names, -popular[names], -scores[: len(names)]))[:ITEMS]
        found: list[int] = names[order].tolist()
        for name in by_popularity:
            if len(found) == ITEMS:
                break
            if name not in self.places:
                found.append(name)
        return found

    def add(self, trip: Iterable[int], day: int) -> None:
        """Count a trip."""
        self.trips += 1
        self.counts[1] *= DECAY
        self.counts[2] *= FAST_DECAY
        for name in trip:
            place = self.places.setdefault(name, len(self.places))
            if place == len(self.names):
                self.names = np.concatenate([self.names, np.zeros_like(self.names)])
                self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)], axis=1)
                self.days = np.concatenate([self.days, np.zeros_like(self.days)], axis=1)
            if not self.counts[0, place]:
                self.names[place], self.days[1, place] = name, day
            self.counts[:, place] += 1
            self.days[0, place], self.days[2, place] = self.trips, day


def judge(bought: Bought, days: range, lists: Mapping[str, Lists]) -> Judged:
    """Go through all trips in order of days.

    Args:
        bought: Who bought what on which day.
        days: Days whose trips are judged.
        lists: Who recommends, by name.
    """
    order = np.lexsort((bought.names, bought.households, bought.days))
    day, who, what = bought.days[order], bought.households[order], bought.names[order]
    popular = np.zeros(int(what.max(initial=0)) + 1, np.int64)
    households: dict[int, _Household] = {}
    judged, found = list[int](), list[list[Score]]()
    model = Additive()
    for first, last in _runs(day):
        today = int(day[first])
        # popular among all trips of earlier days; as many as could be missing from a household's own
        most = np.argsort(-popular, kind="stable")[: 2 * ITEMS]
        by_popularity = most[popular[most] > 0].tolist()
        for start, stop in _runs(who[first:last]):
            household, trip = int(who[first + start]), what[first + start : first + stop].tolist()
            known = households.setdefault(household, _Household())
            if known.trips >= LEAST_TRIPS:
                truth, columns = set(trip), known.columns(today)
                if today in days:
                    given = [lister(household, today) for lister in lists.values()]
                    ranks = *known.counts[:2], model.score(columns)
                    given += [known.best(one, popular, by_popularity) for one in ranks]
                    given.append(by_popularity[:ITEMS])
                    found.append([score(one, truth) for one in given])
                    judged.append(household)
                model.observe(columns, np.isin(known.names[: len(known.places)], trip))
            known.add(trip, today)
        model.end_day()
        popular += np.bincount(what[first:last], minlength=len(popular))
    models = [*lists, OWN, DECAYED, ADDITIVE, POPULAR]
    figures = np.array(found, np.float64).reshape(len(judged), len(models), 3)
    return Judged(
        np.array(judged, np.int64),
        {name: figures[:, place] for place, name in enumerate(models)},
        popular,
    )


def asked_trips(bought: Bought, days: range) -> list[tuple[int, int]]:
    """Return household and day of every trip that is judged, in order of household and day."""
    trips = np.unique(bought.households * DAYS + bought.days)
    households, of_trip = np.divmod(trips, DAYS)
    number = np.arange(len(trips)) - np.searchsorted(households, households)
    judged = (number >= LEAST_TRIPS) & (of_trip >= days.start) & (of_trip < days.stop)
    return list(zip(households[judged].tolist(), of_trip[judged].tolist(), strict=True))


def table(level: str, judged: Judged, ours: Sequence[str]) -> Table:
    """Make table C of a level.

    Args:
        level: What is recommended.
        judged: Figures of the trips.
        ours: Names of the ledgers among the models.
    """
    table = Table(
        f"C. Next basket, {level.replace('_', ' ')}, {len(judged.households):,} trips",
        ("Recall@10", "NDCG@10", "PHR@10"),
    )
    for name, figures in judged.scores.items():
        table.add(name, *figures.mean(axis=0).tolist())
    for name, other in compared(ours, judged.scores):
        gains = [judged.scores[model][:, 1] for model in (name, other)]
        found = scores.difference(gains[0], gains[1], judged.households)
        table.notes.append(f"NDCG@10, {name} minus {other}: {found}")
    return table


def _runs(values: Integers) -> list[tuple[int, int]]:
    return list(pairwise([*np.flatnonzero(np.diff(values, prepend=-1)).tolist(), len(values)]))
