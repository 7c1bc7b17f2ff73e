"""Open days: exact sums of each customer's purchases per product, on days that are not closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.memory import structured
from models.memory.dictionary import UNTRACKED
from models.memory.groups import begins, rank_within
from models.settings import CategoryClass
from models.state.columns import MOST_OPEN_LINES, OPEN_LINE
from models.state.event_time import is_late

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records.columns import Records
    from models.state.state import State


class Added(NamedTuple):
    """Consumed lines of baskets on open days."""

    baskets: NDArray[np.int64]
    """(m,) index of each line's basket among the baskets asked about, ascending."""
    slots: NDArray[np.int64]
    """(m,) slot of the line's day."""
    lines: NDArray[Any]
    """(m,) open lines."""


def consumed_lines(state: State, records: Records, which: NDArray[np.int64]) -> Added:
    """Find the consumed lines of baskets. Baskets of closed days have none.

    New names are numbered in the order of the log.

    Args:
        state: State of the partition; its dictionaries take new names.
        records: Run of records.
        which: (k,) indexes of records, ascending.
    """
    slots = state.calendar.days(records.occurred_at[which])
    places = np.flatnonzero(~is_late(state, slots))
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
        state: State of the partition, changed in place; the days of the baskets must be open already.
        added: Lines, as `consumed_lines` returns them.
        places: (k,) indexes of the baskets to add.
        rows: (n,) rows of the customers of all baskets.
    """
    chosen = np.zeros(len(rows), bool)
    chosen[places] = True
    here = chosen[added.baskets]
    for slot in (0, 1):
        lines = np.flatnonzero(here & (added.slots == slot))
        if len(lines):
            _merge(state, slot, rows[added.baskets[lines]], structured.take(added.lines, lines))


def lines_of(records: Records, which: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lines of records: (m,) index into `which`, ascending, and (m,) index of the line."""
    starts = records.line_starts[which]
    counts = records.line_starts[which + 1] - starts
    owners = np.repeat(np.arange(len(which)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts - starts, counts)


def consumed_categories(state: State, names: list[str]) -> NDArray[np.int64]:
    """Return the number of each category, `UNTRACKED` for categories that nobody runs out of."""
    numbers = np.array(state.category_names.numbers(names), np.int64)
    numbers[state.category_names.classes[numbers] == CategoryClass.NOT_CONSUMED] = UNTRACKED
    return numbers


class Bought(NamedTuple):
    """Categories of which customers bought more on a day than they returned."""

    owners: NDArray[np.int64]
    """(m,) index of the customer among the customers asked about, ascending."""
    categories: NDArray[np.int64]
    """(m,) category numbers."""
    quantities: NDArray[np.int64]
    """(m,) net quantity, 1/1,000 of a unit, above 0."""


def bought_on(state: State, rows: NDArray[np.int64], day: int) -> Bought:
    """Find the categories that customers bought on an open day."""
    arena = state.open_lines[day & 1]
    open_then = np.flatnonzero(state.customers["open_day"][rows, day & 1] == day)
    owners, lines = arena.gather(rows[open_then])
    keys, place = np.unique(open_then[owners] << 16 | lines["category"], return_inverse=True)
    net = np.zeros(len(keys), np.int64)
    np.add.at(net, place, lines["quantity"])
    bought = net > 0
    return Bought(keys[bought] >> 16, keys[bought] & 0xFFFF, net[bought])


def _merge(state: State, slot: int, rows: NDArray[np.int64], added: NDArray[Any]) -> None:
    """Sum lines into the runs of their customers.

    Args:
        state: State of the partition; its open lines are changed in place.
        slot: Slot of the day.
        rows: (m,) rows of the lines' customers.
        added: (m,) lines.
    """
    # Stage 1: (h + m,) lines held and added, sorted by customer, category and product.
    arena = state.open_lines[slot]
    customers, added_owners = np.unique(rows, return_inverse=True)
    held_owners, held = arena.gather(customers)
    owners = np.concatenate([held_owners, added_owners])
    lines = structured.join(held, added)
    order = np.lexsort((lines["product"], lines["category"], owners))
    owners, lines = owners[order], structured.take(lines, order)
    # Stage 2: (s,) sums of the lines of one product. The sums are of integers, so that order plays no part.
    starts = np.flatnonzero(begins(owners, lines["category"], lines["product"]))
    merged, owners_of = structured.take(lines, starts), owners[starts]
    merged["quantity"] = np.add.reduceat(lines["quantity"], starts)
    # Stage 3: cut full days down to their bound, and store the lines grouped by customer.
    if (np.bincount(owners_of) > MOST_OPEN_LINES).any():
        keep = _within_bounds(state, owners_of, merged)
        owners_of, merged = owners_of[keep], structured.take(merged, keep)
    arena.put_all(customers, owners_of, merged)


def _within_bounds(state: State, owners: NDArray[np.int64], lines: NDArray[Any]) -> NDArray[np.bool_]:
    """Choose the lines that a full day keeps: first one product of every category, then a second, and so on.

    The choice follows from hashes of the names alone, and a dropped line would be dropped again. The
    remaining lines therefore do not depend on the order of the day's baskets.

    Args:
        state: State of the partition.
        owners: (s,) index of each line's customer.
        lines: (s,) lines, each product once.

    Returns:
        (s,) True for lines to keep.
    """
    products = state.product_names.hashes[lines["product"]]
    categories = state.category_names.hashes[lines["category"]]
    in_category = rank_within(owners << 16 | lines["category"], products)
    return rank_within(owners, in_category, categories) < MOST_OPEN_LINES


def _only(mask: NDArray[np.bool_], *columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    return tuple(column[mask] for column in columns)
