"""Recommendations: what a customer is likely to buy on the next trip, at each trip's first purchase.

What was bought before and what is new compete by one score (`models.recommendations.candidates`). They are
made anew when a purchase or return of a day that is open is applied, as if that day were closed; they are
emitted at the first purchase of a business day, and when the five best are others than before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.memory.ranking import NO_KEY, greatest
from models.recommendations import events as recommendation_events
from models.recommendations.candidates import (
    ITEMS,
    best_chance,
    open_trips,
    own_habits,
    some_of,
    something_new,
)
from models.recommendations.found import Recommended, Visits
from models.records.columns import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.recommendations.candidates import OpenTrips, Own
    from models.records.columns import Records
    from models.state.state import State
    from models.state.step import Step

    Integers = NDArray[np.int64]

LEADING = 5
"""The best so many: when they are others than before, that is news."""
_MOST_PLACES = 1 << 22
"""(customer, category) places of one look-up: 16 MB, and more categories mean fewer customers at a time."""

Answered = dict[int, tuple[int, ...]]
"""Customers (rows) and on what grounds they were answered last."""


def answer(
    step: Step, records: Records, which: Integers, rows: Integers, *, answered: Answered | None = None
) -> None:
    """Recommend something to customers whose baskets were just applied, where there is something to say.

    Args:
        step: The step being computed; open days and segments hold the baskets already.
        records: A run of records.
        which: (k,) indexes of applied records.
        rows: (k,) rows of their customers, each once.
        answered: On what grounds customers were answered since the last boundary, where more of their
            baskets may follow: who bought nothing else since, on no new trip, is not asked about. Changed.
    """
    state = step.state
    days = state.calendar.days(records.occurred_at[which])
    current = days > state.clock.begun
    which, rows, days = which[current], rows[current], days[current]
    most = max(_MOST_PLACES // (len(state.category_names) + 1), 1)
    for first in range(0, len(rows), most):
        part = slice(first, first + most)
        visits = Visits(which[part], rows[part], days[part], open_trips(state, rows[part]))
        if answered is not None:
            asked = np.flatnonzero(_changed(state, visits, answered) | _begins_trip(state, records, visits))
            if len(asked) < len(visits.rows):
                some, who = visits.which[asked], visits.rows[asked]
                visits = Visits(some, who, visits.days[asked], open_trips(state, who))
        if len(visits.rows):
            _answer(step, records, visits)


def _answer(step: Step, records: Records, visits: Visits) -> None:
    state, rows = step.state, visits.rows
    found = recommend(state, rows, visits.trips)
    leading = found.categories[:, :LEADING]
    hashes = np.where(leading > 0, state.category_names.hashes[leading], np.uint64(0)).sum(axis=1)
    customers = state.customers
    trip = _begins_trip(state, records, visits)
    said = np.flatnonzero((found.categories[:, 0] > 0) & (trip | (hashes != customers["recommended"][rows])))
    customers["recommended"][rows] = hashes
    customers["recommended_day"][rows] = np.where(trip, visits.days, customers["recommended_day"][rows])
    if len(said):
        step.counts["recommendations"] += len(said)
        recommendation_events.emit(step, records, visits, found, said)


def _begins_trip(state: State, records: Records, visits: Visits) -> NDArray[np.bool_]:
    """Which baskets are their customer's first purchase of a business day."""
    purchase = records.kinds[visits.which] == Kind.PURCHASE
    begins: NDArray[np.bool_] = purchase & (visits.days > state.customers["recommended_day"][visits.rows])
    return begins


def _changed(state: State, visits: Visits, answered: Answered) -> NDArray[np.bool_]:
    """Of which customers the grounds are others than they were answered on; takes the new ones down."""
    rows = visits.rows.tolist()
    grounds = _grounds(state, visits.rows, visits.trips)
    changed = np.array([answered.get(row) != ground for row, ground in zip(rows, grounds, strict=True)])
    answered.update(zip(rows, grounds, strict=True))
    return changed


def _grounds(state: State, rows: Integers, trips: OpenTrips) -> list[tuple[int, ...]]:
    """All that an answer rests on and that a basket may change: segment, open days and what they bought."""
    bought = np.zeros((2, len(rows)), np.uint64)
    for slot in (0, 1):
        np.add.at(bought[slot], trips.owners[slot], state.category_names.hashes[trips.categories[slot]])
    customers = state.customers
    open_days = customers["open_day"][rows]
    columns = (customers["segment"][rows], open_days[:, 0], open_days[:, 1], *bought)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def recommend(state: State, rows: Integers, trips: OpenTrips) -> Recommended:
    """The best for each customer, as if the open days were closed.

    Args:
        state: Of the partition.
        rows: (k,) customers.
        trips: What they bought on open days.
    """
    own = own_habits(state, rows, trips)
    best = greatest(own.keys, ITEMS)
    padded = ITEMS - best.shape[1]
    keys, categories, scores, cells = (
        np.pad(np.take_along_axis(column, best, axis=1), ((0, 0), (0, padded)), constant_values=empty)
        for column, empty in ((own.keys, NO_KEY), (own.categories, 0), (own.scores, 0), (own.cells, -1))
    )
    none = keys == NO_KEY
    categories[none], scores[none], cells[none] = 0, 0, -1
    found = Recommended(
        categories,
        scores,
        cells,
        np.zeros(categories.shape, bool),
        np.zeros(categories.shape, np.float32),
        np.zeros(categories.shape, np.int64),
    )
    places = state.settings.recommendation_discoveries
    open_to_new = np.flatnonzero(
        none[:, -1] | (best_chance(state, own, categories, scores) >= scores[:, -1]) | (places > 0)
    )
    if len(open_to_new):
        _mix(state, some_of(own, open_to_new), found, keys, open_to_new)
    return found


def _mix(state: State, own: Own, found: Recommended, keys: Integers, which: Integers) -> None:
    """Let what is new compete with the habits of some customers.

    Args:
        state: Of the partition.
        own: (m, ..) habits of these customers.
        found: (k, 10) the best habits of all; changed in place.
        keys: (k, 10) their keys.
        which: (m,) indexes of these customers.
    """
    scores = found.scores[which, -1]
    least = np.where((scores > 0) & (state.settings.recommendation_discoveries == 0), scores, 0)
    new = something_new(state, own, found.categories[which], found.scores[which], least)
    both = np.concatenate([keys[which], new.keys], axis=1)
    order = greatest(both, ITEMS)
    ahead = ((order >= ITEMS) & (np.take_along_axis(both, order, axis=1) != NO_KEY)).sum(axis=1)
    kept = np.minimum(state.settings.recommendation_discoveries, (new.keys != NO_KEY).sum(axis=1))
    kept = np.maximum(ahead, kept)[:, None]
    place = np.arange(ITEMS)
    both[:, :ITEMS] = np.where(place < ITEMS - kept, both[:, :ITEMS], NO_KEY)
    both[:, ITEMS:] = np.where(place < kept, both[:, ITEMS:], NO_KEY)
    order = greatest(both, ITEMS)
    none = np.take_along_axis(both, order, axis=1) == NO_KEY
    columns = (
        (found.categories, new.categories, 0),
        (found.scores, new.scores, 0),
        (found.cells, np.full(order.shape, -1), -1),
        (found.new, np.ones(order.shape, bool), False),
        (found.shares, new.shares, 0),
        (found.partners, new.partners, 0),
    )
    for habits, added, empty in columns:
        mixed = np.take_along_axis(np.concatenate([habits[which], added], axis=1), order, axis=1)
        habits[which] = np.where(none, empty, mixed)
