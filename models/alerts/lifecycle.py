"""Lifecycle of replenishment alerts: planning at the start of a cycle, raising before its end, closing."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.alerts import events as alert_events
from models.learning.alert_dates import AlertDates
from models.learning.calibration import SCALE
from models.learning.intervals import (
    interval_posterior,
    purchase_probability,
    renewal_interval,
    window_probability,
)
from models.memory import structured
from models.memory.dictionary import UNTRACKED
from models.memory.groups import look_up, rank_within
from models.state.calendar import LAST_DAY, boundary_cause
from models.state.columns import NEVER, RAISED_ALERT, Cycle, Outcome
from models.state.habits import statistics_of
from models.state.open_days import bought_on, lines_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.contracts.events import ClosingState
    from models.records.columns import Records
    from models.settings import LedgerSettings
    from models.state.state import State
    from models.state.step import Step

MOST_GRACE_DAYS = 30
"""Days kept free at the end of the calendar, so that every alert's window has an end."""
PROBABILITY_DAYS = 7
"""Days of the second chance that an alert says."""
COVERAGE = 0.77
"""Share of the renewal model's cycles that the 80 % interval holds. Of the alerts of weeks 28 to 40 of The
Complete Journey it then holds .81; an interval of .80 held .84, because regular habits are those alerted
on."""


def plan(state: State, rows: NDArray[np.int64], day: int) -> None:
    """Begin a new cycle in every category bought on a folded day: plan the first date that is worth an alert.

    Its window has to hold a purchase with the least chance that the settings ask for, and with a chance that
    is larger than that of any window of the same length, by the factor that they ask for.

    Args:
        state: State of the partition; its cells are changed in place.
        rows: (k,) rows of customers who folded the day.
        day: Day that was folded.
    """
    # Stage 1: (m,) cells bought on the day, as copies to change.
    _, positions = state.cells.positions(rows)
    positions = positions[state.cells.records["last_day"][positions] == day]
    settings, cells = state.settings, structured.take(state.cells.records, positions)
    # Stage 2: (k,) date of each of those that were bought often enough, in days from the day; 0 without one.
    _forget(cells)
    cells["alert"] = Cycle.UNPLANNED
    known = np.flatnonzero(cells["purchases"] >= settings.alert_minimum_purchases)
    if len(known) and settings.alert_policy != "list":
        some = structured.take(cells, known)
        statistics, prior = statistics_of(some), state.priors.of(some["category"])
        posterior = interval_posterior(statistics, prior)
        usual = window_probability(statistics, prior, posterior, _window(settings))
        enough = state.calibration.hit.least(settings.alert_minimum_probability)
        least = np.maximum(settings.alert_minimum_lift * usual, enough)
        days = _dates(settings.alert_lead_days, settings.alert_grace_days).first(posterior, least)
        planned = np.flatnonzero((days > 0) & (day + days <= LAST_DAY - MOST_GRACE_DAYS))
        # Stage 3: store the date.
        cells["alert"][known[planned]] = Cycle.PLANNED
        cells["best_day"][known[planned]] = day + days[planned]
    structured.put(state.cells.records, positions, cells)


class Expected(NamedTuple):
    """When the next trip of each of k cells is expected."""

    date: NDArray[np.int64]
    """(k,) day by which the trip has come with a chance of one half."""
    low: NDArray[np.int64]
    """(k,) first day of the 80 % interval."""
    high: NDArray[np.int64]


def expected(state: State, cells: NDArray[Any]) -> Expected:
    """Tell when the next trip of cells is expected, as known at the last boundary.

    Of a raised alert, the interval is the one that it said.
    """
    raised = cells["alert"] == Cycle.RAISED
    date, _ = _interval(state, cells, state.clock.begun, 0.0)
    low, high = _interval(state, cells, state.clock.begun, COVERAGE)
    return Expected(date, np.where(raised, cells["low_day"], low), np.where(raised, cells["high_day"], high))


def _interval(
    state: State, cells: NDArray[Any], boundary: int, coverage: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (k,) first and last day of an interval of the next trip, inside the calendar.

    Args:
        state: State of the partition.
        cells: (k,) cells.
        boundary: Boundary (day) until which nothing was bought but what the cells hold.
        coverage: Probability of the interval.
    """
    posterior = interval_posterior(statistics_of(cells), state.priors.of(cells["category"]))
    last, end = cells["last_day"].astype(np.int64), LAST_DAY - MOST_GRACE_DAYS
    low, high = renewal_interval(posterior, np.maximum(boundary - last, 0), coverage)
    return np.minimum(last + low, end), np.minimum(last + high, end)


def next_due(state: State, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (k,) next boundary (day) at which an alert is raised or closed; `NEVER` without one."""
    owners, _, cycles, best = _cycles(state, rows)
    active = np.flatnonzero((cycles == Cycle.PLANNED) | (cycles == Cycle.RAISED))
    best = best[active]
    due = np.where(cycles[active] == Cycle.PLANNED, _raised_from(state, best), _missed_from(state, best))
    far = np.iinfo(np.int64).max
    soonest = np.full(len(rows), far)
    np.minimum.at(soonest, owners[active], due)
    return np.where(soonest == far, NEVER, soonest)


def close_missed(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Close raised alerts as `missed` whose window ends at a boundary.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        boundary: Boundary (day).
    """
    state = step.state
    due = state.customers["due"][rows]
    rows = rows[(due != NEVER) & (due <= boundary)]
    owners, positions, cycles, best = _cycles(state, rows)
    missed = np.flatnonzero((cycles == Cycle.RAISED) & (_missed_from(state, best) <= boundary))
    cells = structured.take(state.cells.records, positions[missed])
    if len(missed):
        _end(state, positions[missed], Cycle.UNPLANNED, boundary, Outcome.NOTHING)
    step.counts["alerts_missed"] += len(cells)
    _close(step, rows[owners[missed]], cells, "missed", boundary)


def withdraw(step: Step, rows: NDArray[np.int64], cells: NDArray[Any], boundary: int) -> None:
    """Close the raised alerts of cells as `withdrawn` that a full row no longer keeps.

    Args:
        step: Step being computed.
        rows: (m,) rows of the cells' customers.
        cells: (m,) evicted cells.
        boundary: Boundary (day) at which the cells were evicted.
    """
    raised = cells["alert"] == Cycle.RAISED
    step.counts["alerts_withdrawn"] += int(raised.sum())
    _close(step, rows[raised], structured.take(cells, raised), "withdrawn", boundary)


def withdraw_all(step: Step, rows: NDArray[np.int64], *, cause: str, occurred_at: int) -> None:
    """Close all raised alerts as `withdrawn` of customers who are about to be erased.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        cause: Id of the erasing record.
        occurred_at: Event time of the erasing record, ms since 1970 UTC.
    """
    state = step.state
    owners, positions, cycles, _ = _cycles(state, rows)
    raised = np.flatnonzero(cycles == Cycle.RAISED)
    step.counts["alerts_withdrawn"] += len(raised)
    if len(raised):
        cells, count = structured.take(state.cells.records, positions[raised]), len(raised)
        alert_events.emit_closings(
            step,
            rows[owners[raised]],
            cells,
            "withdrawn",
            causes=[cause] * count,
            times=[occurred_at] * count,
        )


def raise_due(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Raise the alerts that are due and still valid, the likeliest first up to the customer's daily cap.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose closed days are folded.
        boundary: Boundary (day D). Alerts of this boundary are for the day that the boundary opens, D + 1.
    """
    # Stage 1: (m,) planned cells whose alert is due.
    state = step.state
    owners, positions, cycles, best = _cycles(state, rows)
    due = np.flatnonzero((cycles == Cycle.PLANNED) & (_raised_from(state, best) <= boundary))
    if not len(due):
        return
    owners, positions, best = owners[due], positions[due], best[due]
    cells = structured.take(state.cells.records, positions)
    # Stage 2: (m,) overtaken alerts. Either the category was bought on the open day, which ends the cycle, or
    # the window is over.
    bought = bought_on(state, rows, boundary + 1)
    over = look_up(owners << 16 | cells["category"], bought.owners << 16 | bought.categories)[1] | (
        _missed_from(state, best) <= boundary
    )
    # Stage 3: (m,) probabilities, given that nothing was bought until this boundary.
    prior = state.priors.of(cells["category"])
    statistics = statistics_of(cells)
    elapsed = boundary - cells["last_day"].astype(np.int64)
    dates = _dates(state.settings.alert_lead_days, state.settings.alert_grace_days)
    hit = dates.hit_given(interval_posterior(statistics, prior), best - cells["last_day"], elapsed)
    soon = purchase_probability(statistics, prior, elapsed, PROBABILITY_DAYS)
    # Stage 4: (m,) alerts to raise. Quiet categories and overtaken alerts rank last, so that neither uses up
    # the customer's cap. The hash of the category's name settles ties, so that every worker raises the same
    # alerts.
    quiet = np.isin(cells["category"], state.category_names.find([*state.settings.alert_quiet_set]))
    place = rank_within(owners, over | quiet, -hit, state.category_names.hashes[cells["category"]])
    capped = ~over & ~quiet & (place >= state.settings.alert_daily_cap)
    raised = ~over & ~quiet & ~capped
    # Stage 5: store the cycles. An alert that is not raised now is over until the category is bought again.
    cells["alert"] = np.where(raised, Cycle.RAISED, Cycle.UNPLANNED)
    cells["low_day"], cells["high_day"] = _interval(state, cells, boundary, COVERAGE)
    cells["raised_day"] = boundary
    cells["model_chance"], cells["model_week"] = np.rint(hit * SCALE), np.rint(soon * SCALE)
    cells["chance"] = np.rint(state.calibration.hit.of(hit) * SCALE)
    _forget(cells, ~raised)
    structured.put(state.cells.records, positions, cells)
    step.counts["alerts_capped"] += int(capped.sum())
    step.counts["alerts_overtaken"] += int(over.sum())
    step.counts["alerts_quiet"] += int((quiet & ~over).sum())
    step.counts["alerts_raised"] += int(raised.sum())
    # Stage 6: emit one event for each raised alert.
    if raised.any():
        cells, soon = structured.take(cells, raised), state.calibration.week.of(soon[raised])
        alert_events.emit_raised(step, rows[owners[raised]], cells, boundary, soon=soon)


def fulfil(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64], days: NDArray[np.int64]
) -> None:
    """Close raised alerts as `fulfilled` whose category a basket buys inside their window.

    Args:
        step: Step being computed.
        records: Run of records.
        which: (k,) indexes of applied records of open days.
        rows: (k,) rows of their customers, each once.
        days: (k,) business days of the records.
    """
    # Stage 1: (m,) raised cells whose window is not over.
    state = step.state
    owners, positions, cycles, best = _cycles(state, rows)
    raised = np.flatnonzero((cycles == Cycle.RAISED) & (days[owners] <= _missed_from(state, best)))
    if not len(raised):
        return
    owners, positions = owners[raised], positions[raised]
    cells = structured.take(state.cells.records, positions)
    # Stage 2: (l,) known categories that the baskets buy. Returned lines buy nothing.
    baskets, lines = lines_of(records, which)
    bought = records.quantities[lines] > 0
    baskets, lines = baskets[bought], lines[bought]
    found = np.array(
        state.category_names.find([records.categories[line] for line in lines.tolist()]), np.int64
    )
    known = found != UNTRACKED
    # Stage 3: (m,) raised cells that a basket fulfils, matched by keys of (customer, category).
    hit = look_up(owners << 16 | cells["category"], np.sort(baskets[known] << 16 | found[known]))[1]
    # The boundary that closes the purchase's day learns of it.
    ended = days[owners[hit]]
    week = ended - cells["raised_day"][hit] <= PROBABILITY_DAYS
    outcome = np.where(week, Outcome.HIT | Outcome.WITHIN_WEEK, Outcome.HIT)
    _end(state, positions[hit], Cycle.FULFILLED, ended, outcome)
    step.counts["alerts_fulfilled"] += int(hit.sum())
    fulfilling = which[owners[hit]].tolist()
    if fulfilling:
        causes = [records.event_ids[record] for record in fulfilling]
        times = [int(records.occurred_at[record]) for record in fulfilling]
        fulfilled = structured.take(cells, hit)
        alert_events.emit_closings(
            step, rows[owners[hit]], fulfilled, "fulfilled", causes=causes, times=times
        )


def _end(
    state: State,
    positions: NDArray[np.int64],
    cycle: Cycle,
    day: NDArray[np.int64] | int,
    outcome: NDArray[np.int64] | Outcome,
) -> None:
    """End the raised alerts of cells, which then tell of the outcome alone.

    Args:
        state: State of the partition; its cells are changed in place.
        positions: (m,) positions of the cells.
        cycle: State that the cycles enter.
        day: Boundary (day) that learns of the outcome, one or (m,).
        outcome: `Outcome`, one or (m,).
    """
    cells = state.cells.records
    cells["alert"][positions] = cycle
    cells["ended_day"][positions], cells["outcome"][positions] = day, outcome
    for name, said in (("ended_chance", "model_chance"), ("ended_week", "model_week")):
        cells[name][positions] = cells[said][positions]
    _forget(cells, positions)


def _forget(cells: NDArray[Any], at: NDArray[Any] | slice = slice(None)) -> None:
    """Take what cells tell of an alert out of them."""
    for name in RAISED_ALERT.names or ():
        cells[name][at] = 0


def _close(
    step: Step, rows: NDArray[np.int64], cells: NDArray[Any], how: ClosingState, boundary: int
) -> None:
    """Emit the end of raised alerts at a boundary."""
    if len(cells):
        causes = [boundary_cause(boundary)] * len(cells)
        times = [step.state.calendar.boundary(boundary)] * len(cells)
        alert_events.emit_closings(step, rows, cells, how, causes=causes, times=times)


def _cycles(
    state: State, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Return owner, position, cycle and best day of every cell of customers.

    Two columns are read instead of whole records, because nothing else of a cell is needed.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.

    Returns:
        (m,) index into `rows`, (m,) position in the arena, (m,) cycle and (m,) best day.
    """
    owners, positions = state.cells.positions(rows)
    records = state.cells.records
    return owners, positions, records["alert"][positions], records["best_day"][positions].astype(np.int64)


def _raised_from(state: State, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the boundary (day) that opens the day `alert_lead_days` before the best day."""
    return best - state.settings.alert_lead_days - 1


def _missed_from(state: State, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the boundary (day) that closes the last day of grace."""
    return best + state.settings.alert_grace_days


def _window(settings: LedgerSettings) -> int:
    """Return the days of an alert's window."""
    return settings.alert_lead_days + settings.alert_grace_days + 1


@lru_cache(maxsize=8)
def _dates(lead_days: int, grace_days: int) -> AlertDates:
    """Return the table of best dates, which is built once per process."""
    return AlertDates(lead_days, grace_days)
