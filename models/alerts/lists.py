"""Replenishment lists: on the eve of the usual shopping day, what a customer may run out of within the week.

Most habits have no rhythm that a date could aim at, and a message for each would be one too many. Once a
week, a list says them together. It leaves out what the customer has on more than half of the trips anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.alerts import list_events
from models.alerts.list_events import Listed
from models.learning.intervals import purchase_probability
from models.memory import structured
from models.memory.groups import first_within, look_up, places_of
from models.state.calendar import FIRST_DATE, boundary_cause
from models.state.columns import LIST_DAYS, LISTED, NEVER
from models.state.habits import statistics_of
from models.state.open_days import bought_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State
    from models.state.step import Step

    Integers = NDArray[np.int64]

LEAST_TRIPS = 4
"""Trips from which on a customer's usual day is known well enough."""
LEAST_CHANCE = 0.23
"""Least chance of a purchase within `LIST_DAYS` for a category to be listed."""
LOOKED_BACK = 12
"""Last trips of which more than half hold a category that goes without saying."""
QUIET_DAYS = 91
"""Days without a trip after which no list is made any more, until the customer comes back."""
MOST_OF_A_WEEKDAY = 64
"""Trips on one day of the week at which all counts are halved, so that a new habit outgrows the old one."""


def count_weekday(state: State, rows: Integers, day: int) -> None:
    """Count a folded trip of customers on its day of the week.

    Args:
        state: State of the partition, changed in place.
        rows: (k,) rows of customers, each once.
        day: Day of the trip.
    """
    counts = state.customers["weekdays"][rows]
    counts[:, weekday(day)] += 1
    full = places_of(counts.max(axis=1) >= MOST_OF_A_WEEKDAY)
    counts[full] >>= 1
    state.customers["weekdays"][rows] = counts


def usual_weekdays(weekdays: NDArray[Any]) -> Integers:
    """Return the (n,) day of the week on which each customer usually shops, 0 for Monday.

    Of days that come near the most frequent one, it is the first of the week. Who shops twice a week on equal
    terms would otherwise have another usual day after every trip.

    Args:
        weekdays: (n, 7) trips by day of the week, from Monday on.

    >>> usual_weekdays(np.array([[0, 0, 7, 0, 2, 0, 8]])).tolist()
    [2]
    """
    counts = weekdays.astype(np.int64)
    near: Integers = (counts * 4 >= counts.max(axis=1, keepdims=True) * 3).argmax(axis=1)
    return near


def weekday(day: int) -> int:
    """Return the day of the week of a day number, 0 for Monday."""
    return (FIRST_DATE.weekday() + day) % 7


def next_due(state: State, rows: Integers) -> Integers:
    """Return the (k,) next boundary (day) at which a list ends or may be made; `NEVER` without one."""
    # Columns one by one: a customer's whole record is a kilobyte.
    customers, begun = state.customers, state.clock.begun
    open_lists = customers["list_day"][rows].astype(np.int64)
    # The usual day of each customer, and the next boundary that opens such a day.
    ahead = (usual_weekdays(customers["weekdays"][rows]) - weekday(begun + 2)) % 7 + 1
    eve = begun + ahead
    last = state.calendar.days(customers["last_purchase"][rows])
    wanted = (customers["trips"][rows] >= LEAST_TRIPS) & (eve - last <= QUIET_DAYS)
    if state.settings.alert_policy == "dated":
        wanted[:] = False
    return np.where(open_lists != NEVER, open_lists + LIST_DAYS, np.where(wanted, eve, NEVER))


def close_ended(step: Step, rows: Integers, boundary: int) -> None:
    """Close the lists whose days end at a boundary, with what was bought of them.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose days up to the boundary are folded.
        boundary: Boundary (day).
    """
    days = step.state.customers["list_day"][rows].astype(np.int64)
    ended = rows[(days != NEVER) & (days + LIST_DAYS <= boundary)]
    cause, at = boundary_cause(boundary), step.state.calendar.boundary(boundary)
    _close(step, ended, "closed", cause=cause, occurred_at=at)


def withdraw_all(step: Step, rows: Integers, *, cause: str, occurred_at: int) -> None:
    """Close the lists of customers who are about to be erased, as `withdrawn`.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        cause: Id of the erasing record.
        occurred_at: Event time of the erasing record, ms since 1970 UTC.
    """
    open_lists = rows[step.state.customers["list_day"][rows] != NEVER]
    _close(step, open_lists, "withdrawn", cause=cause, occurred_at=occurred_at)


def _close(step: Step, rows: Integers, how: list_events.ListEnd, *, cause: str, occurred_at: int) -> None:
    if not len(rows):
        return
    state = step.state
    # (k, 5) categories listed, and whether each was bought within the list's days.
    listed = state.customers["listed"][rows].astype(np.int64)
    first = state.customers["list_day"][rows].astype(np.int64)
    owners, cells = state.cells.gather(rows)
    last = cells["last_day"].astype(np.int64)
    inside = np.zeros(len(cells), np.bool_)
    for day in (last, np.where(cells["last_interval"] > 0, last - cells["last_interval"], 0)):
        inside |= (day > first[owners]) & (day <= first[owners] + LIST_DAYS)
    keys = np.sort(owners[inside] << 16 | cells["category"][inside])
    bought = look_up((np.arange(len(rows))[:, None] << 16 | listed).reshape(-1), keys)[1]
    step.counts["lists_closed"] += len(rows)
    list_events.emit_closings(
        step, rows, listed, bought.reshape(listed.shape), how, cause=cause, occurred_at=occurred_at
    )
    state.customers["list_day"][rows] = NEVER
    state.customers["listed"][rows] = 0


def raise_due(step: Step, rows: Integers, boundary: int) -> None:
    """Make the lists that are due: of customers whose usual day the boundary opens, and who have none open.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose days up to the boundary are folded.
        boundary: Boundary (day).
    """
    state = step.state
    if state.settings.alert_policy == "dated":
        return
    customers = state.customers
    rows = rows[(customers["list_day"][rows] == NEVER) & (customers["trips"][rows] >= LEAST_TRIPS)]
    rows = rows[usual_weekdays(customers["weekdays"][rows]) == weekday(boundary + 1)]
    rows = rows[boundary - state.calendar.days(customers["last_purchase"][rows]) <= QUIET_DAYS]
    if not len(rows):
        return
    listed = _likely(state, rows, boundary)
    some, owners = np.unique(listed.owners, return_inverse=True)
    if not len(some):
        return
    rows = rows[some]
    state.customers["list_day"][rows] = boundary
    place = np.arange(len(owners)) - np.searchsorted(owners, owners)
    categories = np.zeros((len(rows), LISTED), np.int64)
    categories[owners, place] = listed.cells["category"]
    state.customers["listed"][rows] = categories
    step.counts["lists_raised"] += len(rows)
    list_events.emit_raised(step, rows, Listed(owners, listed.cells, listed.chances), boundary)


def _likely(state: State, rows: Integers, boundary: int) -> Listed:
    """Find the categories that customers are likely to buy within a list's days, but for what goes unsaid.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        boundary: Boundary (day).
    """
    # Stage 1: (m,) habits that are known well enough, not bought on more than half of the last trips, and
    # not bought on the open day already.
    owners, positions = state.cells.positions(rows)
    records = state.cells.records
    lately = np.bitwise_count(records["recent"][positions] & np.uint16((1 << LOOKED_BACK) - 1))
    kept = places_of(
        (records["purchases"][positions] >= state.settings.alert_minimum_purchases)
        & (lately <= LOOKED_BACK // 2)
        & (boundary - records["last_day"][positions].astype(np.int64) <= QUIET_DAYS)
    )
    owners, cells = owners[kept], structured.take(records, positions[kept])
    bought = bought_on(state, rows, boundary + 1)
    quiet = np.isin(cells["category"], state.category_names.find([*state.settings.alert_quiet_set]))
    out = look_up(owners << 16 | cells["category"], bought.owners << 16 | bought.categories)[1] | quiet
    owners, cells = owners[~out], structured.take(cells, ~out)
    # Stage 2: (n,) the likeliest of each customer. The hash of the category's name settles ties.
    elapsed = boundary - cells["last_day"].astype(np.int64)
    prior = state.priors.of(cells["category"])
    chances = purchase_probability(statistics_of(cells), prior, elapsed, LIST_DAYS)
    likely = places_of(chances >= LEAST_CHANCE)
    owners, cells, chances = owners[likely], structured.take(cells, likely), chances[likely]
    best = first_within(owners, LISTED, -chances, state.category_names.hashes[cells["category"]])
    return Listed(owners[best], structured.take(cells, best), chances[best])
