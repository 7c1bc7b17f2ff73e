"""Shopping of a customer, in seven sums that fade: trips, spend, items, discounts, and days between trips.

Baskets are summed exactly while their day is open. The fold of the day adds it to the sums, which are kept as
of the customer's last day with a purchase, so that nothing is written for those who stay away.
"""

from __future__ import annotations

from enum import IntEnum
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.state.columns import NEVER, SUMS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]


class Sum(IntEnum):
    """Places of the sums. The first five tell how somebody shops, the last two how much is spent."""

    TRIPS = 0
    """Days with a purchase."""
    SPEND = 1
    """Currency, returns taken off."""
    ITEMS = 2
    """Lines of purchases."""
    DISCOUNT = 3
    """Currency, of purchases."""
    GAPS = 4
    """Days from each trip back to the trip before."""
    SPEND_30 = 5
    SPEND_90 = 6
    """Currency, with half-lives of 30 and 90 days."""


HALF_LIVES: Final = (56.0, 56.0, 56.0, 56.0, 56.0, 30.0, 90.0)
"""Half-life of each sum, days. Habits are told by the last two months; spend is best foreseen by the mean
of a fast rate and a slow one (docs/models.md)."""
_SPENDS: Final = [Sum.SPEND, Sum.SPEND_30, Sum.SPEND_90]
_LONGEST: Final = 1024
"""Days after which a sum fades no further: with the longest half-life, 1/2,600 is left."""
_FADED: Final = np.array([[0.5 ** (day / each) for each in HALF_LIVES] for day in range(_LONGEST)])
"""Share left of each sum after so many days. Powers of Python are equal under every build of numpy."""
_STEPS: Final = 10_000
"""Steps of the currency in which open days are summed."""


class Shopping(NamedTuple):
    """Sums of k customers as of a boundary, open days that end there included."""

    sums: Reals
    """(k, 7) decayed to the boundary."""
    elapsed: Integers
    """(k,) days since the last purchase, 0 on its day; of customers without one, 0."""
    age: Integers
    """(k,) days since the first purchase, at least 1."""

    def of(self, which: Integers) -> Shopping:
        """Return some of the customers."""
        return Shopping(self.sums[which], self.elapsed[which], self.age[which])

    def rate(self, which: Sum) -> Reals:
        """Return a (k,) sum per day: what is seen, by the days that could be seen, as faded as the sum."""
        half_life = HALF_LIVES[which]
        watched = half_life / log(2) * -np.expm1(-log(2) * self.age / half_life)
        rate: Reals = self.sums[:, which] / watched
        return rate


class _Day(NamedTuple):
    """Open days of k customers."""

    days: Integers
    purchase: NDArray[np.bool_]
    spend: Integers
    discount: Integers
    items: Integers


def count_day(state: State, rows: Integers, day: int) -> None:
    """Add a day, which is being folded, to customers' sums. Must come before the day is counted for recency.

    Args:
        state: State of the partition, changed in place.
        rows: (k,) rows of customers for whom the day is open.
        day: Day to close.
    """
    customers, slot = state.customers, day & 1
    opened = _opened(state, rows, np.full(len(rows), slot), np.full(len(rows), day))
    since = customers["smoothed_day"][rows].astype(np.int64)
    customers["decayed_sums"][rows] = _added(customers["decayed_sums"][rows], since, opened)
    for name in ("open_spend", "open_discount", "open_items"):
        customers[name][rows, slot] = 0


def shopping_of(state: State, rows: Integers, day: int) -> Shopping:
    """Return how customers shop as of a boundary, whether their days are folded or not.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        day: Boundary (day), not before the last day folded.
    """
    customers = state.customers
    sums = customers["decayed_sums"][rows]
    since = customers["smoothed_day"][rows].astype(np.int64)
    days = customers["open_day"][rows].astype(np.int64)
    days[days > day] = NEVER
    # Add the earlier of two open days first, as the folds do. Few customers have any.
    for slots in np.argsort(days, axis=1, kind="stable").T:
        here = np.flatnonzero(days[np.arange(len(rows)), slots] != NEVER)
        opened = _opened(state, rows[here], slots[here], days[here, slots[here]])
        sums[here] = _added(sums[here], since[here], opened)
        since[here] = np.where(opened.purchase, opened.days, since[here])
    elapsed = np.where(since == NEVER, 0, day - since)
    first = state.calendar.days(customers["first_purchase"][rows])
    faded = sums * _FADED[np.minimum(elapsed, _LONGEST - 1)]
    return Shopping(faded, elapsed, np.maximum(day - first + 1, 1))


def _opened(state: State, rows: Integers, slots: Integers, days: Integers) -> _Day:
    """Return one open day of each customer."""
    customers = state.customers
    columns = ("open_purchase", "open_spend", "open_discount", "open_items")
    purchase, spend, discount, items = (customers[name][rows, slots] for name in columns)
    return _Day(days, purchase == 1, spend, discount, items)


def _added(sums: NDArray[np.float32], since: Integers, opened: _Day) -> NDArray[np.float32]:
    """Return the (k, 7) sums of customers after a day each, as of their last day with a purchase.

    Args:
        sums: (k, 7) sums as of `since`.
        since: (k,) last day with a purchase, or `NEVER`.
        opened: The days to add.
    """
    known = since != NEVER
    elapsed = np.where(known, opened.days - since, 0)
    added = np.zeros((len(sums), SUMS))
    added[:, Sum.TRIPS] = opened.purchase
    added[:, _SPENDS] = (opened.spend / _STEPS)[:, None]
    added[:, Sum.ITEMS] = opened.items
    added[:, Sum.DISCOUNT] = opened.discount / _STEPS
    added[:, Sum.GAPS] = np.where(opened.purchase, elapsed, 0)
    # A day of returns alone moves no date: its spend is taken off as of the purchase before. Returns of
    # customers who never bought count for nothing.
    faded = _FADED[np.minimum(elapsed, _LONGEST - 1)]
    bought, taken_off = opened.purchase[:, None], sums + added / faded * known[:, None]
    after: NDArray[np.float32] = np.where(bought, sums * faded + added, taken_off).astype(np.float32)
    return after
