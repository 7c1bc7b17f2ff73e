"""Rows of customers: the day, written with every change, and the habits, written when a fold changes them.

A basket changes a quarter of its customer's state. The habits are the rest: they change once a day at most,
and only if something was bought that is consumed. A step writes both rows of a customer into one record
batch, and the day names the habits that belong to it.

| row | key | sections |
| --- | --- | --- |
| day | customer id | head, ring of events, lines of two open days, an alert state per cell, raised alerts |
| habits | byte 0, `h`, customer id | cells without their alerts, products, changes of habits |

Of 2,000 customers of `benchmarks.recovery` (44 habits, 3.5 KB) one took 4 us to encode the day and 4 us the
habits, in steps of 600, and 35 us to decode both; the single row before took 8 and 80 us.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from models.memory import structured
from models.memory.groups import look_up, places_of
from models.memory.rows import CHECKSUM_BYTES, HEADER, ROW_VERSION, RowError, check, habits_key, seal
from models.memory.sections import SECTION, Items, Sections, headings
from models.state.calendar import FIRST_DATE, HOUR, LAST_DAY
from models.state.columns import (
    CELL,
    CHANGED,
    CUSTOMER,
    HABIT_BYTES,
    HEAD,
    LIST_DAYS,
    MOST_CELLS,
    MOST_CHANGED,
    MOST_OPEN_LINES,
    MOST_PRODUCTS,
    NEVER,
    NO_CLUSTER,
    NO_EVENT,
    OPEN_LINE,
    OUTCOME,
    PRODUCT,
    RAISED_ALERT,
    RING,
    RING_EVENT,
    Cycle,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from models.memory.arena import Arena
    from models.state.state import State

    Piece = bytes | memoryview


class Section(IntEnum):
    """Kind of a section. A new kind takes the next number, by which an earlier release knows it for later."""

    HEAD = 1
    RING = 2
    EVEN_LINES = 3
    """Lines of the open day with an even number."""
    ODD_LINES = 4
    ALERTS = 5
    """`Cycle` of each cell, in the order in which the habits hold the cells. Of a planned cycle, the days
    from the last trip to the best date are added."""
    RAISED = 6
    """What each raised alert said, in the same order."""
    CELLS = 7
    PRODUCTS = 8
    OUTCOMES = 9
    """Ends of alerts that the next boundary will learn from, with their categories."""
    CHANGED = 10
    """Habits that have changed, with their categories."""


_HABITS: Final = frozenset({Section.CELLS, Section.PRODUCTS, Section.CHANGED})
_DAY: Final = frozenset(Section) - _HABITS
_OUTCOME: Final = np.dtype([("category", "<u2"), *((name, OUTCOME[name]) for name in OUTCOME.names or ())])
_CHANGED: Final = np.dtype([("category", "<u2"), *((name, CHANGED[name]) for name in CHANGED.names or ())])
_SIZES: Final = {
    Section.HEAD: (HEAD.itemsize, 1),
    Section.RING: (RING_EVENT.itemsize, RING),
    Section.EVEN_LINES: (OPEN_LINE.itemsize, MOST_OPEN_LINES),
    Section.ODD_LINES: (OPEN_LINE.itemsize, MOST_OPEN_LINES),
    Section.ALERTS: (1, MOST_CELLS),
    Section.RAISED: (RAISED_ALERT.itemsize, MOST_CELLS),
    Section.CELLS: (HABIT_BYTES, MOST_CELLS),
    Section.PRODUCTS: (PRODUCT.itemsize, MOST_PRODUCTS),
    Section.OUTCOMES: (_OUTCOME.itemsize, MOST_CELLS),
    Section.CHANGED: (_CHANGED.itemsize, MOST_CHANGED),
}
"""Bytes of an item of each kind, and the most items that a row holds."""
_HEADINGS: Final = {kind: headings(kind, *sizes) for kind, sizes in _SIZES.items()}
HEAD_AT: Final = HEADER.itemsize + SECTION.itemsize
"""Offset of the head in a day, whose first section it is."""
_LAST_BOUNDARY: Final = np.iinfo(np.uint16).max
_LAST_INSTANT: Final = (LAST_DAY + 2 + (FIRST_DATE - date(1970, 1, 1)).days) * 24 * HOUR
_HEAD_END: Final = HEAD_AT + HEAD.itemsize
_HEAD_HEADING: Final = np.frombuffer(_HEADINGS[Section.HEAD][1], SECTION)[0]
BOTH_ROWS_BYTES: Final = 2 * (HEADER.itemsize + CHECKSUM_BYTES) + sum(
    SECTION.itemsize + size * most for size, most in _SIZES.values()
)
"""Bytes of the longest day and the longest habits together."""


def days_of(state: State, rows: NDArray[np.int64]) -> list[bytes]:
    """Encode the days of k customers. Recent events are sorted by time and hash, whatever their order was."""
    # Stage 1: header and head, which are the first columns of a customer.
    customers = structured.take(state.customers, rows)
    customers["heading"] = _HEAD_HEADING
    heads = customers.view(np.uint8).reshape(-1, CUSTOMER.itemsize)[:, :_HEAD_END]
    pieces: list[Iterable[Piece]] = [_cut(heads, _runs([1] * len(rows)))]
    # Stage 2: (k, 32) rings, empty places first, of which nothing is written.
    events, filled = _rings(customers)
    ends = range(RING, events.size + 1, RING)
    rings = [(end - count, end) for end, count in zip(ends, filled, strict=True)]
    pieces += _section(Section.RING, filled, _cut(events.reshape(-1), rings))
    # Stage 3: lines of the open days.
    for kind, arena in zip((Section.EVEN_LINES, Section.ODD_LINES), state.open_lines, strict=True):
        counts = arena.lengths[rows].tolist()
        if any(counts):
            pieces += _section(kind, counts, arena.slices(rows))
    # Stage 4: alert states of the cells, and what is told of those that are raised.
    cycles, raised, counts = _alerts(state, rows)
    lengths = state.cells.lengths[rows].tolist()
    pieces += _section(Section.ALERTS, lengths, _cut(cycles, _runs(lengths)))
    if len(raised):
        pieces += _section(Section.RAISED, counts, _cut(raised, _runs(counts)))
    ended, counts = _outcomes(state, rows)
    if len(ended):
        pieces += _section(Section.OUTCOMES, counts, _cut(ended, _runs(counts)))
    pieces += _later(state, [state.ids[row] for row in rows.tolist()])
    return [seal(*row) for row in zip(*pieces, strict=True)]


def habits_of(state: State, rows: NDArray[np.int64]) -> list[bytes]:
    """Encode the habits of k customers who have any: a row without cells would be that of an erased one."""
    header = np.zeros(len(rows), HEADER)
    header["version"] = ROW_VERSION
    header["offset"] = state.customers["habits_offset"][rows]
    header["boundary"] = state.customers["habits_boundary"][rows]
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records.view(np.uint8).reshape(-1, CELL.itemsize)[positions, :HABIT_BYTES]
    each = state.cells.lengths[rows].tolist()
    products = state.products
    pieces: list[Iterable[Piece]] = [_cut(header, _runs([1] * len(rows)))]
    pieces += _section(Section.CELLS, each, _cut(cells, _runs(each)))
    pieces += _section(Section.PRODUCTS, products.lengths[rows].tolist(), products.slices(rows))
    at = places_of(state.cells.records["changed_day"][positions] != NEVER)
    if len(at):
        changed = _some_of(state, positions[at], _CHANGED)
        counts = np.bincount(owners[at], minlength=len(rows)).tolist()
        pieces += _section(Section.CHANGED, counts, _cut(changed, _runs(counts)))
    pieces += _later(state, [habits_key(state.ids[row]) for row in rows.tolist()])
    return [seal(*row) for row in zip(*pieces, strict=True)]


class Alerts(NamedTuple):
    """Alerts of the cells of k customers, as their days hold them."""

    cycles: Items
    """`Cycle` of each cell, planned ones with the days to their best date."""
    raised: Items
    """`RAISED_ALERT` of each raised cell."""
    ended: Items
    """`OUTCOME` of cells, each with its category."""

    def split(self) -> list[tuple[bytes, ...]]:
        """Return the k customers' parts, each the bytes of cycles, raised alerts and outcomes."""
        sizes = (1, RAISED_ALERT.itemsize, _OUTCOME.itemsize)
        return list(zip(*(items.split(size) for items, size in zip(self, sizes, strict=True)), strict=True))

    @classmethod
    def join(cls, parts: Sequence[tuple[bytes, ...]]) -> Alerts:
        """Put the parts of some customers together, as `split` took them apart."""
        sizes = (1, RAISED_ALERT.itemsize, _OUTCOME.itemsize)
        return cls(*(Items.join([part[place] for part in parts], size) for place, size in enumerate(sizes)))


def take_days(state: State, rows: NDArray[np.int64], values: Sequence[bytes]) -> Alerts:
    """Decode days into the columns of their customers, but for the alerts, which need the habits.

    Args:
        state: State of the partition.
        rows: (k,) rows of the customers, each once.
        values: k changelog rows.

    Returns:
        The alerts, for `take_alerts`.

    Raises:
        RowError: A row is damaged, cut off, of another format version, or holds other sections than a day.
            Some customers may then be decoded and others not.
    """
    sections = _checked(values)
    if (_items(sections, Section.HEAD).counts != 1).any():
        raise RowError("a customer's row without a head")
    # Stage 1: header and head, written as bytes into the columns.
    columns = state.customers.view(np.uint8).reshape(-1, CUSTOMER.itemsize)
    heads = _beginnings(values, _HEAD_END)
    _check_heads(heads[:, HEAD_AT:].copy().view(HEAD)[:, 0])
    columns[rows, :_HEAD_END] = heads
    # Stage 2: (m,) events into the last places of their rings.
    ring = _items(sections, Section.RING)
    events = np.frombuffer(ring.data, RING_EVENT)
    owners = np.repeat(np.arange(len(rows)), ring.counts)
    places = np.arange(len(events)) + np.repeat(RING - np.cumsum(ring.counts), ring.counts)
    for column, name, empty in (
        ("ring_at", "at", NO_EVENT),
        ("ring_hash", "hash", 0),
        ("ring_content", "content", 0),
    ):
        state.customers[column][rows] = empty
        state.customers[column][rows[owners], places] = events[name]
    # Stage 3: runs of open lines.
    for kind, arena in zip((Section.EVEN_LINES, Section.ODD_LINES), state.open_lines, strict=True):
        _put(arena, rows, _items(sections, kind), OPEN_LINE)
    _keep_later(state, sections, _DAY, [state.ids[row] for row in rows.tolist()])
    return Alerts(
        _items(sections, Section.ALERTS), _items(sections, Section.RAISED), _items(sections, Section.OUTCOMES)
    )


def take_habits(state: State, rows: NDArray[np.int64], values: Sequence[bytes]) -> None:
    """Decode habits into the cells and products of their customers; the cells are without alerts.

    Args:
        state: State of the partition.
        rows: (k,) rows of the customers, each once.
        values: k changelog rows.

    Raises:
        RowError: A row is damaged, cut off, of another format version, or holds other sections than habits.
            Some customers may then be decoded and others not.
    """
    sections = _checked(values)
    stored = _items(sections, Section.CELLS)
    cells = np.zeros(int(stored.counts.sum()), CELL)
    cells.view(np.uint8).reshape(-1, CELL.itemsize)[:, :HABIT_BYTES] = np.frombuffer(
        stored.data, np.uint8
    ).reshape(-1, HABIT_BYTES)
    owners = np.repeat(np.arange(len(rows)), stored.counts)
    _put_changes(owners, cells, _items(sections, Section.CHANGED))
    state.cells.put_all(rows, owners, cells)
    _put(state.products, rows, _items(sections, Section.PRODUCTS), PRODUCT)
    header = _beginnings(values, HEADER.itemsize).view(HEADER)[:, 0]
    if (header["boundary"] > _LAST_BOUNDARY).any():
        raise RowError("a customer's habits are of a boundary beyond the calendar")
    state.customers["habits_offset"][rows] = header["offset"]
    state.customers["habits_boundary"][rows] = header["boundary"]
    _keep_later(state, sections, _HABITS, [habits_key(state.ids[row]) for row in rows.tolist()])


def _put_changes(owners: NDArray[np.int64], cells: NDArray[Any], items: Items) -> None:
    """Put the changes of habits into the cells that they belong to.

    Args:
        owners: (m,) customer of each cell.
        cells: (m,) cells, changed in place.
        items: Changes of the customers, each with its category.

    Raises:
        RowError: A change belongs to no cell, or lies beyond the calendar.
    """
    changed = np.frombuffer(items.data, _CHANGED)
    if not len(changed):
        return
    whose = np.repeat(np.arange(len(items.counts)), items.counts)
    keys = owners << 16 | cells["category"]
    order = np.argsort(keys)
    place, known = look_up(whose << 16 | changed["category"], keys[order])
    if not known.all() or (changed["changed_day"] > LAST_DAY).any():
        raise RowError("a customer's row tells of changes of other habits than it holds")
    for name in CHANGED.names or ():
        cells[name][order[place]] = changed[name]


def take_alerts(state: State, rows: NDArray[np.int64], alerts: Alerts) -> None:
    """Put the alerts that days hold into the cells that the habits brought.

    Args:
        state: State of the partition; the cells of the customers belong to their days.
        rows: (k,) rows of customers.
        alerts: Their alerts.

    Raises:
        RowError: There are more or fewer alerts than cells, or a date beyond the calendar.
    """
    owners, positions = state.cells.positions(rows)
    cycles, raised = (
        np.frombuffer(alerts.cycles.data, np.uint8),
        np.frombuffer(alerts.raised.data, RAISED_ALERT),
    )
    if (state.cells.lengths[rows] != alerts.cycles.counts).any():
        raise RowError("a customer's row holds alerts of other cells than the row of habits")
    at = np.flatnonzero(cycles == Cycle.RAISED)
    if (np.bincount(owners[at], minlength=len(rows)) != alerts.raised.counts).any():
        raise RowError("a customer's row raises other alerts than it tells of")
    cells = state.cells.records
    cells["alert"][positions] = np.minimum(cycles, Cycle.PLANNED)
    for name in RAISED_ALERT.names or ():
        cells[name][positions] = 0
        cells[name][positions[at]] = raised[name]
    at = np.flatnonzero(cycles >= Cycle.PLANNED)
    best = cells["last_day"][positions[at]].astype(np.int64) + cycles[at] - Cycle.PLANNED
    if (best > LAST_DAY).any():
        raise RowError("a customer's row plans an alert beyond the calendar")
    cells["best_day"][positions[at]] = best
    # An outcome whose category the habits gave up is of no use any more.
    ended = np.frombuffer(alerts.ended.data, _OUTCOME)
    whose = np.repeat(np.arange(len(rows)), alerts.ended.counts)
    keys = owners << 16 | cells["category"][positions]
    order = np.argsort(keys)
    place, known = look_up(whose << 16 | ended["category"], keys[order])
    for name in OUTCOME.names or ():
        cells[name][positions] = 0
        cells[name][positions[order[place[known]]]] = ended[name][known]


def head_of(day: bytes) -> Any:
    """Return the `HEAD` of a day.

    Raises:
        RowError: The row is damaged, cut off, of another format version, or without a head.
    """
    heads = _items(_checked([day]), Section.HEAD)
    if not heads.counts[0]:
        raise RowError("a customer's row without a head")
    return np.frombuffer(heads.data, HEAD)[0]


def _check_heads(heads: NDArray[Any]) -> None:
    """Refuse numbers that no purchase gives.

    Histograms make room for every day up to the last purchase, and one sum that is no number would make the
    centres of all clusters none.

    Raises:
        RowError: A number is beyond what it can be.
    """
    for name in ("first_purchase", "last_purchase"):
        if (heads[name] < 0).any() or (heads[name] > _LAST_INSTANT).any():
            raise RowError("a customer's row holds a purchase beyond the calendar")
    if (heads["list_day"] > LAST_DAY - LIST_DAYS).any():
        raise RowError("a customer's row holds a list beyond the calendar")
    if not np.isfinite(heads["decayed_sums"]).all() or (heads["cluster"] < NO_CLUSTER).any():
        raise RowError("a customer's row holds sums or a cluster that no purchase gives")


def _rings(customers: NDArray[Any]) -> tuple[NDArray[Any], list[int]]:
    """Return the (k, 32) sorted `RING_EVENT`s of customers, empty places first, and k counts."""
    at, identity = customers["ring_at"], customers["ring_hash"]
    sorted_places = np.arange(len(at))[:, None], np.lexsort((identity, at), axis=1)
    events = np.empty(at.shape, RING_EVENT)
    for name, column in (("at", at), ("hash", identity), ("content", customers["ring_content"])):
        events[name] = column[sorted_places]
    return events, (at != NO_EVENT).sum(axis=1).tolist()


def _alerts(state: State, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any], list[int]]:
    """Return the alerts of all cells of customers.

    Returns:
        (m,) cycles as rows hold them, (r,) `RAISED_ALERT`s, and k counts of these.
    """
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records
    cycles = cells["alert"][positions]
    planned, at = places_of(cycles == Cycle.PLANNED), places_of(cycles == Cycle.RAISED)
    away = cells["best_day"][positions[planned]] - cells["last_day"][positions[planned]]
    cycles[planned] += away.astype(np.uint8)
    raised = np.empty(len(at), RAISED_ALERT)
    for name in RAISED_ALERT.names or ():
        raised[name] = cells[name][positions[at]]
    return cycles, raised, np.bincount(owners[at], minlength=len(rows)).tolist()


def _outcomes(state: State, rows: NDArray[np.int64]) -> tuple[NDArray[Any], list[int]]:
    """Return the (o,) `_OUTCOME`s that a later boundary will learn from, and k counts of these."""
    owners, positions = state.cells.positions(rows)
    cells, seen = state.cells.records, state.customers["boundary"][rows].astype(np.int64)
    at = places_of((cells["ended_day"][positions] != NEVER) & (cells["ended_day"][positions] >= seen[owners]))
    ended = _some_of(state, positions[at], _OUTCOME)
    return ended, np.bincount(owners[at], minlength=len(rows)).tolist()


def _some_of(state: State, positions: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the fields of cells that a type names."""
    found = np.empty(len(positions), dtype)
    for name in dtype.names or ():
        found[name] = state.cells.records[name][positions]
    return found


def _section(kind: Section, counts: list[int], contents: Sequence[Piece]) -> list[Iterable[Piece]]:
    """Return the headings and the contents of a section for each customer."""
    known = _HEADINGS[kind]
    return [[known[count] for count in counts], contents]


def _later(state: State, keys: list[bytes]) -> list[Iterable[Piece]]:
    """Return the sections of later releases that the rows of these keys held."""
    held = state.later_sections
    return [[held.get(key, b"") for key in keys]] if held else []


def _runs(counts: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Return the beginning and end of each run of items that follow one another."""
    return pairwise(accumulate(counts, initial=0))


def _cut(items: NDArray[Any], runs: Iterable[tuple[int, int]]) -> list[memoryview]:
    """Return the bytes of runs of items, the first axis of an array."""
    data = np.ascontiguousarray(items).view(np.uint8).reshape(-1).data
    size = len(data) // max(1, len(items))
    return [data[first * size : end * size] for first, end in runs]


def _checked(values: Sequence[bytes]) -> Sections:
    for value in values:
        check(value)
    return Sections(values)


def _items(sections: Sections, kind: Section) -> Items:
    size, longest = _SIZES[kind]
    return sections.items(kind, size=size, longest=longest)


def _beginnings(values: Sequence[bytes], size: int) -> NDArray[np.uint8]:
    """Return the (k, size) first bytes of rows."""
    return np.frombuffer(b"".join([value[:size] for value in values]), np.uint8).reshape(-1, size)


def _put(arena: Arena, rows: NDArray[np.int64], items: Items, dtype: np.dtype[Any]) -> None:
    arena.put_all(rows, np.repeat(np.arange(len(rows)), items.counts), np.frombuffer(items.data, dtype))


def _keep_later(state: State, sections: Sections, expected: frozenset[Section], keys: list[bytes]) -> None:
    """Keep the sections of later releases, to write them back with the rows of these keys."""
    kept, held = sections.later(expected, last=max(Section)), state.later_sections
    for place, key in enumerate(keys) if kept or held else ():
        if place in kept:
            held[key] = kept[place]
        else:
            held.pop(key, None)
