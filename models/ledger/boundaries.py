"""The moment a day closes: what was learnt is adopted, thresholds freeze, and the sweep is laid out."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from models.alerts import lifecycle as alerts
from models.learning.assortment import assortment_of
from models.learning.intervals import Statistic
from models.learning.pairs import MOST_TRIPS
from models.learning.popularity import GROUPS
from models.memory import structured
from models.segments import changes as segment_changes
from models.state.columns import NEVER, NO_SEGMENT
from models.state.habits import statistics_of
from models.state.state import Sweep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.settings import LedgerSettings
    from models.state.state import State
    from models.state.step import Step


def begin(step: Step, day: int, wanted: LedgerSettings) -> None:
    """Begin the boundary of a day, and so of all open days before it.

    The first boundary of a log only says where its time begins. Later ones adopt what the trips of the last
    one taught, adopt changed settings, freeze the thresholds by which customers are scored until the next,
    and find the customers whom the boundary concerns.

    Args:
        step: The step being computed; no sweep is unfinished.
        day: The last day closed.
        wanted: The settings that the worker was started with.
    """
    state = step.state
    first = not state.clock.begun
    if not first:
        _learn(state)
    adopting = state.settings != wanted
    if adopting:
        step.keep_due()
        state.adopt(wanted)
        state.adopted_at = day
        known = np.arange(len(state.ids))
        state.customers["due"][known] = alerts.next_due(state, known)
    state.clock = replace(state.clock, begun=day, fingerprint=state.settings.fingerprint)
    state.assortment = assortment_of(state.popularity, state.pairs, state.category_names)
    if first or adopting:  # counted anew as recovery counts: from the new calendar's days
        state.rebuild_histograms()
    state.histograms.roll(state.calendar.start(day + 1))
    frozen = state.histograms.thresholds(state.settings.segment_minimum_population)
    state.thresholds = (*state.thresholds, frozen)[-state.settings.segment_patience :]
    if not len(lay_out_sweep(state).rows):
        state.sweep = None
        state.clock = replace(state.clock, finished=day)


def lay_out_sweep(state: State) -> Sweep:
    """Find the customers whom the boundary begun concerns and who have not seen it, in order of their ids.

    All others are quiet: nothing of theirs is open, due or to change, and they cost no write.
    """
    customers = state.customers[: len(state.ids)]
    day = state.clock.begun
    open_days = customers["open_day"]
    concerned = (
        ((open_days != NEVER) & (open_days <= day)).any(axis=1)
        | ((customers["due"] != NEVER) & (customers["due"] <= day))
        | segment_changes.falling(state)
    ) & (customers["boundary"] < day)
    rows = sorted(np.flatnonzero(concerned).tolist(), key=state.ids.__getitem__)
    state.sweep = Sweep(np.array(rows, np.int64))
    return state.sweep


def _learn(state: State) -> None:
    """Adopt the intervals that ended on the days of the last boundary.

    They are read from the cells themselves, which every swept customer's row holds, so that nothing of a
    day's learning has to be stored beside the rows. Sums of a day are integers: no order shapes them.
    """
    last = state.clock.begun
    since = state.calendar.start(state.learnt_until + 1) if state.learnt_until else 0
    rows = np.flatnonzero(state.customers["last_purchase"][: len(state.ids)] >= since)
    owners, positions = state.cells.positions(rows)
    days = state.cells.records["last_day"][positions]
    ended = np.flatnonzero((days > state.learnt_until) & (days <= last))
    cells = structured.take(state.cells.records, positions[ended])
    passed = float(last - state.learnt_until) if state.learnt_until else 1.0
    _learn_baskets(state, rows[owners[ended]], cells, passed)
    cells = structured.take(cells, cells["purchases"] > 1)
    before = statistics_of(cells)
    before[:, Statistic.PURCHASES] -= 1
    before[:, Statistic.LAST_DAY] -= before[:, Statistic.LAST_INTERVAL]
    before[:, Statistic.SUM_LOG] -= np.log(before[:, Statistic.LAST_INTERVAL])
    priors = copy.deepcopy(state.priors)
    priors.learn(cells["category"], before, cells["last_day"].astype(np.float64))
    priors.adopt(passed)
    state.priors, state.learnt_until = priors, last


def _learn_baskets(state: State, rows: NDArray[np.int64], cells: NDArray[Any], passed: float) -> None:
    """Count what the trips of the last days held, and what they held together.

    Args:
        state: Its popularity and pairs are replaced.
        rows: (k,) customers.
        cells: (k,) their cells whose last trip was on these days.
        passed: How many days these are.
    """
    trips, trip_of = np.unique(rows << 16 | cells["last_day"], return_inverse=True)
    customers = trips >> 16
    categories = cells["category"].astype(np.int64)
    segments = state.customers["segment"][customers].astype(np.int64)
    segments[segments == NO_SEGMENT] = GROUPS - 1
    state.popularity = state.popularity.learnt(segments, trip_of, categories, days=passed)
    popular = state.popularity.counts.sum(axis=0)
    pairs = state.pairs.adopted(popular.astype(np.float64), state.category_names.hashes)
    if len(trips) > MOST_TRIPS:
        drawn = np.array([crc32(state.ids[row]) for row in customers.tolist()], np.int64)
        names = [state.ids[row] for row in customers.tolist()]
        order = sorted(range(len(trips)), key=lambda trip: (drawn[trip], names[trip], trips[trip] & 0xFFFF))
        place = np.full(len(trips), -1)
        place[order[:MOST_TRIPS]] = np.arange(MOST_TRIPS)
        trip_of = place[trip_of]
        trip_of, categories = trip_of[trip_of >= 0], categories[trip_of >= 0]
    state.pairs = pairs.learnt(trip_of, categories, days=passed)
