"""Hit share of recommendations on the next trip, compared with the most popular categories.

A *trip* is a business day on which a customer bought something that is consumed. The last recommendation
before the day began is judged. The recommendation hits if at least one of the ten categories was bought.
Trips before the first recommendation are left out. The list of popular categories is counted for every day
from all trips before it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cartpulse.demo.received import Recommended

ITEMS = 10
"""Largest number of recommendations, and number of popular categories."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Purchases of consumed categories, ordered by day and customer, each category of a trip once.

    Args:
        customers: (n,) numbers of customers.
        categories: (n,) numbers of categories.
        days: (n,) day numbers, ascending.
        names: Category names by number.
    """

    customers: NDArray[np.int64]
    categories: NDArray[np.int64]
    days: NDArray[np.int64]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class NextTrips:
    """Shares of trips that hold one of the ten; None where there was no trip to judge."""

    trips: int
    hit_share: float | None
    popular_hit_share: float | None


def judge_next_trips(
    trips: Trips, received: Mapping[str, Sequence[Recommended]], begin_of: Callable[[int], float]
) -> NextTrips:
    """Compare the recommendations with the trips that followed.

    Args:
        trips: Purchases of all customers.
        received: Customer -> recommendations in order of event time.
        begin_of: Returns the instant at which a day begins, in seconds since 1970 UTC.
    """
    counts = np.zeros(len(trips.names), np.int64)
    judged = hits = popular_hits = 0
    instants = {customer: [each.instant for each in given] for customer, given in received.items()}
    # Days come in order, so `counts` holds exactly the trips before the day that is judged.
    for first, last in _runs(trips.days):
        begin = begin_of(int(trips.days[first]))
        popular = set(np.argsort(-counts, kind="stable")[:ITEMS].tolist())
        customers, categories = trips.customers[first:last], trips.categories[first:last]
        for start, stop in _runs(customers):
            customer = str(customers[start])
            given = bisect_left(instants.get(customer, []), begin)
            if given:
                bought = categories[start:stop].tolist()
                names = {trips.names[number] for number in bought}
                judged += 1
                hits += not names.isdisjoint(received[customer][given - 1].categories)
                popular_hits += not popular.isdisjoint(bought)
        counts += np.bincount(categories, minlength=len(counts))
    if not judged:
        return NextTrips(0, None, None)
    return NextTrips(judged, hits / judged, popular_hits / judged)


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return first index and end of each run of equal values."""
    bounds = [*np.flatnonzero(np.diff(values, prepend=-1)).tolist(), len(values)]
    return list(pairwise(bounds))
