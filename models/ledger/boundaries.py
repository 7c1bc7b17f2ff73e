"""Boundary of a day: the moment at which the day closes.

A boundary adopts the statistics learnt from the last days, freezes the limits of segments, and lays out the
sweep.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from models.alerts import lifecycle as alerts
from models.alerts.due import next_due
from models.clusters import changes as cluster_changes
from models.clusters import features as clusters
from models.learning.assortment import assortment_of
from models.learning.calibration import SCALE, Calibrations
from models.learning.intervals import before_last
from models.learning.pairs import MOST_TRIPS
from models.learning.popularity import GROUPS
from models.memory import structured
from models.segments import changes as segment_changes
from models.segments.limits import freeze
from models.state.columns import NEVER, NO_SEGMENT, Outcome
from models.state.habits import statistics_of
from models.state.state import Sweep
from models.value import foresight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.settings import LedgerSettings
    from models.state.state import State
    from models.state.step import Step


def begin(step: Step, day: int, wanted: LedgerSettings) -> None:
    """Begin the boundary of a day. The boundary also closes all earlier open days.

    The first boundary of a log marks where the log's time begins, and learns nothing. Each later boundary

    - adopts the statistics of the trips that the previous boundary closed,
    - adopts changed settings,
    - freezes the limits that rank customers until the next boundary,
    - moves the centres of clusters, and learns from the landmarks whose outcome is known,
    - finds the customers whom the boundary concerns.

    Args:
        step: Step being computed; no sweep may be unfinished.
        day: Last day closed.
        wanted: Settings that the worker was started with.
    """
    state = step.state
    first, passed = not state.clock.begun, day - state.clock.begun
    if not first:
        _learn(state)
        step.counts["drifts_alerts"] += state.watches.alerts.alarm
        step.counts["drifts_week"] += state.watches.week.alarm
    adopting = state.settings != wanted
    if adopting:
        step.keep_due()
        state.adopt(wanted)
        state.adopted_at = day
        known = np.arange(len(state.ids))
        state.customers["due"][known] = next_due(state, known)
    state.clock = replace(state.clock, begun=day, fingerprint=state.settings.fingerprint)
    state.assortment = assortment_of(state.popularity, state.pairs, state.category_names)
    # Count anew, as recovery does: the histograms' days are those of the new calendar.
    if first or adopting:
        state.rebuild_histograms()
    state.histograms.roll(state.calendar.start(day + 1))
    state.limits = freeze(state)
    clusters.learn(state, day)
    foresight.learn(state, day, 1.0 if first else float(passed))
    step.counts["drifts_activity"] += state.watches.activity.alarm
    if not len(lay_out_sweep(state).rows):
        state.sweep = None
        state.clock = replace(state.clock, finished=day)


def lay_out_sweep(state: State) -> Sweep:
    """Find the customers whom the boundary begun concerns and who have not seen it, in order of their ids.

    A customer is concerned if a day to close is open, an alert is due, the segment or the nearest cluster
    changes, or a landmark falls on the day. Other customers are not written at all.
    """
    # Mask over all customers, shape (customers,): concerned and not yet brought to this boundary.
    customers = state.customers[: len(state.ids)]
    day = state.clock.begun
    open_days = customers["open_day"]
    concerned = (
        ((open_days != NEVER) & (open_days <= day)).any(axis=1)
        | ((customers["due"] != NEVER) & (customers["due"] <= day))
        | segment_changes.moving(state)
        | cluster_changes.moving(state)
        | foresight.due(state)
    ) & (customers["boundary"] < day)
    # Sort by id, because a customer's place in the columns may differ from one worker to another.
    rows = sorted(np.flatnonzero(concerned).tolist(), key=state.ids.__getitem__)
    state.sweep = Sweep(np.array(rows, np.int64))
    return state.sweep


def _learn(state: State) -> None:
    """Adopt the intervals that ended on the days of the last boundary.

    The intervals are read from the cells, which the rows of all swept customers hold. No separate row for a
    day's learning is needed. The sums of a day are integers, so the result does not depend on the order of
    customers.
    """
    # Customers who bought since the last learnt day, then all of their cells: (m,) owners, positions and
    # days.
    last = state.clock.begun
    since = state.calendar.start(state.learnt_until + 1) if state.learnt_until else 0
    rows = np.flatnonzero(state.customers["last_purchase"][: len(state.ids)] >= since)
    owners, positions = state.cells.positions(rows)
    days = state.cells.records["last_day"][positions]
    # Keep the (k,) cells whose last trip lies on the days to learn; a copy, because the cells go on changing.
    ended = np.flatnonzero((days > state.learnt_until) & (days <= last))
    cells = structured.take(state.cells.records, positions[ended])
    passed = float(last - state.learnt_until) if state.learnt_until else 1.0
    _learn_baskets(state, rows[owners[ended]], cells, passed)
    # Take the last interval out of each cell with an interval: the prior learns from the cell's state before
    # it.
    cells = structured.take(cells, cells["purchases"] > 1)
    before = before_last(statistics_of(cells))
    _learn_outcomes(state, last, passed)
    # Learn into a copy, so that a step that raises can put the old priors back.
    priors = copy.deepcopy(state.priors)
    priors.learn(cells["category"], before, cells["last_day"].astype(np.float64))
    priors.adopt(passed)
    state.priors, state.learnt_until = priors, last


def _learn_outcomes(state: State, last: int, passed: float) -> None:
    """Learn how the alerts ended that the boundaries since the last learnt day closed.

    Args:
        state: State of the partition; its calibration and the watches over it are replaced.
        last: Boundary (day) that was begun last, whose sweep is finished.
        passed: Number of days since.
    """
    seen = state.customers["boundary"][: len(state.ids)]
    rows = np.flatnonzero((seen > state.learnt_until) & (seen <= last))
    _, positions = state.cells.positions(rows)
    days = state.cells.records["ended_day"][positions]
    ended = structured.take(
        state.cells.records, positions[np.flatnonzero((days > state.learnt_until) & (days <= last))]
    )
    outcome, settings = ended["outcome"], state.settings
    said, came = ended["ended_chance"] / SCALE, (outcome & Outcome.HIT) > 0
    watches = state.watches._replace(alerts=state.watches.alerts.after(state.calibration.hit.of(said), came))
    hit = state.calibration.hit.learnt(ended["ended_chance"], came, days=passed)
    week = state.calibration.week
    # Of a missed alert it is known that nothing was bought in the window, which may be shorter than a week.
    if settings.alert_lead_days + settings.alert_grace_days + 1 >= alerts.PROBABILITY_DAYS:
        within = (outcome & Outcome.WITHIN_WEEK) > 0
        soon = week.of(ended["ended_week"] / SCALE)
        watches = watches._replace(week=watches.week.after(soon, within))
        week = week.learnt(ended["ended_week"], within, days=passed)
    state.watches = watches
    state.calibration = Calibrations(hit, week)


def _learn_baskets(state: State, rows: NDArray[np.int64], cells: NDArray[Any], passed: float) -> None:
    """Count which categories the trips of the last days held, and which categories they held together.

    Args:
        state: State of the partition; its popularity and pairs are replaced.
        rows: (k,) rows of customers.
        cells: (k,) cells whose last trip lies on these days.
        passed: Number of these days.
    """
    # Group the (k,) cells into (t,) trips: a trip is one customer's day. Customers without a segment share
    # one group.
    trips, trip_of = np.unique(rows << 16 | cells["last_day"], return_inverse=True)
    customers = trips >> 16
    categories = cells["category"].astype(np.int64)
    segments = state.customers["segment"][customers].astype(np.int64)
    segments[segments == NO_SEGMENT] = GROUPS - 1
    state.popularity = state.popularity.learnt(segments, trip_of, categories, days=passed)
    # Count the pairs of the most popular categories only; popularity decides which categories these are.
    popular = state.popularity.counts.sum(axis=0)
    pairs = state.pairs.adopted(popular.astype(np.float64), state.category_names.hashes)
    # Draw at most MOST_TRIPS trips by a hash of the customer id, so that every replay draws the same trips.
    # The bound keeps the pairs that one boundary learns at half a million.
    if len(trips) > MOST_TRIPS:
        drawn = np.array([crc32(state.ids[row]) for row in customers.tolist()], np.int64)
        names = [state.ids[row] for row in customers.tolist()]
        order = sorted(range(len(trips)), key=lambda trip: (drawn[trip], names[trip], trips[trip] & 0xFFFF))
        place = np.full(len(trips), -1)
        place[order[:MOST_TRIPS]] = np.arange(MOST_TRIPS)
        trip_of = place[trip_of]
        trip_of, categories = trip_of[trip_of >= 0], categories[trip_of >= 0]
    state.pairs = pairs.learnt(trip_of, categories, days=passed)
