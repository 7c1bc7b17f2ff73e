"""Smoothed recency: the days since a customer's last purchase, averaged over the last boundaries.

Where most customers shop every week, the days since the last purchase say on which day of the week one shops:
whoever came yesterday is in the best fifth, and everybody passes through it. The average of boundaries, which
fades by a quarter from one to the next, tells apart who comes often from who came by chance. Between two
purchases it has a closed form, so that nothing is written for those who stay away [1]_.

References:
    .. [1] Brown (1956). Exponential Smoothing for Predicting Demand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.state.columns import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

    Integers = NDArray[np.int64]

BOUNDARIES: Final = 4
"""Boundaries over which recency is averaged: one of so many weighs as much as all before it together fade."""
SCALE: Final = 64
"""Steps of a day in which smoothed recency is counted."""
_BEHIND: Final = (BOUNDARIES - 1) * SCALE
"""Steps by which the average of a customer who stays away lags behind the days since the last purchase."""
_LONGEST: Final = 128
"""Days after which nothing is left of an earlier average."""
_BITS: Final = 20
_FADED: Final = np.array(
    [((BOUNDARIES - 1) ** days << _BITS) // BOUNDARIES**days for days in range(_LONGEST)], np.int64
)
"""Share that is left of an average after so many days, 1 / 2^20. Whole numbers are equal on every machine."""


def smoothed(state: State, rows: NDArray[np.int64], day: int) -> Integers:
    """Return the (k,) smoothed recency of customers as of a boundary, whether their days are folded or not.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        day: Boundary (day), not before the last day folded.

    Returns:
        1/64 of a day; 0 for customers without a purchase until then.
    """
    customers = state.customers
    value = customers["smoothed"][rows].astype(np.int64)
    since = customers["smoothed_day"][rows].astype(np.int64)
    opened = customers["open_day"][rows].astype(np.int64)
    opened[(customers["open_purchase"][rows] == 0) | (opened > day)] = NEVER
    opened.sort(axis=1)
    for days in opened.T:
        here = days != NEVER
        value[here] = _after_purchase(value[here], since[here], days[here])
        since[here] = days[here]
    return np.where(since == NEVER, 0, _after(value, day - since))


def count_purchase(state: State, rows: NDArray[np.int64], day: int) -> None:
    """Count a day of purchases, which is being folded, into customers' smoothed recency.

    Args:
        state: State of the partition, changed in place.
        rows: (k,) rows of customers who bought on the day.
        day: The day, later than any that was counted.
    """
    customers = state.customers
    value = customers["smoothed"][rows].astype(np.int64)
    since = customers["smoothed_day"][rows].astype(np.int64)
    customers["smoothed"][rows] = _after_purchase(value, since, np.full(len(rows), day))
    customers["smoothed_day"][rows] = day


def _after(value: Integers, days: Integers) -> Integers:
    """Return the average after some days without a purchase, from that at the day of the last purchase."""
    faded: Integers = (value + _BEHIND) * _FADED[np.minimum(days, _LONGEST - 1)] >> _BITS
    return days * SCALE - _BEHIND + faded


def _after_purchase(value: Integers, since: Integers, days: Integers) -> Integers:
    """Return the average at a day of purchase, whose recency is 0, from that at the purchase before."""
    before = _after(value, np.maximum(days - 1 - since, 0))
    now: Integers = np.minimum(before * (BOUNDARIES - 1) // BOUNDARIES, np.iinfo(np.uint16).max)
    return np.where(since == NEVER, 0, now)
