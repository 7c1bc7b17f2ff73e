"""Events of alerts: a cell and its customer's products, written as the contract's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.alerts.evidence import evidence_of, usual_products
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
from models.state.calendar import boundary_cause, date_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.contracts.events import ClosingState
    from models.state.step import Step

MODEL_VERSION = "replenishment-1"
"""Version of the model, which changes with every formula or constant that an alert depends on."""


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
    end = f'"cause":{text_as_json(cause)},"occurred_at":"{time_text(at)}","model_version":"{MODEL_VERSION}"}}'
    # Stage 2: k JSON texts, written directly, without building a contract's model
    # (`models.contracts.encoding`).
    values = [
        (
            f'{{"alert_id":"{identity}","customer_id":{text_as_json(customer.decode())},"category":{quoted(name)},'
            f'"state":"raised","products":[{products}],"best_date":"{date_text(best)}",'
            f'"interval_low":"{date_text(low)}","interval_high":"{date_text(high)}",'
            f'"probability_7_days":{chance},"hit_probability":{hit_chance},'
            f'"valid_until":"{boundary_text(best + grace)}","evidence":{evidence},{end}'
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
            evidence,
        ) in zip(
            identities,
            customers,
            names,
            usual_products(state, rows, cells["category"]),
            *(cells[name].tolist() for name in ("best_day", "low_day", "high_day")),
            numbers_as_json(np.round(soon, 4).tolist()),
            _chances_said(cells),
            evidence_of(cells),
            strict=True,
        )
    ]
    # Stage 3: hand the events to the step, which holds back history and redirects hold-out customers.
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
