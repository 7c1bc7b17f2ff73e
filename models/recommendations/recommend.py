"""Recommendations: categories that a customer is likely to buy on the next trip.

Categories bought before and new categories compete by one score (`models.recommendations.candidates`). The
list is computed anew whenever a purchase or return of an open day is applied, as if that day were closed. The
list is emitted at the first purchase of a business day, and whenever its five best categories change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.memory.groups import NO_KEY, greatest, places_of
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
"""Count of leading places. A change among these places makes the list worth sending again."""
_MOST_PLACES = 1 << 22
"""Places of the look-up table by (customer, category), which takes 16 MB. The more categories there are, the
fewer customers are answered at a time."""

Answered = dict[int, tuple[int, ...]]
"""Grounds of the last answer by row of the customer: see `_grounds`."""


def answer(
    step: Step, records: Records, which: Integers, rows: Integers, *, answered: Answered | None = None
) -> None:
    """Recommend to customers whose baskets were just applied, and emit the lists worth sending.

    Args:
        step: Step being computed; open days and segments already hold the baskets.
        records: Run of records.
        which: (k,) indexes of applied records.
        rows: (k,) rows of their customers, each once.
        answered: Grounds of the last answers since the last boundary, changed in place; None if no customer
            has another basket in this step. A customer is skipped if the grounds are unchanged and no new
            trip begins.
    """
    state = step.state
    # Stage 1: leave out baskets of closed days, because they change no habit.
    days = state.calendar.days(records.occurred_at[which])
    current = days > state.clock.begun
    which, rows, days = which[current], rows[current], days[current]
    # Stage 2: answer a part of the customers at a time, to bound the memory of the look-up table.
    most = max(_MOST_PLACES // (len(state.category_names) + 1), 1)
    for first in range(0, len(rows), most):
        part = slice(first, first + most)
        visits = Visits(which[part], rows[part], days[part], open_trips(state, rows[part]))
        # Skip customers whose list cannot differ from their last one.
        if answered is not None:
            asked = places_of(_changed(state, visits, answered) | _begins_trip(state, records, visits))
            if len(asked) < len(visits.rows):
                some, who = visits.which[asked], visits.rows[asked]
                visits = Visits(some, who, visits.days[asked], open_trips(state, who))
        if len(visits.rows):
            _answer(step, records, visits)


def _answer(step: Step, records: Records, visits: Visits) -> None:
    state, rows = step.state, visits.rows
    # Stage 1: (k, 10) places per customer, and (k,) hashes of the five best categories in any order.
    found = recommend(state, rows, visits.trips)
    leading = found.categories[:, :LEADING]
    hashes = np.where(leading > 0, state.category_names.hashes[leading], np.uint64(0)).sum(axis=1)
    customers = state.customers
    # Stage 2: choose the customers with a list worth sending; the row stores what was computed, sent or not.
    trip = _begins_trip(state, records, visits)
    said = places_of((found.categories[:, 0] > 0) & (trip | (hashes != customers["recommended"][rows])))
    customers["recommended"][rows] = hashes
    customers["recommended_day"][rows] = np.where(trip, visits.days, customers["recommended_day"][rows])
    if len(said):
        step.counts["recommendations"] += len(said)
        recommendation_events.emit(step, records, visits, found, said)


def _begins_trip(state: State, records: Records, visits: Visits) -> NDArray[np.bool_]:
    """Return (k,) True for baskets that are their customer's first purchase of a business day."""
    purchase = records.kinds[visits.which] == Kind.PURCHASE
    begins: NDArray[np.bool_] = purchase & (visits.days > state.customers["recommended_day"][visits.rows])
    return begins


def _changed(state: State, visits: Visits, answered: Answered) -> NDArray[np.bool_]:
    """Return (k,) True for customers whose grounds differ from those last answered; store the new grounds."""
    rows = visits.rows.tolist()
    grounds = _grounds(state, visits.rows, visits.trips)
    changed = np.array([answered.get(row) != ground for row, ground in zip(rows, grounds, strict=True)])
    answered.update(zip(rows, grounds, strict=True))
    return changed


def _grounds(state: State, rows: Integers, trips: OpenTrips) -> list[tuple[int, ...]]:
    """Return each customer's grounds: all inputs of a recommendation that a basket may change.

    Grounds are the segment, the two open days and, per open day, the sum of the name hashes of the categories
    bought.
    """
    bought = np.zeros((2, len(rows)), np.uint64)
    for slot in (0, 1):
        np.add.at(bought[slot], trips.owners[slot], state.category_names.hashes[trips.categories[slot]])
    customers = state.customers
    open_days = customers["open_day"][rows]
    columns = (customers["segment"][rows], open_days[:, 0], open_days[:, 1], *bought)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def recommend(state: State, rows: Integers, trips: OpenTrips) -> Recommended:
    """Find the ten best recommendations of each customer, as if the open days were closed.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        trips: Purchases of these customers on open days.
    """
    # Stage 1: (k, 10) best habits, padded where a customer has fewer places than ten.
    own = own_habits(state, rows, trips)
    best = greatest(own.keys, ITEMS)
    at = np.arange(len(rows))[:, None], best
    keys, categories, scores, cells = (
        _filled(column[at], empty)
        for column, empty in ((own.keys, NO_KEY), (own.categories, 0), (own.scores, 0), (own.cells, -1))
    )
    # Stage 2: empty the places of habits that must not be offered.
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
    # Stage 3: let new categories compete, but only for customers with an empty place, a chance to beat the
    # tenth habit, or places kept for new categories. For all others the search would change nothing.
    places = state.settings.recommendation_discoveries
    open_to_new = places_of(
        none[:, -1] | (best_chance(state, own, categories, scores) >= scores[:, -1]) | (places > 0)
    )
    if len(open_to_new):
        _mix(state, some_of(own, open_to_new), found, keys, open_to_new)
    return found


def _filled(columns: NDArray[Any], empty: int) -> NDArray[Any]:
    """Return (k, w) columns as (k, 10) columns, of which those beyond w are empty.

    `np.pad` takes 80 us for this, whatever the size.
    """
    filled = np.full((len(columns), ITEMS), empty, columns.dtype)
    filled[:, : columns.shape[1]] = columns
    return filled


def _mix(state: State, own: Own, found: Recommended, keys: Integers, which: Integers) -> None:
    """Let new categories compete with the habits of some customers.

    Args:
        state: State of the partition.
        own: (m, ..) habits of these customers.
        found: (k, 10) best habits of all customers; changed in place.
        keys: (k, 10) ranking keys of `found`.
        which: (m,) indexes of these customers in `found`.
    """
    # Stage 1: (m, 10) best new categories. Scores below the tenth habit cannot win a place on their own.
    scores = found.scores[which, -1]
    least = np.where((scores > 0) & (state.settings.recommendation_discoveries == 0), scores, 0)
    new = something_new(state, own, found.categories[which], found.scores[which], least)
    # Stage 2: (m, 20) keys of both, and (m, 1) places for new categories: the larger of the places won by
    # score and the places kept by the setting.
    both = np.concatenate([keys[which], new.keys], axis=1)
    order = greatest(both, ITEMS)
    ahead = ((order >= ITEMS) & (np.take_along_axis(both, order, axis=1) != NO_KEY)).sum(axis=1)
    kept = np.minimum(state.settings.recommendation_discoveries, (new.keys != NO_KEY).sum(axis=1))
    kept = np.maximum(ahead, kept)[:, None]
    # Stage 3: (m, 20) keys of the entries that have a place; each group keeps its best.
    place = np.arange(ITEMS)
    both[:, :ITEMS] = np.where(place < ITEMS - kept, both[:, :ITEMS], NO_KEY)
    both[:, ITEMS:] = np.where(place < kept, both[:, ITEMS:], NO_KEY)
    order = greatest(both, ITEMS)
    none = np.take_along_axis(both, order, axis=1) == NO_KEY
    # Stage 4: write the merged (m, 10) columns, in order of the keys.
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
