"""Events of alerts: a cell and its customer's products, written as the contract's JSON."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from models.contracts.encoding import (
    ALERT,
    CLOSING,
    block_of,
    numbers_as_json,
    quoted,
    text_as_json,
)
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.learning.intervals import LOG_STEPS
from models.memory.groups import first_within
from models.state.calendar import boundary_cause, date_text
from models.state.usual_products import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.contracts.events import ClosingState
    from models.state.state import State
    from models.state.step import Step

MODEL_VERSION = "replenishment-1"
"""Version of the model, which changes with every formula or constant that an alert depends on."""
SHOWN_PRODUCTS = 3
"""Products that an alert names: as many as fit one line of a message."""


def emit_raised(
    step: Step, rows: NDArray[np.int64], cells: NDArray[Any], boundary: int, *, soon: NDArray[np.float64]
) -> None:
    """Emit the raised event of each of k alerts, with products and evidence.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        cells: (k,) cell records; `chance` holds the probability of a hit that the event says.
        boundary: Boundary (day) that raises the alerts.
        soon: (k,) probabilities of a purchase within 7 days.
    """
    # Stage 1: k ids, each of which is the alert's id as well.
    state, count = step.state, len(rows)
    grace, boundary_text = state.settings.alert_grace_days, state.calendar.boundary_text
    cause, at = boundary_cause(boundary), state.calendar.boundary(boundary)
    customers = [state.ids[row] for row in rows.tolist()]
    names = state.category_names.names(cells["category"].tolist())
    identities = event_ids(ALERT.type_, customers, names, [cause] * count, "raised")
    # Stage 2: k values per field, rounded as the contract says.
    typical = np.round(np.exp(cells["mean_log"] / LOG_STEPS), 2).tolist()
    quantities = np.round(cells["quantity"].astype(np.float64), 3).tolist()
    end = f'"cause":{text_as_json(cause)},"occurred_at":"{time_text(at)}","model_version":"{MODEL_VERSION}"}}'
    # Stage 3: k JSON texts, written directly, without building a contract's model
    # (`models.contracts.encoding`).
    values = [
        (
            f'{{"alert_id":"{identity}","customer_id":{text_as_json(customer.decode())},"category":{quoted(name)},'
            f'"state":"raised","products":[{products}],"best_date":"{date_text(best)}",'
            f'"interval_low":"{date_text(low)}","interval_high":"{date_text(high)}",'
            f'"probability_7_days":{chance},"hit_probability":{hit_chance},'
            f'"valid_until":"{boundary_text(best + grace)}",'
            f'"evidence":{{"purchases_seen":{purchases},"typical_interval_days":{interval},'
            f'"last_purchase":"{date_text(last)}","usual_quantity":{quantity}}},{end}'
        ).encode()
        for (
            identity,
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
        ) in zip(
            identities,
            customers,
            names,
            _usual_products(state, rows, cells["category"]),
            *(cells[name].tolist() for name in ("best_day", "low_day", "high_day")),
            numbers_as_json(np.round(soon, 4).tolist()),
            _chances_said(cells),
            cells["purchases"].tolist(),
            numbers_as_json(typical),
            cells["last_day"].tolist(),
            numbers_as_json(quantities),
            strict=True,
        )
    ]
    # Stage 4: hand the events to the step, which holds back history and redirects hold-out customers.
    source = state.settings.event_source
    step.emit(block_of(ALERT, customers, identities, values, times=[at] * count, source=source))


def emit_closings(
    step: Step,
    rows: NDArray[np.int64],
    cells: NDArray[Any],
    how: ClosingState,
    *,
    causes: Sequence[str],
    times: Sequence[int],
) -> None:
    """Emit the end of each of k alerts.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        cells: (k,) cell records, which tell of each alert's raising: `raised_day`, `best_day`, `chance`.
        how: State that the alerts enter.
        causes: k causes, each the id of a record or the name of a boundary.
        times: k event times, ms since 1970 UTC.
    """
    # Stage 1: k ids of the raised events, by which a consumer joins the two, and k ids of these events.
    state = step.state
    customers = [state.ids[row] for row in rows.tolist()]
    names = state.category_names.names(cells["category"].tolist())
    raising = [boundary_cause(day) for day in cells["raised_day"].tolist()]
    alerts = event_ids(ALERT.type_, customers, names, raising, "raised")
    identities = event_ids(CLOSING.type_, customers, names, causes, how)
    # Stage 2: k JSON texts. The causes of one basket or boundary are equal and are written once.
    causes_said = {cause: text_as_json(cause) for cause in set(causes)}
    values = [
        (
            f'{{"alert_id":"{alert}","customer_id":{text_as_json(customer.decode())},"category":{quoted(name)},'
            f'"state":"{how}","best_date":"{date_text(best)}","hit_probability":{chance},'
            f'"cause":{causes_said[cause]},"occurred_at":"{time_text(at)}","model_version":"{MODEL_VERSION}"}}'
        ).encode()
        for alert, customer, name, best, chance, cause, at in zip(
            alerts,
            customers,
            names,
            cells["best_day"].tolist(),
            _chances_said(cells),
            causes,
            times,
            strict=True,
        )
    ]
    # Stage 3: hand the events to the step, which holds back history and redirects hold-out customers.
    source = state.settings.event_source
    step.emit(block_of(CLOSING, customers, identities, values, times=times, source=source))


def _chances_said(cells: NDArray[Any]) -> list[str]:
    """Write the probability of a hit that the alert of each cell said when it was raised, as JSON."""
    return numbers_as_json((cells["chance"] / 10_000).tolist())


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
