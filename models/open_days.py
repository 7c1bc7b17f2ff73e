"""The days that are still open: what each customer bought of each product, summed exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.columns import MOST_OPEN_LINES, OPEN_LINE
from models.dictionary import UNTRACKED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records import Records
    from models.state import State
    from models.step import Step


def add(step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """Add the consumed lines of baskets to their customers' open days; late baskets have none.

    Args:
        step: The step being computed.
        records: A run of records.
        which: (k,) indexes of applied records.
        rows: (k,) rows of their customers.
    """
    state = step.state
    days = state.calendar.days(records.occurred_at[which])
    which, rows, days = _only(days > state.clock.begun, which, rows, days)
    baskets, lines = lines_of(records, which)
    categories = consumed_categories(state, [records.categories[line] for line in lines.tolist()])
    baskets, lines, categories = _only(categories != UNTRACKED, baskets, lines, categories)
    if not len(lines):
        return
    added = np.zeros(len(lines), OPEN_LINE)
    added["category"] = categories
    added["product"] = state.product_names.numbers([records.products[line] for line in lines.tolist()])
    added["quantity"] = records.quantities[lines]
    for slot in (0, 1):
        here = (days & 1)[baskets] == slot
        if here.any():
            _merge(state, slot, rows[baskets[here]], added[here])


def lines_of(records: Records, which: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines of some records: (m,) index into `which`, ascending, and (m,) index of the line."""
    starts = records.line_starts[which]
    counts = records.line_starts[which + 1] - starts
    owners = np.repeat(np.arange(len(which)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts - starts, counts)


def consumed_categories(state: State, names: list[str]) -> NDArray[np.int64]:
    """The number of each category, `UNTRACKED` for those that nobody runs out of."""
    excluded = state.settings.not_consumed_set
    numbers = np.array(state.category_names.numbers(names), np.int64)
    if not excluded.isdisjoint(names):
        numbers[[name in excluded for name in names]] = UNTRACKED
    return numbers


def bought_categories(
    state: State, rows: NDArray[np.int64], slot: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """What customers bought on the open day of a slot: categories of which more was bought than returned.

    Returns:
        (m,) index into `rows`, ascending; (m,) category; (m,) net quantity in 1/1,000 units, above 0.
    """
    arena = state.open_lines[slot]
    owners, positions = arena.positions(rows)
    lines = arena.records[positions]
    keys = owners << 16 | lines["category"]
    distinct, place = np.unique(keys, return_inverse=True)
    net = np.zeros(len(distinct), np.int64)
    np.add.at(net, place, lines["quantity"])
    bought = net > 0
    return distinct[bought] >> 16, distinct[bought] & 0xFFFF, net[bought]


def _merge(state: State, slot: int, rows: NDArray[np.int64], added: NDArray[Any]) -> None:
    """Sum lines into the runs of their customers."""
    arena = state.open_lines[slot]
    customers, added_owners = np.unique(rows, return_inverse=True)
    held_owners, positions = arena.positions(customers)
    owners = np.concatenate([held_owners, added_owners])
    lines = np.concatenate([arena.records[positions], added])
    order = np.lexsort((lines["product"], lines["category"], owners))
    owners, lines = owners[order], lines[order]
    first = np.r_[
        True,
        (owners[1:] != owners[:-1])
        | (lines["category"][1:] != lines["category"][:-1])
        | (lines["product"][1:] != lines["product"][:-1]),
    ]
    starts = np.flatnonzero(first)
    merged, owners_of = lines[starts], owners[starts]
    merged["quantity"] = np.add.reduceat(lines["quantity"], starts)
    if (np.bincount(owners_of) > MOST_OPEN_LINES).any():
        keep = _within_bounds(state, owners_of, merged)
        owners_of, merged = owners_of[keep], merged[keep]
    arena.put_all(customers, owners_of, merged)


def _within_bounds(state: State, owners: NDArray[np.int64], lines: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of the lines that a full day keeps: first one product of every category, then a second, ...

    Which ones follows from hashes of the names alone, and whatever is dropped would be dropped again: the
    lines that remain do not depend on the order of the day's baskets.
    """
    product_order = state.product_names.hashes[lines["product"]]
    category_order = state.category_names.hashes[lines["category"]]
    order = np.lexsort((product_order, category_order, owners))
    same = np.r_[
        False,
        (owners[order][1:] == owners[order][:-1]) & (lines["category"][order][1:] == lines["category"][order][:-1]),
    ]
    rank = np.empty(len(lines), np.int64)
    rank[order] = _run_positions(~same)
    order = np.lexsort((category_order, rank, owners))
    place = _run_positions(np.r_[True, owners[order][1:] != owners[order][:-1]])
    return np.sort(order[place < MOST_OPEN_LINES])


def _run_positions(first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Position of each item within its run; `first` marks where runs begin."""
    at = np.arange(len(first))
    return at - np.maximum.accumulate(np.where(first, at, 0))


def _only(mask: NDArray[np.bool_], *columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    return tuple(column[mask] for column in columns)
