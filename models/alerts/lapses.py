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
from models.learning.intervals import Statistic
from models.learning.normal import quantile
from models.memory import structured
from models.memory.groups import look_up, places_of
from models.state.calendar import boundary_cause
from models.state.columns import NEVER, Cycle
from models.state.habits import statistics_of
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
    owners, positions = _positions(state, rows)
    cells = structured.take(state.cells.records, positions)
    days = np.maximum(_lapsed_from(cells), state.clock.begun + 1)
    told = places_of(_still_comes(state, rows[owners], cells, days))
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
    owners, positions = _positions(state, rows)
    cells = structured.take(state.cells.records, positions)
    lapsed = places_of((_lapsed_from(cells) <= boundary) & _still_comes(state, rows[owners], cells, boundary))
    if not len(lapsed):
        return
    owners, positions, cells = owners[lapsed], positions[lapsed], structured.take(cells, lapsed)
    # What was bought on the open day has not lapsed. Quiet categories lapse in silence.
    bought = bought_on(state, rows, boundary + 1)
    back = look_up(owners << 16 | cells["category"], bought.owners << 16 | bought.categories)[1]
    state.cells.records["alert"][positions[~back]] = Cycle.LAPSED
    quiet = np.isin(cells["category"], state.category_names.find([*state.settings.alert_quiet_set]))
    told = places_of(~back & ~quiet)
    step.counts["habits_lapsed"] += len(told)
    if len(told):
        _emit(step, rows[owners[told]], structured.take(cells, told), boundary)


def _positions(state: State, rows: Integers) -> tuple[Integers, Integers]:
    """Find the (m,) habits that may lapse: index into `rows` of the customer, and position of the cell."""
    owners, positions = state.cells.positions(rows)
    records = state.cells.records
    kept = places_of(
        (records["purchases"][positions] >= LEAST_PURCHASES)
        & (records["alert"][positions] == Cycle.UNPLANNED)
    )
    return owners[kept], positions[kept]


def _still_comes(
    state: State, rows: Integers, cells: NDArray[Any], days: Integers | int
) -> NDArray[np.bool_]:
    """Tell of (m,) habits whether the customer has bought other things since, and lately.

    Args:
        state: State of the partition.
        rows: (m,) row of each habit's customer.
        cells: (m,) cells.
        days: Boundary (day) at which it is asked, one or (m,).
    """
    seen = state.calendar.days(state.customers["last_purchase"][rows])
    return (seen > cells["last_day"]) & (days - seen <= LAST_SEEN_DAYS)


def _lapsed_from(cells: NDArray[Any]) -> Integers:
    """Return the (m,) boundary (day) from which each habit counts as lapsed.

    It follows from the habit's own intervals, ln D normal: a day that moved with the priors of others would
    not be the same for a worker that recovers.
    """
    statistics = statistics_of(cells).astype(np.float64)
    count = statistics[:, Statistic.PURCHASES] - 1
    variance = np.maximum(statistics[:, Statistic.VARIANCE_LOG] * count / (count - 1), LEAST_VARIANCE)
    longest = statistics[:, Statistic.MEAN_LOG] + _QUANTILE * np.sqrt(variance * (1 + 1 / count))
    return cells["last_day"] + np.ceil(np.exp(longest)).astype(np.int64)


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
