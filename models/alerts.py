"""Replenishment alerts: planned when a cycle begins, raised before it ends, closed by what happens."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from models.alert_dates import AlertDates
from models.calendar import LAST_DAY, date_of, instant_of
from models.columns import NEVER
from models.consumption import (
    Statistic,
    interval_posterior,
    purchase_probability,
    renewal_probability,
    renewal_quantile,
)
from models.dictionary import UNTRACKED
from models.events import AlertEvidence, PurchaseHabit, ReplenishmentAlert, alert_id
from models.habits import TRIP_DECAY, statistics_of
from models.open_days import bought_on, lines_of
from models.ranking import rank_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.events import AlertState
    from models.records import Records
    from models.state import State
    from models.step import Step

MODEL_VERSION = "replenishment-1"
"""Changes with every change of formula or constant that an alert depends on."""
SHOWN_PRODUCTS = 3
"""Products that an alert names: what fits one line of a message."""
MOST_GRACE_DAYS = 30
"""Days kept free at the end of the calendar, so that a window always has an end."""
_PROBABILITY_DAYS = 7


class Cycle(IntEnum):
    """Where a (customer, category) cycle stands; a cycle begins with a trip that bought the category."""

    UNPLANNED = 0
    """Too little known, too uncertain, or over."""
    PLANNED = 1
    RAISED = 2
    FULFILLED = 3


def plan(state: State, rows: NDArray[np.int64], day: int) -> None:
    """Begin a new cycle in every category bought on a folded day: choose the date most likely to be hit.

    Args:
        state: Changed in place.
        rows: Customers who folded the day.
        day: The day.
    """
    _, positions = state.cells.positions(rows)
    positions = positions[state.cells.records["last_day"][positions] == day]
    settings, cells = state.settings, state.cells.records[positions]
    statistics = statistics_of(cells)
    posterior = interval_posterior(statistics, state.priors.of(cells["category"]))
    days, chance = _dates(settings.alert_lead_days, settings.alert_grace_days).best(posterior)
    likely = (cells["purchases"] >= settings.alert_minimum_purchases) & (
        chance >= settings.alert_minimum_probability
    )
    low, high = (np.ceil(renewal_quantile(posterior, share)).astype(np.int64) for share in (0.1, 0.9))
    for column, ahead in (("best_day", days), ("low_day", low), ("high_day", high)):
        cells[column] = np.minimum(day + ahead, LAST_DAY - MOST_GRACE_DAYS)
    cells["alert"] = np.where(likely, Cycle.PLANNED, Cycle.UNPLANNED)
    state.cells.records[positions] = cells


def next_due(state: State, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k,) the next boundary (day) at which each customer has an alert to raise or to close; `NEVER` for none."""
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records[positions]
    best = cells["best_day"].astype(np.int64)
    due = np.where(cells["alert"] == Cycle.PLANNED, _raised_from(state, best), _missed_from(state, best))
    active = (cells["alert"] == Cycle.PLANNED) | (cells["alert"] == Cycle.RAISED)
    far = np.iinfo(np.int64).max
    soonest = np.full(len(rows), far)
    np.minimum.at(soonest, owners[active], due[active])
    return np.where(soonest == far, NEVER, soonest)


def close_missed(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Close as `missed` what was raised and whose window a boundary closes."""
    state = step.state
    due = state.customers["due"][rows]
    rows = rows[(due != NEVER) & (due <= boundary)]
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records[positions]
    missed = (cells["alert"] == Cycle.RAISED) & (_missed_from(state, cells["best_day"].astype(np.int64)) <= boundary)
    state.cells.records["alert"][positions[missed]] = Cycle.UNPLANNED
    _close(step, rows[owners[missed]], cells[missed], "missed", boundary)


def withdraw(step: Step, rows: NDArray[np.int64], cells: NDArray[Any], boundary: int) -> None:
    """Close as `withdrawn` the raised ones of cells that a full row no longer keeps."""
    raised = cells["alert"] == Cycle.RAISED
    _close(step, rows[raised], cells[raised], "withdrawn", boundary)


def raise_due(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Raise what is due and still valid, the likeliest first up to the customer's daily cap.

    Args:
        step: The step being computed.
        rows: (k,) customers whose closed days are folded.
        boundary: The boundary (day D); its alerts look at the day that it opens, D + 1.
    """
    state = step.state
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records[positions]
    best = cells["best_day"].astype(np.int64)
    due = np.flatnonzero((cells["alert"] == Cycle.PLANNED) & (_raised_from(state, best) <= boundary))
    if not len(due):
        return
    owners, positions, cells, best = owners[due], positions[due], cells[due], best[due]
    bought = bought_on(state, rows, boundary + 1)
    over = np.isin(owners << 16 | cells["category"], bought.owners << 16 | bought.categories) | (
        _missed_from(state, best) <= boundary
    )
    prior = state.priors.of(cells["category"])
    statistics = statistics_of(cells)
    elapsed = boundary - cells["last_day"].astype(np.int64)
    horizon = np.maximum(_missed_from(state, best) - boundary, 1)
    hit = renewal_probability(interval_posterior(statistics, prior), elapsed, horizon)
    soon = purchase_probability(statistics, prior, elapsed, _PROBABILITY_DAYS)
    place = rank_within(owners, over, -hit, state.category_names.hashes[cells["category"]])
    capped = ~over & (place >= state.settings.alert_daily_cap)
    raised = ~over & ~capped
    state.cells.records["alert"][positions] = np.where(raised, Cycle.RAISED, Cycle.UNPLANNED)
    state.cells.records["raised_day"][positions[raised]] = boundary
    step.counts["alerts_capped"] += int(capped.sum())
    step.counts["alerts_overtaken"] += int(over.sum())
    step.counts["alerts_raised"] += int(raised.sum())
    at = state.calendar.boundary(boundary)
    cause = _boundary_cause(boundary)
    for index in np.flatnonzero(raised).tolist():
        row = int(rows[owners[index]])
        chances = float(soon[index]), float(hit[index])
        step.emit(_event(state, row, state.cells.records[positions[index]], "raised", cause, at, chances), at)


def fulfil(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64], days: NDArray[np.int64]
) -> None:
    """Close as `fulfilled` the raised alerts whose category a basket buys inside their window.

    Args:
        step: The step being computed.
        records: A run of records.
        which: (k,) indexes of applied records of open days.
        rows: (k,) rows of their customers, each once.
        days: (k,) their business days.
    """
    state = step.state
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records[positions]
    last = cells["best_day"].astype(np.int64) + state.settings.alert_grace_days
    raised = (cells["alert"] == Cycle.RAISED) & (days[owners] <= last)
    if not raised.any():
        return
    owners, positions, cells = owners[raised], positions[raised], cells[raised]
    baskets, lines = lines_of(records, which)
    bought = records.quantities[lines] > 0
    baskets, lines = baskets[bought], lines[bought]
    found = np.array(state.category_names.find([records.categories[line] for line in lines.tolist()]), np.int64)
    known = found != UNTRACKED
    hit = np.isin(owners << 16 | cells["category"], baskets[known] << 16 | found[known])
    state.cells.records["alert"][positions[hit]] = Cycle.FULFILLED
    step.counts["alerts_fulfilled"] += int(hit.sum())
    for index in np.flatnonzero(hit).tolist():
        record = int(which[owners[index]])
        at = int(records.occurred_at[record])
        row = int(rows[owners[index]])
        step.emit(_event(state, row, cells[index], "fulfilled", records.event_ids[record], at), at)


def _close(step: Step, rows: NDArray[np.int64], cells: NDArray[Any], how: AlertState, boundary: int) -> None:
    """Emit the end of raised alerts at a boundary."""
    step.counts[f"alerts_{how}"] += len(cells)
    at = step.state.calendar.boundary(boundary)
    cause = _boundary_cause(boundary)
    for row, cell in zip(rows.tolist(), cells, strict=True):
        step.emit(_event(step.state, row, cell, how, cause, at), at)


def _event(
    state: State,
    row: int,
    cell: Any,
    how: AlertState,
    cause: str,
    at: int,
    chances: tuple[float, float] | tuple[None, None] = (None, None),
) -> ReplenishmentAlert:
    """The event of one alert; `chances`, within 7 days and of a hit, belong to the raised one."""
    customer = state.ids[row]
    category = state.category_names.name(int(cell["category"]))
    intervals = max(int(cell["purchases"]) - 1, 1)
    grace = state.settings.alert_grace_days
    return ReplenishmentAlert(
        alert_id=alert_id(customer, category, _boundary_cause(int(cell["raised_day"]))),
        customer_id=customer.decode(),
        category=category,
        state=how,
        products=_usual_products(state, row, int(cell["category"])),
        best_date=date_of(cell["best_day"]),
        interval_low=date_of(cell["low_day"]),
        interval_high=date_of(cell["high_day"]),
        probability_7_days=chances[0],
        hit_probability=chances[1],
        valid_until=instant_of(state.calendar.boundary(int(cell["best_day"]) + grace)),
        evidence=AlertEvidence(
            purchases_seen=int(cell["purchases"]),
            typical_interval_days=round(float(np.exp(float(cell["sum_log"]) / intervals)), 2),
            last_purchase=date_of(cell["last_day"]),
            usual_quantity=round(float(cell["quantity"]), 3),
        ),
        cause=cause,
        occurred_at=instant_of(at),
        model_version=MODEL_VERSION,
    )


def _usual_products(state: State, row: int, category: int) -> tuple[PurchaseHabit, ...]:
    """What a customer usually buys of a category, most bought first."""
    run = state.products.run(row)
    held = run[run["category"] == category]
    if not len(held):
        return ()
    trips = int(state.customers["trips"][row])
    count = held["count"] * TRIP_DECAY ** (trips - held["trip"].astype(np.float64))
    order = np.lexsort((state.product_names.hashes[held["product"]], -count))[:SHOWN_PRODUCTS]
    return tuple(
        PurchaseHabit(
            product_id=state.product_names.name(int(held["product"][at])),
            trips=round(float(count[at]), 2),
            last_bought=date_of(held["last_day"][at]),
        )
        for at in order.tolist()
    )


def _raised_from(state: State, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """The boundary that opens `lead` days before the best day."""
    return best - state.settings.alert_lead_days - 1


def _missed_from(state: State, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """The boundary that closes the last day of grace."""
    return best + state.settings.alert_grace_days


def _boundary_cause(boundary: int) -> str:
    return f"boundary:{date_of(boundary).isoformat()}"


@lru_cache(maxsize=8)
def _dates(lead_days: int, grace_days: int) -> AlertDates:
    """The table of best dates, built once per process."""
    return AlertDates(lead_days, grace_days)
