"""The events of alerts: what a cell and its customer's products say, put into the contract's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.calendar import boundary_cause, date_text
from models.events import alert_id, event_id
from models.habits import TRIP_DECAY
from models.outputs import ALERT, as_json, encoded_output, quoted, time_text
from models.ranking import look_up, rank_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.events import AlertState
    from models.state import State
    from models.step import Step

MODEL_VERSION = "replenishment-1"
"""Changes with every change of formula or constant that an alert depends on."""
SHOWN_PRODUCTS = 3
"""Products that an alert names: what fits one line of a message."""


def emit(
    step: Step,
    rows: NDArray[np.int64],
    cells: NDArray[Any],
    how: AlertState,
    *,
    causes: Sequence[str],
    times: Sequence[int],
    chances: tuple[Sequence[float | None], Sequence[float | None]] | None = None,
) -> None:
    """Emit one event for each of k alerts.

    Args:
        step: The step being computed.
        rows: (k,) customers.
        cells: (k,) cell records; `raised_day` names the boundary that raised each alert.
        how: What happened to them.
        causes: k causes.
        times: k event times, ms since 1970 UTC.
        chances: k chances of a purchase within 7 days, and of a hit; only for alerts just raised.
    """
    state = step.state
    unknown: Sequence[None] = [None] * len(rows)
    soon, hit = chances or (unknown, unknown)
    grace, source = state.settings.alert_grace_days, state.settings.event_source
    products = _usual_products(state, rows, cells["category"])
    intervals = np.maximum(cells["purchases"].astype(np.int64) - 1, 1)
    typical = np.round(np.exp(cells["sum_log"].astype(np.float64) / intervals), 2).tolist()
    quantities = np.round(cells["quantity"].astype(np.float64), 3).tolist()
    columns = [cells[name].tolist() for name in ("category", "purchases", "last_day", "raised_day")]
    dates = [cells[name].tolist() for name in ("best_day", "low_day", "high_day")]
    for at, (row, category, purchases, last, raised, best, low, high) in enumerate(
        zip(rows.tolist(), *columns, *dates, strict=True)
    ):
        customer, name, cause = state.ids[row], state.category_names.name(category), causes[at]
        raised_id = alert_id(customer, name, boundary_cause(raised))
        identity = raised_id if how == "raised" else event_id(ALERT.type_, customer, name, cause, how)
        value = (
            f'{{"alert_id":"{raised_id}","customer_id":{as_json(customer.decode())},"category":{quoted(name)},'
            f'"state":"{how}","products":[{",".join(products[at])}],"best_date":"{date_text(best)}",'
            f'"interval_low":"{date_text(low)}","interval_high":"{date_text(high)}",'
            f'"probability_7_days":{as_json(soon[at])},"hit_probability":{as_json(hit[at])},'
            f'"valid_until":"{state.calendar.boundary_text(best + grace)}",'
            f'"evidence":{{"purchases_seen":{purchases},"typical_interval_days":{as_json(typical[at])},'
            f'"last_purchase":"{date_text(last)}","usual_quantity":{as_json(quantities[at])}}},'
            f'"cause":{as_json(cause)},"occurred_at":"{time_text(times[at])}",'
            f'"model_version":"{MODEL_VERSION}"}}'
        )
        step.emit(
            encoded_output(ALERT, customer, identity, value.encode(), occurred_at=times[at], source=source)
        )


def _usual_products(state: State, rows: NDArray[np.int64], categories: NDArray[np.uint16]) -> list[list[str]]:
    """What each customer usually buys of a category, most bought first, as JSON."""
    customers, customer_of = np.unique(rows, return_inverse=True)
    wanted = customer_of << 16 | categories
    order = np.argsort(wanted)
    holders, positions = state.products.positions(customers)
    held_in = holders << 16 | state.products.records["category"][positions]
    place, matching = look_up(held_in, wanted[order])
    owners, held = order[place[matching]], state.products.records[positions[matching]]
    trips = state.customers["trips"][rows][owners].astype(np.float64)
    count = held["count"] * TRIP_DECAY ** (trips - held["trip"])
    place = rank_within(owners, -count, state.product_names.hashes[held["product"]])
    shown = np.flatnonzero(place < SHOWN_PRODUCTS)
    shown = shown[np.lexsort((place[shown], owners[shown]))]
    habits: list[list[str]] = [[] for _ in range(len(rows))]
    for owner, product, trips_with, last in zip(
        owners[shown].tolist(),
        held["product"][shown].tolist(),
        np.round(count[shown], 2).tolist(),
        held["last_day"][shown].tolist(),
        strict=True,
    ):
        name = quoted(state.product_names.name(product))
        habits[owner].append(
            f'{{"product_id":{name},"trips":{trips_with!r},"last_bought":"{date_text(last)}"}}'
        )
    return habits
