"""End of a day for a customer: closed days are folded into habits, alerts fall due, segments may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lapses, lists
from models.alerts import lifecycle as alerts
from models.alerts.due import next_due
from models.clusters import changes as cluster_changes
from models.segments import changes as segment_changes
from models.segments.recency import count_purchase
from models.state.columns import NEVER
from models.state.habits import fold_categories, fold_products
from models.state.open_days import bought_on
from models.state.shopping import count_day
from models.value.foresight import take_landmarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.step import Step


def catch_up(step: Step, rows: NDArray[np.int64]) -> None:
    """Bring customers to the boundary begun last.

    The sweep and a customer's own purchase both call this function. The result is the same whichever comes
    first.

    Args:
        step: Step being computed; it must have touched the rows.
        rows: (k,) rows of customers, each once. Customers who have seen the boundary are skipped.
    """
    customers, boundary = step.state.customers, step.state.clock.begun
    rows = rows[customers["boundary"][rows] < boundary]
    if not len(rows):
        return
    # Outputs from here on are caused by the boundary, not by a record.
    step.boundary = boundary
    # Close days in ascending order, so that an alert whose window ended before a day's trip counts as missed.
    open_days = customers["open_day"][rows]
    for day in np.unique(open_days[(open_days != NEVER) & (open_days <= boundary)]).tolist():
        concerned = rows[customers["open_day"][rows, day & 1] == day]
        alerts.close_missed(step, concerned, day - 1)
        _fold(step, concerned, day)
    # Close and raise alerts and lists, then reconsider segments: all days up to the boundary are folded.
    alerts.close_missed(step, rows, boundary)
    lists.close_ended(step, rows, boundary)
    alerts.raise_due(step, rows, boundary)
    lists.raise_due(step, rows, boundary)
    lapses.tell_due(step, rows, boundary)
    cluster_changes.reconsider(step, rows, boundary)
    segment_changes.reconsider(step, rows, boundary)
    take_landmarks(step.state, rows, boundary)
    step.boundary = None
    # Store the next day on which something is due, so that the next boundary can leave these rows alone.
    customers["due"][rows] = next_due(step.state, rows)
    customers["boundary"][rows] = boundary


def _fold(step: Step, rows: NDArray[np.int64], day: int) -> None:
    """Fold one closed day of customers into their habits. A day is one trip, however many baskets it holds.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers for whom the day is open.
        day: Day to close.
    """
    state, slot = step.state, day & 1
    customers = state.customers
    customers["frequency"][rows] += customers["open_purchase"][rows, slot]
    count_day(state, rows, day)
    count_purchase(state, rows[customers["open_purchase"][rows, slot] == 1], day)
    bought = bought_on(state, rows, day)
    if len(bought.owners):
        buyers = rows[np.unique(bought.owners)]
        customers["trips"][buyers] += 1
        lists.count_weekday(state, buyers, day)
        step.fold(buyers, state.clock.begun)
        evicted = fold_categories(state, rows, bought, day)
        fold_products(state, rows, bought, day)
        alerts.withdraw(step, evicted.rows, evicted.cells, day)
        alerts.plan(state, rows, day)
        step.counts["evicted_categories"] += len(evicted.rows)
    state.open_lines[slot].clear(rows)
    customers["open_day"][rows, slot] = NEVER
    customers["open_purchase"][rows, slot] = 0
