"""Events of alerts: a cell and its customer's products, written as the contract's JSON."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from models.contracts.encoding import (
    ALERT,
    numbers_as_json,
    outputs_of,
    quoted,
    text_as_json,
    time_text,
)
from models.contracts.events import event_ids
from models.memory.groups import first_within
from models.state.calendar import boundary_cause, date_text
from models.state.usual_products import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.contracts.events import AlertState
    from models.state.state import State
    from models.state.step import Step

MODEL_VERSION = "replenishment-1"
"""Version of the model, which changes with every formula or constant that an alert depends on."""
SHOWN_PRODUCTS = 3
"""Products that an alert names: as many as fit one line of a message."""


def emit(
    step: Step,
    rows: NDArray[np.int64],
    cells: NDArray[Any],
    how: AlertState,
    *,
    causes: Sequence[str],
    times: Sequence[int],
    soon: Sequence[float] = (),
) -> None:
    """Emit one event for each of k alerts.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        cells: (k,) cell records; `raised_day` names the boundary that raised each alert.
        how: State that the alerts enter.
        causes: k causes, each the id of a record or the name of a boundary.
        times: k event times, ms since 1970 UTC.
        soon: k probabilities of a purchase within 7 days; empty unless the alerts were just raised.
    """
    # Stage 1: ids. All events of an alert carry the id of its raising, so that a consumer can match them.
    state, count = step.state, len(rows)
    unknown: Sequence[None] = [None] * count
    hit = (cells["chance"] / 10_000).tolist() if soon else unknown
    grace, boundary_text = state.settings.alert_grace_days, state.calendar.boundary_text
    customers = [state.ids[row] for row in rows.tolist()]
    names = state.category_names.names(cells["category"].tolist())
    raising = [boundary_cause(day) for day in cells["raised_day"].tolist()]
    raised_ids = event_ids(ALERT.type_, customers, names, raising, "raised")
    identities = raised_ids if how == "raised" else event_ids(ALERT.type_, customers, names, causes, how)
    # Stage 2: k values per field, rounded as the contract says.
    intervals = np.maximum(cells["purchases"].astype(np.int64) - 1, 1)
    typical = np.round(np.exp(cells["sum_log"].astype(np.float64) / intervals), 2).tolist()
    quantities = np.round(cells["quantity"].astype(np.float64), 3).tolist()
    causes_said = {cause: text_as_json(cause) for cause in set(causes)}
    # Stage 3: k JSON texts, written directly, without building a contract's model
    # (`models.contracts.encoding`).
    values = [
        (
            f'{{"alert_id":"{raised_id}","customer_id":{text_as_json(customer.decode())},"category":{quoted(name)},'
            f'"state":"{how}","products":[{products}],"best_date":"{date_text(best)}",'
            f'"interval_low":"{date_text(low)}","interval_high":"{date_text(high)}",'
            f'"probability_7_days":{chance},"hit_probability":{hit_chance},'
            f'"valid_until":"{boundary_text(best + grace)}",'
            f'"evidence":{{"purchases_seen":{purchases},"typical_interval_days":{interval},'
            f'"last_purchase":"{date_text(last)}","usual_quantity":{quantity}}},'
            f'"cause":{causes_said[cause]},"occurred_at":"{time_text(at)}",'
            f'"model_version":"{MODEL_VERSION}"}}'
        ).encode()
        for (
            raised_id,
            customer,
            name,
            products,
            best,
            low,
            high,
            chance,
            hit_chance,
            purchases,
            interval,
            last,
            quantity,
            cause,
            at,
        ) in zip(
            raised_ids,
            customers,
            names,
            _usual_products(state, rows, cells["category"]),
            *(cells[name].tolist() for name in ("best_day", "low_day", "high_day")),
            numbers_as_json(soon or unknown),
            numbers_as_json(hit),
            cells["purchases"].tolist(),
            numbers_as_json(typical),
            cells["last_day"].tolist(),
            numbers_as_json(quantities),
            causes,
            times,
            strict=True,
        )
    ]
    # Stage 4: hand the events to the step, which holds back history and redirects hold-out customers.
    source = state.settings.event_source
    step.emit(outputs_of(ALERT, customers, identities, values, times=times, source=source))


def _usual_products(state: State, rows: NDArray[np.int64], categories: NDArray[np.uint16]) -> list[str]:
    """Write the products that each customer usually buys of a category as JSON, most bought first."""
    bought = Asked(state, rows, categories).bought(state)
    shown = first_within(
        bought.asked, SHOWN_PRODUCTS, -bought.counts, state.product_names.hashes[bought.products]
    )
    said = [
        f'{{"product_id":{quoted(product)},"trips":{trips},"last_bought":"{date_text(last)}"}}'
        for product, trips, last in zip(
            state.product_names.names(bought.products[shown].tolist()),
            numbers_as_json(np.round(bought.counts[shown], 2).tolist()),
            bought.last_days[shown].tolist(),
            strict=True,
        )
    ]
    ends = np.cumsum(np.bincount(bought.asked[shown], minlength=len(rows))).tolist()
    return [",".join(said[first:end]) for first, end in pairwise([0, *ends])]
