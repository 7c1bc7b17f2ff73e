"""What the end of a day changes: closed days are folded, alerts fall due, segments fade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lifecycle as alerts
from models.segments import changes as segment_changes
from models.state.columns import NEVER
from models.state.habits import fold_categories, fold_products
from models.state.open_days import bought_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.step import Step


def catch_up(step: Step, rows: NDArray[np.int64]) -> None:
    """Bring customers to the boundary begun last: the same whether a sweep or a purchase comes to them first.

    Args:
        step: The step being computed; the rows must have been touched.
        rows: Customers, each once. Those who have seen the boundary are passed over.
    """
    customers, boundary = step.state.customers, step.state.clock.begun
    rows = rows[customers["boundary"][rows] < boundary]
    if not len(rows):
        return
    step.boundary = boundary
    open_days = customers["open_day"][rows]
    for day in np.unique(open_days[(open_days != NEVER) & (open_days <= boundary)]).tolist():
        concerned = rows[customers["open_day"][rows, day & 1] == day]
        alerts.close_missed(step, concerned, day - 1)
        _fold(step, concerned, day)
    alerts.close_missed(step, rows, boundary)
    alerts.raise_due(step, rows, boundary)
    segment_changes.reconsider(step, rows, boundary)
    step.boundary = None
    customers["due"][rows] = alerts.next_due(step.state, rows)
    customers["boundary"][rows] = boundary


def _fold(step: Step, rows: NDArray[np.int64], day: int) -> None:
    """Close one day of customers: one trip each, however many baskets it took."""
    state, slot = step.state, day & 1
    customers = state.customers
    customers["frequency"][rows] += customers["open_purchase"][rows, slot]
    bought = bought_on(state, rows, day)
    if len(bought.owners):
        customers["trips"][rows[np.unique(bought.owners)]] += 1
        evicted = fold_categories(state, rows, bought, day)
        fold_products(state, rows, bought, day)
        alerts.withdraw(step, evicted.rows, evicted.cells, day)
        alerts.plan(state, rows, day)
        step.counts["evicted_categories"] += len(evicted.rows)
    state.open_lines[slot].clear(rows)
    customers["open_day"][rows, slot] = NEVER
    customers["open_purchase"][rows, slot] = 0
