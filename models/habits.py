"""What a trip adds to a customer's habits: statistics per category, counts per product, both bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.columns import CELL, MOST_CELLS, MOST_PRODUCTS, PRODUCT
from models.consumption import HALF_LIVES, Statistic, observe
from models.dictionary import UNTRACKED
from models.ranking import rank_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state import State

TRIP_DECAY = 0.97
"""What a product's count keeps per trip of its customer without it (docs/models.md)."""
LONGEST_HALF_LIFE = HALF_LIVES[-1]
"""Days; the decayed count that decides which categories a full row keeps."""
_COLUMNS = (
    ("purchases", Statistic.PURCHASES),
    ("first_day", Statistic.FIRST_DAY),
    ("last_day", Statistic.LAST_DAY),
    ("last_interval", Statistic.LAST_INTERVAL),
    ("sum_log", Statistic.SUM_LOG),
    ("sum_log2", Statistic.SUM_LOG2),
    ("ewma_interval", Statistic.EWMA_INTERVAL),
    ("ewma_log", Statistic.EWMA_LOG),
    ("quantity", Statistic.QUANTITY),
)
_DECAYED = slice(Statistic.DECAYED_14, Statistic.DECAYED_112 + 1)


def statistics_of(cells: NDArray[Any]) -> NDArray[np.float32]:
    """(k, 13) statistics of cell records, as `models.consumption` reads them."""
    matrix = np.empty((len(cells), len(Statistic)), np.float32)
    for name, column in _COLUMNS:
        matrix[:, column] = cells[name]
    matrix[:, _DECAYED] = cells["decayed"]
    return matrix


def _fold_categories(
    step: Step,
    rows: NDArray[np.int64],
    owners: NDArray[np.int64],
    categories: NDArray[np.int64],
    quantities: NDArray[np.int64],
    day: int,
) -> None:
    """Add a trip to each bought category's cell, and begin its next cycle."""
    state = step.state
    buyers, owners = np.unique(owners, return_inverse=True)
    rows = rows[buyers]
    held_owners, positions = state.cells.positions(rows)
    held = state.cells.records[positions]
    held_keys = held_owners << 16 | held["category"]
    keys = owners << 16 | categories
    new = ~np.isin(keys, held_keys)
    fresh = np.zeros(int(new.sum()), CELL)
    fresh["category"] = categories[new]
    all_owners = np.concatenate([held_owners, owners[new]])
    cells = np.concatenate([held, fresh])
    all_keys = np.concatenate([held_keys, keys[new]])
    by_key = np.argsort(all_keys, kind="stable")
    bought = by_key[np.searchsorted(all_keys[by_key], keys)]
    cells[bought] = _observed(cells[bought], quantities, day)
    alerts.plan(state, cells, bought)
    if not new.any():
        state.cells.records[positions] = cells
        return
    order = np.lexsort((state.category_names.hashes[cells["category"]], all_owners))
    all_owners, cells = all_owners[order], cells[order]
    if (np.bincount(all_owners) > MOST_CELLS).any():
        keep = _worth_keeping(
            all_owners,
            _decayed_to(cells["decayed"][:, -1], cells["last_day"], day),
            cells["last_day"],
            state.category_names.hashes[cells["category"]],
            MOST_CELLS,
        )
        gone = np.setdiff1d(np.arange(len(cells)), keep)
        alerts.withdraw(step, rows[all_owners[gone]], cells[gone], day)
        step.counts["evicted_categories"] += len(gone)
        all_owners, cells = all_owners[keep], cells[keep]
    state.cells.put_all(rows, all_owners, cells)


def _observed(cells: NDArray[Any], quantities: NDArray[np.int64], day: int) -> NDArray[Any]:
    """Cell records after a trip."""
    matrix = observe(statistics_of(cells), float(day), quantities / 1000.0)
    after = cells.copy()
    for name, column in _COLUMNS:
        after[name] = matrix[:, column]
    after["decayed"] = matrix[:, _DECAYED]
    return after


def _fold_products(
    state: State,
    rows: NDArray[np.int64],
    owners: NDArray[np.int64],
    categories: NDArray[np.int64],
    day: int,
) -> None:
    """Count a trip for each product bought in a bought category."""
    arena = state.open_lines[day & 1]
    line_owners, positions = arena.positions(rows)
    lines = arena.records[positions]
    bought = (
        (lines["quantity"] > 0)
        & (lines["product"] != UNTRACKED)
        & np.isin(line_owners << 16 | lines["category"], owners << 16 | categories)
    )
    lines, line_owners = lines[bought], line_owners[bought]
    first = np.unique(line_owners << 32 | lines["product"], return_index=True)[1]
    lines, line_owners = lines[first], line_owners[first]
    if not len(lines):
        return
    held_owners, held_positions = state.products.positions(rows)
    held = state.products.records[held_positions]
    added = np.zeros(len(lines), PRODUCT)
    added["product"], added["category"] = lines["product"], lines["category"]
    all_owners = np.concatenate([held_owners, line_owners])
    products = np.concatenate([held, added])
    is_added = np.arange(len(products)) >= len(held)
    order = np.lexsort((is_added, products["product"], all_owners))
    all_owners, products, is_added = all_owners[order], products[order], is_added[order]
    trips = state.customers["trips"][rows][all_owners]
    before = np.r_[
        False, (all_owners[1:] == all_owners[:-1]) & (products["product"][1:] == products["product"][:-1])
    ]
    past = np.where(before, np.r_[0.0, products["count"][:-1].astype(np.float64)], 0.0)
    past_trip = np.where(before, np.r_[np.uint16(0), products["trip"][:-1]], trips)
    counted = np.flatnonzero(is_added)
    lapsed = (trips - past_trip)[counted].astype(np.float64)
    products["count"][counted] = past[counted] * TRIP_DECAY**lapsed + 1.0
    products["trip"][counted] = trips[counted]
    products["last_day"][counted] = day
    superseded = np.r_[before[1:], False]
    all_owners, products, trips = all_owners[~superseded], products[~superseded], trips[~superseded]
    if (np.bincount(all_owners) > MOST_PRODUCTS).any():
        count = products["count"] * TRIP_DECAY ** (trips - products["trip"]).astype(np.float64)
        keep = _worth_keeping(
            all_owners, count, products["last_day"], state.product_names.hashes[products["product"]], MOST_PRODUCTS
        )
        all_owners, products = all_owners[keep], products[keep]
    state.products.put_all(rows, all_owners, products)


def _decayed_to(count: NDArray[np.float32], last_day: NDArray[np.uint16], day: int) -> NDArray[np.float64]:
    """Decayed counts as of a day."""
    return count * np.exp2(-(day - last_day.astype(np.float64)) / LONGEST_HALF_LIFE)


def _worth_keeping(
    owners: NDArray[np.int64],
    count: NDArray[np.float64],
    last_day: NDArray[np.uint16],
    name_hash: NDArray[np.uint64],
    most: int,
) -> NDArray[np.int64]:
    """Positions of the `most` records of each owner with the greatest count; ties go to the latest, then by name."""
    order = np.lexsort((name_hash, -last_day.astype(np.int64), -count, owners))
    grouped = owners[order]
    first = np.r_[True, grouped[1:] != grouped[:-1]]
    at = np.arange(len(order))
    place = at - np.maximum.accumulate(np.where(first, at, 0))
    return np.sort(order[place < most])
