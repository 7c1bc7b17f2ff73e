"""What to expect of customers: another purchase within 90 days, and their spend in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.learning.activity import HORIZON_DAYS, columns_of
from models.state.columns import LANDMARK, NEVER
from models.state.shopping import Sum, shopping_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.shopping import Shopping
    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

LEAST_AGE_DAYS: Final = 28
"""Days since the first purchase before a spend is said: four times the commonest rhythm, a week."""
_MOST: Final = np.iinfo(np.int16).max


class Foresight(NamedTuple):
    """What is expected of k customers within 90 days of the boundary begun last."""

    active: Reals
    """(k,) chance of a purchase; NaN where too little is known."""
    spend: Reals
    """(k,) currency; NaN where too little is known."""


def foresee(state: State, rows: Integers) -> Foresight:
    """Say what to expect of customers, as of the boundary begun last.

    The spend is the mean of two decayed rates, one fast and one slow, of all that was spent less returns.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
    """
    shopping = shopping_of(state, rows, state.clock.begun)
    bought = shopping.sums[:, Sum.TRIPS] > 0
    active = np.full(len(rows), np.nan)
    chances = state.activity.of(_columns(shopping))
    if chances is not None:
        active[bought] = chances[bought]
    rates = (shopping.rate(Sum.SPEND_30) + shopping.rate(Sum.SPEND_90)) / 2
    spend = np.where(bought & (shopping.age >= LEAST_AGE_DAYS), np.maximum(rates, 0) * HORIZON_DAYS, np.nan)
    return Foresight(active, spend)


def due(state: State) -> NDArray[np.bool_]:
    """Return (customers,) True for those of whom the boundary begun last takes a landmark."""
    customers = state.customers[: len(state.ids)]
    drawn: NDArray[np.bool_] = (customers["drawn"] % HORIZON_DAYS == state.clock.begun % HORIZON_DAYS) & (
        (customers["smoothed_day"] != NEVER) | (customers["open_purchase"] != 0).any(axis=1)
    )
    return drawn


def take_landmarks(state: State, rows: Integers, boundary: int) -> None:
    """Keep what is known of those customers whose landmark falls on a boundary.

    Args:
        state: State of the partition, changed in place.
        rows: (k,) rows of customers whose days are folded.
        boundary: Boundary (day).
    """
    customers = state.customers
    rows = rows[
        (customers["drawn"][rows] % HORIZON_DAYS == boundary % HORIZON_DAYS)
        & (customers["smoothed_day"][rows] != NEVER)
    ]
    if len(rows):
        columns = _columns(shopping_of(state, rows, boundary))
        customers["landmark"][rows] = np.clip(columns, -_MOST, _MOST).astype(np.int16)
        customers["landmark_day"][rows] = boundary


def learn(state: State, day: int, passed: float) -> None:
    """Learn from the landmarks of 90 days before a boundary, whose outcome is known now.

    Args:
        state: State of the partition; its model of activity and the watch over it are replaced.
        day: Last day closed. The landmarks that it brings are not yet taken.
        passed: Days since the boundary before.
    """
    customers = state.customers[: len(state.ids)]
    rows = np.flatnonzero((customers["landmark_day"] == day - HORIZON_DAYS) & (day > HORIZON_DAYS))
    elapsed = shopping_of(state, rows, day).elapsed
    columns = customers["landmark"][rows].astype(np.int64).reshape(-1, LANDMARK)
    active, said = elapsed < HORIZON_DAYS, state.activity.of(columns)
    known = np.zeros(0, np.int64) if said is None else np.arange(len(rows))
    watch = state.watches.activity.after(np.zeros(0) if said is None else said, active[known])
    state.watches = state.watches._replace(activity=watch)
    state.activity = state.activity.learnt(columns, active, days=passed)


def _columns(shopping: Shopping) -> Integers:
    """Return the (k, 4) columns of `models.learning.activity`."""
    return columns_of(
        shopping.elapsed, shopping.age, shopping.sums[:, Sum.TRIPS], shopping.rate(Sum.SPEND_90)
    )
