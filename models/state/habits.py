"""Habits: statistics per category and counts per product, which every trip extends; both are bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.learning import drift
from models.learning.intervals import LOG_STEPS, STEPS, Statistic, observe, purchase_probability
from models.memory import structured
from models.memory.dictionary import UNTRACKED
from models.memory.groups import among_first, first_of, look_up, places_of
from models.state.columns import CELL, CHANGED, MOST_CELLS, MOST_CHANGED, MOST_PRODUCTS, NEVER, PRODUCT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.open_days import Bought
    from models.state.state import State

TRIP_DECAY = 0.97
"""Factor by which the count of a product or category fades at each trip of its customer (docs/models.md)."""
COUNT_SCALE = 1024
"""Steps per unit of a category's count. No count exceeds 1 / (1 - `TRIP_DECAY`) = 33.4, which fits 16
bits."""
RECENT_TRIPS = 16
"""Trips that the bits of `recent` cover."""
_COLUMNS = (
    ("purchases", Statistic.PURCHASES),
    ("first_day", Statistic.FIRST_DAY),
    ("last_day", Statistic.LAST_DAY),
    ("last_interval", Statistic.LAST_INTERVAL),
    ("mean_log", Statistic.MEAN_LOG),
    ("variance_log", Statistic.VARIANCE_LOG),
    ("ewma_log", Statistic.EWMA_LOG),
)
_DECAYED = slice(Statistic.DECAYED_14, Statistic.DECAYED_112 + 1)
_STEPS = STEPS.astype(np.float32)
LEVEL_WEIGHT = 0.125
"""Weight of an interval in the level of a habit since its last change: the last eight say the most."""
WORTH_DAYS = 91
"""Days within which a category that is kept should be bought again."""


class Evicted(NamedTuple):
    """Cells evicted from full rows."""

    rows: NDArray[np.int64]
    """(m,) rows of the cells' customers."""
    cells: NDArray[Any]
    """(m,) cell records."""


def statistics_of(cells: NDArray[Any]) -> NDArray[np.float32]:
    """Return the (k, 11) statistics of cell records, as `models.learning.intervals` reads them."""
    matrix = np.empty((len(cells), len(Statistic)), np.float32)
    for name, column in _COLUMNS:
        matrix[:, column] = cells[name]
    matrix[:, _DECAYED] = cells["decayed"]
    matrix[:, : Statistic.QUANTITY] /= _STEPS
    matrix[:, Statistic.QUANTITY] = cells["quantity"]
    return matrix


def fold_categories(state: State, rows: NDArray[np.int64], bought: Bought, day: int) -> Evicted:
    """Add a trip to the cell of each bought category.

    Args:
        state: State of the partition; its cells are changed in place.
        rows: (k,) rows of customers.
        bought: Categories that these customers bought on the day.
        day: Day of the trip, later than any day that these customers folded.

    Returns:
        Evicted cells, for which a full row has no room any more. Cells with the least chance of a trip within
        `WORTH_DAYS` are evicted first; among equals the longest unused, then by hash of the name.
    """
    # Stage 1: (h,) cells held by the (b,) buyers, and (m,) keys of bought (customer, category) pairs. The
    # trip counts for all cells of a buyer: counts fade, and the bits of recent trips move up.
    buyers, owners = np.unique(bought.owners, return_inverse=True)
    rows = rows[buyers]
    held_owners, held = state.cells.gather(rows)
    held_keys = held_owners << 16 | held["category"]
    keys = owners << 16 | bought.categories
    held["count"] = np.rint(held["count"] * TRIP_DECAY)
    held["recent"] <<= 1
    # Stage 2: (h + f,) cells, with a fresh one for each pair without a cell.
    by_key = np.argsort(held_keys)
    place, known = look_up(keys, held_keys[by_key])
    fresh = np.zeros(int((~known).sum()), CELL)
    fresh["category"] = bought.categories[~known]
    all_owners = np.concatenate([held_owners, owners[~known]])
    cells = structured.join(held, fresh)
    # Stage 3: observe the trip in the (m,) bought cells.
    at = np.empty(len(keys), np.int64)
    at[known] = by_key[place[known]]
    at[~known] = len(held) + np.arange(len(fresh))
    structured.put(cells, at, _observed(structured.take(cells, at), bought.quantities, day))
    # Stage 4: choose the cells that fit a row. Chances are asked of crowded rows only.
    crowded = places_of((np.bincount(all_owners) > MOST_CELLS)[all_owners])
    worth = np.zeros(len(cells))
    worth[crowded] = _worth(state, structured.take(cells, crowded), day)
    names = state.category_names.hashes[cells["category"]]
    keep = among_first(all_owners, MOST_CELLS, -worth, -cells["last_day"].astype(np.int64), names)
    evicted = Evicted(rows[all_owners[~keep]], structured.take(cells, ~keep))
    # Stage 5: store the (c,) kept cells, grouped by customer as the arena needs them.
    order = np.flatnonzero(keep)
    order = order[np.argsort(all_owners[order], kind="stable")]
    all_owners, cells = all_owners[order], structured.take(cells, order)
    _bound_changes(state, all_owners, cells)
    state.cells.put_all(rows, all_owners, cells)
    return evicted


def _worth(state: State, cells: NDArray[Any], day: int) -> NDArray[np.float64]:
    """Return the chance of each cell that its category is bought again within `WORTH_DAYS` after a day."""
    elapsed = day - cells["last_day"].astype(np.int64)
    return purchase_probability(statistics_of(cells), state.priors.of(cells["category"]), elapsed, WORTH_DAYS)


def _observed(cells: NDArray[Any], quantities: NDArray[np.int64], day: int) -> NDArray[Any]:
    """Return cell records after a trip."""
    before = statistics_of(cells)
    matrix = observe(before, float(day), quantities / 1000.0)
    after = structured.copy(cells)
    _judge(after, before, matrix, day)
    after["quantity"] = matrix[:, Statistic.QUANTITY]
    matrix[:, : Statistic.QUANTITY] *= _STEPS
    for name, column in _COLUMNS:
        after[name] = matrix[:, column]
    after["decayed"] = matrix[:, _DECAYED]
    after["count"] += COUNT_SCALE
    after["recent"] |= 1
    return after


def _bound_changes(state: State, owners: NDArray[np.int64], cells: NDArray[Any]) -> None:
    """Forget the oldest changes of customers with more than a row can hold.

    Args:
        state: State of the partition.
        owners: (c,) customer of each cell, from 0 on.
        cells: (c,) cell records, changed in place.
    """
    at = places_of(cells["changed_day"] != NEVER)
    days, names = cells["changed_day"][at], state.category_names.hashes[cells["category"][at]]
    forgotten = at[~among_first(owners[at], MOST_CHANGED, -days.astype(np.int64), names)]
    for name in CHANGED.names or ():
        cells[name][forgotten] = 0


def _judge(cells: NDArray[Any], before: NDArray[np.float32], after: NDArray[np.float32], day: int) -> None:
    """Judge whether the interval that a trip ends makes a habit another.

    Args:
        cells: (k,) cell records, whose sums and last change are changed in place.
        before: (k, 11) statistics before the trip.
        after: (k, 11) statistics after it.
        day: Day of the trip.
    """
    # Stage 1: (i,) cells with an interval, and the level that it is held against: all intervals so far, or
    # those since the last change.
    at = places_of(before[:, Statistic.PURCHASES] >= 1)
    intervals = before[at, Statistic.PURCHASES].astype(np.int64) - 1
    logs = np.log(np.maximum(after[at, Statistic.LAST_INTERVAL].astype(np.float64), 1.0))
    changed = cells["changed_day"][at] != NEVER
    since = cells["log_since"][at] / LOG_STEPS
    level = np.where(changed, since, before[at, Statistic.MEAN_LOG])
    spread = drift.spread_of(before[at, Statistic.VARIANCE_LOG].astype(np.float64), intervals)
    found = drift.judge(cells["drift"][at], (logs - level) / spread, intervals)
    cells["drift"][at] = found.sums
    # Stage 2: the level since a change follows the intervals slowly.
    moved = since + LEVEL_WEIGHT * (logs - since)
    cells["log_since"][at] = np.where(changed, np.rint(moved * LOG_STEPS), 0).astype(np.uint16)
    # Stage 3: (a,) habits that are others now, some intervals ago, go on from what came lately.
    alarm = places_of(found.alarm)
    if not len(alarm):
        return
    lately = after[at[alarm], Statistic.EWMA_LOG].astype(np.float64)
    ago = drift.began((lately - level[alarm]) / spread[alarm]) * np.exp(lately)
    first = after[at[alarm], Statistic.FIRST_DAY]
    cells["changed_day"][at[alarm]] = np.maximum(day - np.rint(ago), first).astype(np.uint16)
    cells["log_before"][at[alarm]] = np.rint(level[alarm] * LOG_STEPS).astype(np.uint16)
    cells["log_since"][at[alarm]] = np.rint(lately * LOG_STEPS).astype(np.uint16)


def fold_products(state: State, rows: NDArray[np.int64], bought: Bought, day: int) -> None:
    """Count a trip for each product that was bought in a bought category.

    Args:
        state: State of the partition, changed in place; its customers' `trips` already count this day.
        rows: (k,) rows of customers.
        bought: Categories that these customers bought on the day.
        day: Day of the trip.
    """
    # Stage 1: (h + f,) records: products held, and a fresh record for each product bought.
    buyers, owners = np.unique(bought.owners, return_inverse=True)
    rows = rows[buyers]
    added_owners, added = _bought_products(state, rows, owners << 16 | bought.categories, day)
    held_owners, held = state.products.gather(rows)
    owners = np.concatenate([held_owners, added_owners])
    products = structured.join(held, added)
    # Stage 2: (h + f,) records by customer and product. The sort is stable, so that a held record precedes
    # the fresh record of the same product.
    order = np.argsort(owners << 32 | products["product"], kind="stable")
    owners, products = owners[order], structured.take(products, order)
    # Stage 3: add each held count, faded by the trips since, to the fresh record behind it, and drop the held
    # record. Leaves (p,) records.
    trips = state.customers["trips"][rows][owners].astype(np.int64)
    again = np.flatnonzero(
        (owners[1:] == owners[:-1]) & (products["product"][1:] == products["product"][:-1])
    )
    elapsed = trips[again] - products["trip"][again]
    products["count"][again + 1] += products["count"][again] * TRIP_DECAY**elapsed
    keep = np.ones(len(products), bool)
    keep[again] = False
    owners, products, trips = owners[keep], structured.take(products, keep), trips[keep]
    # Stage 4: keep the products with the greatest count as of the newest trip, and store them.
    count = products["count"] * TRIP_DECAY ** (trips - products["trip"])
    names = state.product_names.hashes[products["product"]]
    keep = among_first(owners, MOST_PRODUCTS, -count, -products["last_day"].astype(np.int64), names)
    owners, products = owners[keep], structured.take(products, keep)
    state.products.put_all(rows, owners, products)


def _bought_products(
    state: State, rows: NDArray[np.int64], bought_keys: NDArray[np.int64], day: int
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return one fresh record per customer and product bought on a day.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        bought_keys: (m,) keys of bought (customer, category) pairs, ascending.
        day: Day of the trip.

    Returns:
        (f,) index into `rows` of each record's customer, and (f,) records.
    """
    arena = state.open_lines[day & 1]
    owners, lines = arena.gather(rows)
    bought = (
        (lines["quantity"] > 0)
        & (lines["product"] != UNTRACKED)
        & look_up(owners << 16 | lines["category"], bought_keys)[1]
    )
    owners, lines = owners[bought], structured.take(lines, bought)
    # A product that a customer bought in two categories counts once, in the category whose name has the least
    # hash. Numbers of categories follow the order of the log.
    once = first_of(owners << 32 | lines["product"], state.category_names.hashes[lines["category"]])
    owners, lines = owners[once], structured.take(lines, once)
    added = np.zeros(len(lines), PRODUCT)
    added["product"], added["category"] = lines["product"], lines["category"]
    added["count"], added["last_day"] = 1.0, day
    added["trip"] = state.customers["trips"][rows][owners]
    return owners, added
