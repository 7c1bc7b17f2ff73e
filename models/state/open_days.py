"""The days that are still open: what each customer bought of each product, summed exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.memory import structured
from models.memory.dictionary import UNTRACKED
from models.memory.ranking import rank_within
from models.settings import CategoryClass
from models.state.columns import MOST_OPEN_LINES, OPEN_LINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records.columns import Records
    from models.state.state import State


class Added(NamedTuple):
    """Consumed lines of baskets of open days."""

    baskets: NDArray[np.int64]
    """(m,) index of each line's basket among those asked about, ascending."""
    slots: NDArray[np.int64]
    """(m,) slot of its day."""
    lines: NDArray[Any]
    """(m,) open lines."""


def consumed_lines(state: State, records: Records, which: NDArray[np.int64]) -> Added:
    """The consumed lines of baskets, their names numbered in the order of the log; late baskets have none.

    Args:
        state: Its dictionaries take new names.
        records: A run of records.
        which: (k,) indexes of records, ascending.
    """
    slots = state.calendar.days(records.occurred_at[which])
    places = np.flatnonzero(slots > state.clock.begun)
    baskets, lines = lines_of(records, which[places])
    categories = consumed_categories(state, [records.categories[line] for line in lines.tolist()])
    baskets, lines, categories = _only(categories != UNTRACKED, places[baskets], lines, categories)
    added = np.zeros(len(lines), OPEN_LINE)
    added["category"] = categories
    added["product"] = state.product_names.numbers([records.products[line] for line in lines.tolist()])
    added["quantity"] = records.quantities[lines]
    return Added(baskets, slots[baskets] & 1, added)


def add(state: State, added: Added, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """Add the lines of some baskets to their customers' open days.

    Args:
        state: Changed in place; its customers' open days are those of the baskets already.
        added: Lines, as `consumed_lines` gives them.
        places: (k,) which of its baskets to add.
        rows: (n,) rows of the customers of all its baskets.
    """
    chosen = np.zeros(len(rows), bool)
    chosen[places] = True
    here = chosen[added.baskets]
    for slot in (0, 1):
        lines = np.flatnonzero(here & (added.slots == slot))
        if len(lines):
            _merge(state, slot, rows[added.baskets[lines]], structured.take(added.lines, lines))


def lines_of(records: Records, which: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines of some records: (m,) index into `which`, ascending, and (m,) index of the line."""
    starts = records.line_starts[which]
    counts = records.line_starts[which + 1] - starts
    owners = np.repeat(np.arange(len(which)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts - starts, counts)


def consumed_categories(state: State, names: list[str]) -> NDArray[np.int64]:
    """The number of each category, `UNTRACKED` for those that nobody runs out of."""
    numbers = np.array(state.category_names.numbers(names), np.int64)
    numbers[state.category_names.classes[numbers] == CategoryClass.NOT_CONSUMED] = UNTRACKED
    return numbers


class Bought(NamedTuple):
    """Categories of which customers bought more on a day than they returned."""

    owners: NDArray[np.int64]
    """(m,) index of the customer among those asked about, ascending."""
    categories: NDArray[np.int64]
    """(m,) category numbers."""
    quantities: NDArray[np.int64]
    """(m,) net quantity, 1/1,000 of a unit, above 0."""


def bought_on(state: State, rows: NDArray[np.int64], day: int) -> Bought:
    """What customers bought on a day that is open."""
    arena = state.open_lines[day & 1]
    open_then = np.flatnonzero(state.customers["open_day"][rows, day & 1] == day)
    owners, lines = arena.gather(rows[open_then])
    keys, place = np.unique(open_then[owners] << 16 | lines["category"], return_inverse=True)
    net = np.zeros(len(keys), np.int64)
    np.add.at(net, place, lines["quantity"])
    bought = net > 0
    return Bought(keys[bought] >> 16, keys[bought] & 0xFFFF, net[bought])


def _merge(state: State, slot: int, rows: NDArray[np.int64], added: NDArray[Any]) -> None:
    """Sum lines into the runs of their customers."""
    arena = state.open_lines[slot]
    customers, added_owners = np.unique(rows, return_inverse=True)
    held_owners, held = arena.gather(customers)
    owners = np.concatenate([held_owners, added_owners])
    lines = structured.join(held, added)
    order = np.lexsort((lines["product"], lines["category"], owners))
    owners, lines = owners[order], structured.take(lines, order)
    first = np.r_[
        True,
        (owners[1:] != owners[:-1])
        | (lines["category"][1:] != lines["category"][:-1])
        | (lines["product"][1:] != lines["product"][:-1]),
    ]
    starts = np.flatnonzero(first)
    merged, owners_of = structured.take(lines, starts), owners[starts]
    merged["quantity"] = np.add.reduceat(lines["quantity"], starts)
    if (np.bincount(owners_of) > MOST_OPEN_LINES).any():
        keep = _within_bounds(state, owners_of, merged)
        owners_of, merged = owners_of[keep], structured.take(merged, keep)
    arena.put_all(customers, owners_of, merged)


def _within_bounds(state: State, owners: NDArray[np.int64], lines: NDArray[Any]) -> NDArray[np.bool_]:
    """Which lines a full day keeps: first one product of every category, then a second, ...

    Which ones follows from hashes of the names alone, and whatever is dropped would be dropped again: the
    lines that remain do not depend on the order of the day's baskets.
    """
    products = state.product_names.hashes[lines["product"]]
    categories = state.category_names.hashes[lines["category"]]
    in_category = rank_within(owners << 16 | lines["category"], products)
    return rank_within(owners, in_category, categories) < MOST_OPEN_LINES


def _only(mask: NDArray[np.bool_], *columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    return tuple(column[mask] for column in columns)
