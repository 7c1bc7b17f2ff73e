"""Replenishment alerts: planned when a cycle begins, raised before it ends, closed by what happens."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from models.alerts import events as alert_events
from models.learning.alert_dates import AlertDates
from models.learning.intervals import (
    interval_posterior,
    purchase_probability,
    renewal_interval,
)
from models.memory import structured
from models.memory.dictionary import UNTRACKED
from models.memory.ranking import look_up, rank_within
from models.state.calendar import LAST_DAY, boundary_cause
from models.state.columns import NEVER
from models.state.habits import statistics_of
from models.state.open_days import bought_on, lines_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.contracts.events import AlertState
    from models.records.columns import Records
    from models.state.state import State
    from models.state.step import Step

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
    settings, cells = state.settings, structured.take(state.cells.records, positions)
    statistics = statistics_of(cells)
    posterior = interval_posterior(statistics, state.priors.of(cells["category"]))
    days, chance = _dates(settings.alert_lead_days, settings.alert_grace_days).best(posterior)
    likely = (cells["purchases"] >= settings.alert_minimum_purchases) & (
        chance >= settings.alert_minimum_probability
    )
    low, high = renewal_interval(posterior)
    for column, ahead in (("best_day", days), ("low_day", low), ("high_day", high)):
        cells[column] = np.minimum(day + ahead, LAST_DAY - MOST_GRACE_DAYS)
    cells["alert"] = np.where(likely, Cycle.PLANNED, Cycle.UNPLANNED)
    structured.put(state.cells.records, positions, cells)


def next_due(state: State, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k,) the next boundary (day) at which a customer has an alert to raise or close; `NEVER` for none."""
    owners, _, cycles, best = _cycles(state, rows)
    active = np.flatnonzero((cycles == Cycle.PLANNED) | (cycles == Cycle.RAISED))
    best = best[active]
    due = np.where(cycles[active] == Cycle.PLANNED, _raised_from(state, best), _missed_from(state, best))
    far = np.iinfo(np.int64).max
    soonest = np.full(len(rows), far)
    np.minimum.at(soonest, owners[active], due)
    return np.where(soonest == far, NEVER, soonest)


def close_missed(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Close as `missed` what was raised and whose window a boundary closes."""
    state = step.state
    due = state.customers["due"][rows]
    rows = rows[(due != NEVER) & (due <= boundary)]
    owners, positions, cycles, best = _cycles(state, rows)
    missed = np.flatnonzero((cycles == Cycle.RAISED) & (_missed_from(state, best) <= boundary))
    cells = structured.take(state.cells.records, positions[missed])
    state.cells.records["alert"][positions[missed]] = Cycle.UNPLANNED
    _close(step, rows[owners[missed]], cells, "missed", boundary)


def withdraw(step: Step, rows: NDArray[np.int64], cells: NDArray[Any], boundary: int) -> None:
    """Close as `withdrawn` the raised ones of cells that a full row no longer keeps."""
    raised = cells["alert"] == Cycle.RAISED
    _close(step, rows[raised], structured.take(cells, raised), "withdrawn", boundary)


def withdraw_all(step: Step, rows: NDArray[np.int64], *, cause: str, occurred_at: int) -> None:
    """Close as `withdrawn` all that is raised of customers who are about to be erased.

    Args:
        step: The step being computed.
        rows: (k,) customers.
        cause: The record that says so.
        occurred_at: Its event time, ms since 1970 UTC.
    """
    state = step.state
    owners, positions, cycles, _ = _cycles(state, rows)
    raised = np.flatnonzero(cycles == Cycle.RAISED)
    step.counts["alerts_withdrawn"] += len(raised)
    if len(raised):
        cells, count = structured.take(state.cells.records, positions[raised]), len(raised)
        alert_events.emit(
            step,
            rows[owners[raised]],
            cells,
            "withdrawn",
            causes=[cause] * count,
            times=[occurred_at] * count,
        )


def raise_due(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Raise what is due and still valid, the likeliest first up to the customer's daily cap.

    Args:
        step: The step being computed.
        rows: (k,) customers whose closed days are folded.
        boundary: The boundary (day D); its alerts look at the day that it opens, D + 1.
    """
    state = step.state
    owners, positions, cycles, best = _cycles(state, rows)
    due = np.flatnonzero((cycles == Cycle.PLANNED) & (_raised_from(state, best) <= boundary))
    if not len(due):
        return
    owners, positions, best = owners[due], positions[due], best[due]
    cells = structured.take(state.cells.records, positions)
    bought = bought_on(state, rows, boundary + 1)
    over = look_up(owners << 16 | cells["category"], bought.owners << 16 | bought.categories)[1] | (
        _missed_from(state, best) <= boundary
    )
    prior = state.priors.of(cells["category"])
    statistics = statistics_of(cells)
    elapsed = boundary - cells["last_day"].astype(np.int64)
    dates = _dates(state.settings.alert_lead_days, state.settings.alert_grace_days)
    hit = dates.hit_given(interval_posterior(statistics, prior), best - cells["last_day"], elapsed)
    soon = purchase_probability(statistics, prior, elapsed, _PROBABILITY_DAYS)
    quiet = np.isin(cells["category"], state.category_names.find([*state.settings.alert_quiet_set]))
    place = rank_within(owners, over | quiet, -hit, state.category_names.hashes[cells["category"]])
    capped = ~over & ~quiet & (place >= state.settings.alert_daily_cap)
    raised = ~over & ~quiet & ~capped
    state.cells.records["alert"][positions] = np.where(raised, Cycle.RAISED, Cycle.UNPLANNED)
    state.cells.records["raised_day"][positions[raised]] = boundary
    step.counts["alerts_capped"] += int(capped.sum())
    step.counts["alerts_overtaken"] += int(over.sum())
    step.counts["alerts_quiet"] += int((quiet & ~over).sum())
    step.counts["alerts_raised"] += int(raised.sum())
    if raised.any():
        count = int(raised.sum())
        alert_events.emit(
            step,
            rows[owners[raised]],
            structured.take(state.cells.records, positions[raised]),
            "raised",
            causes=[boundary_cause(boundary)] * count,
            times=[state.calendar.boundary(boundary)] * count,
            chances=(np.round(soon[raised], 6).tolist(), np.round(hit[raised], 6).tolist()),
        )


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
    owners, positions, cycles, best = _cycles(state, rows)
    raised = np.flatnonzero((cycles == Cycle.RAISED) & (days[owners] <= _missed_from(state, best)))
    if not len(raised):
        return
    owners, positions = owners[raised], positions[raised]
    cells = structured.take(state.cells.records, positions)
    baskets, lines = lines_of(records, which)
    bought = records.quantities[lines] > 0
    baskets, lines = baskets[bought], lines[bought]
    found = np.array(
        state.category_names.find([records.categories[line] for line in lines.tolist()]), np.int64
    )
    known = found != UNTRACKED
    hit = look_up(owners << 16 | cells["category"], np.sort(baskets[known] << 16 | found[known]))[1]
    state.cells.records["alert"][positions[hit]] = Cycle.FULFILLED
    step.counts["alerts_fulfilled"] += int(hit.sum())
    fulfilling = which[owners[hit]].tolist()
    if fulfilling:
        causes = [records.event_ids[record] for record in fulfilling]
        times = [int(records.occurred_at[record]) for record in fulfilling]
        fulfilled = structured.take(cells, hit)
        alert_events.emit(step, rows[owners[hit]], fulfilled, "fulfilled", causes=causes, times=times)


def _close(step: Step, rows: NDArray[np.int64], cells: NDArray[Any], how: AlertState, boundary: int) -> None:
    """Emit the end of raised alerts at a boundary."""
    step.counts[f"alerts_{how}"] += len(cells)
    if len(cells):
        causes = [boundary_cause(boundary)] * len(cells)
        times = [step.state.calendar.boundary(boundary)] * len(cells)
        alert_events.emit(step, rows, cells, how, causes=causes, times=times)


def _cycles(
    state: State, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Owner, position, cycle and best day of every cell of some customers: two columns, not whole records."""
    owners, positions = state.cells.positions(rows)
    records = state.cells.records
    return owners, positions, records["alert"][positions], records["best_day"][positions].astype(np.int64)


def _raised_from(state: State, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """The boundary that opens `lead` days before the best day."""
    return best - state.settings.alert_lead_days - 1


def _missed_from(state: State, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """The boundary that closes the last day of grace."""
    return best + state.settings.alert_grace_days


@lru_cache(maxsize=8)
def _dates(lead_days: int, grace_days: int) -> AlertDates:
    """The table of best dates, built once per process."""
    return AlertDates(lead_days, grace_days)
