"""Lapsed habits: told once, when a regular purchase has stayed away for far longer than it used to.

A lapse is no date to aim at. It tells a shop that a customer who still comes does not buy a category any
more. Of customers who stay away altogether nothing is told here: their segment falls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.alerts.evidence import evidence_of, usual_products
from models.contracts.encoding import LAPSE, block_of, quoted, text_as_json
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.learning.intervals import LOG_STEPS, VARIANCE_STEPS
from models.learning.normal import quantile
from models.memory import structured
from models.memory.groups import look_up, places_of
from models.state.calendar import boundary_cause
from models.state.columns import NEVER, Cycle
from models.state.open_days import bought_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State
    from models.state.step import Step

    Integers = NDArray[np.int64]

LEAST_PURCHASES = 8
"""Purchase days from which on a habit is known well enough to be missed."""
SHARE = 0.95
"""Share of intervals that are shorter than the one after which a habit counts as lapsed."""
_QUANTILE = float(quantile(SHARE))
LEAST_VARIANCE = 0.05
"""Variance of ln D that even the most regular habit is taken to have."""
LAST_SEEN_DAYS = 28
"""Days since the customer's last purchase of anything within which a lapse is told."""
MODEL_VERSION = "lapse-1"
"""Version of the model, which changes with every formula or constant that a lapse depends on."""


def next_due(state: State, rows: Integers) -> Integers:
    """Return the (k,) next boundary (day) at which a habit may count as lapsed; `NEVER` without one."""
    owners, positions, seen = _positions(state, rows)
    days = np.maximum(_lapsed_from(state, positions), state.clock.begun + 1)
    told = places_of(days - seen[owners] <= LAST_SEEN_DAYS)
    far = np.iinfo(np.int64).max
    soonest = np.full(len(rows), far)
    np.minimum.at(soonest, owners[told], days[told])
    return np.where(soonest == far, NEVER, soonest)


def tell_due(step: Step, rows: Integers, boundary: int) -> None:
    """Tell of the habits that count as lapsed at a boundary.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose days up to the boundary are folded.
        boundary: Boundary (day).
    """
    state = step.state
    owners, positions, seen = _positions(state, rows)
    lately = places_of(boundary - seen[owners] <= LAST_SEEN_DAYS)
    lapsed = lately[_lapsed_from(state, positions[lately]) <= boundary]
    if not len(lapsed):
        return
    owners, positions = owners[lapsed], positions[lapsed]
    cells = structured.take(state.cells.records, positions)
    # What was bought on the open day has not lapsed. Quiet categories lapse in silence.
    bought = bought_on(state, rows, boundary + 1)
    back = look_up(owners << 16 | cells["category"], bought.owners << 16 | bought.categories)[1]
    state.cells.records["alert"][positions[~back]] = Cycle.LAPSED
    quiet = np.isin(cells["category"], state.category_names.find([*state.settings.alert_quiet_set]))
    told = places_of(~back & ~quiet)
    step.counts["habits_lapsed"] += len(told)
    if len(told):
        _emit(step, rows[owners[told]], structured.take(cells, told), boundary)


def _positions(state: State, rows: Integers) -> tuple[Integers, Integers, Integers]:
    """Find the habits that may lapse: of customers who have bought other things since.

    Returns:
        (m,) index into `rows` of each habit's customer, (m,) position of its cell, and (k,) the day of each
        customer's last purchase of anything.
    """
    owners, positions = state.cells.positions(rows)
    records, seen = state.cells.records, state.calendar.days(state.customers["last_purchase"][rows])
    kept = places_of(records["purchases"][positions] >= LEAST_PURCHASES)
    owners, positions = owners[kept], positions[kept]
    kept = places_of(
        (records["alert"][positions] == Cycle.UNPLANNED) & (records["last_day"][positions] < seen[owners])
    )
    return owners[kept], positions[kept], seen


def _lapsed_from(state: State, positions: Integers) -> Integers:
    """Return the (m,) boundary (day) from which each habit counts as lapsed.

    It follows from the habit's own intervals, ln D normal: a day that moved with the priors of others would
    not be the same for a worker that recovers.

    Args:
        state: State of the partition.
        positions: (m,) positions of cells.
    """
    records = state.cells.records
    count = records["purchases"][positions] - 1.0
    variance = records["variance_log"][positions] / VARIANCE_STEPS
    variance = np.maximum(variance * count / (count - 1), LEAST_VARIANCE)
    longest = records["mean_log"][positions] / LOG_STEPS + _QUANTILE * np.sqrt(variance * (1 + 1 / count))
    return records["last_day"][positions] + np.ceil(np.exp(longest)).astype(np.int64)


def _emit(step: Step, rows: Integers, cells: NDArray[Any], boundary: int) -> None:
    """Emit an event for each of k lapsed habits."""
    state, count = step.state, len(rows)
    cause, at = boundary_cause(boundary), state.calendar.boundary(boundary)
    customers = [state.ids[row] for row in rows.tolist()]
    names = state.category_names.names(cells["category"].tolist())
    identities = event_ids(LAPSE.type_, customers, names, [cause] * count, "lapsed")
    elapsed = boundary - cells["last_day"].astype(np.int64)
    end = f'"cause":{text_as_json(cause)},"occurred_at":"{time_text(at)}","model_version":"{MODEL_VERSION}"}}'
    values = [
        (
            f'{{"customer_id":{text_as_json(customer.decode())},"category":{quoted(name)},"state":"lapsed",'
            f'"days_since":{days},"products":[{products}],"evidence":{evidence},{end}'
        ).encode()
        for customer, name, days, products, evidence in zip(
            customers,
            names,
            elapsed.tolist(),
            usual_products(state, rows, cells["category"]),
            evidence_of(cells),
            strict=True,
        )
    ]
    source = state.settings.event_source
    step.emit(block_of(LAPSE, customers, identities, values, times=[at] * count, source=source))
