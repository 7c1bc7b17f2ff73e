"""Evidence of a whole file about its orders: amounts that are an order's, and counters of an order's lines.

The rows of one order share its number, customer, store and time, as in `Line.basket`. They may lie apart, but
not by more than `OPEN_ORDERS` others: an order that is taken up again later counts as another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streams.sources.counting import Distinct
from streams.sources.lines import text_of_cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPEN_ORDERS: Final = 50_000
"""Orders that are held at once, with about 1 KB each."""
FOLLOWED_PRODUCTS: Final = 50_000
"""Products whose price is held, with about 200 bytes each."""
_ORDER: Final = ("basket_id", "customer_id", "store_id", "occurred_at", "time")
_THING: Final = ("product_id", "quantity", "unit_price")


@dataclass(slots=True)
class Amount:
    """Orders of several different lines, by how an amount lies on these lines."""

    equal: int = 0
    """Equal on all lines, and not zero."""
    first_alone: int = 0
    """Only the first line has it."""
    unequal: int = 0
    """Anything else."""


@dataclass(slots=True)
class Counter:
    """Orders, by whether a column counts their lines."""

    counted: int = 0
    """Orders of several lines on which it is 1, 2, 3, ... (or 0, 1, 2, ...), in any order."""
    longest: int = 0
    """Lines of the longest such order."""
    other: int = 0
    """Orders on which it is anything else."""

    @property
    def counts(self) -> bool:
        """True if it counts the lines of every order."""
        return not self.other

    @property
    def sure(self) -> bool:
        """True if that can hardly be chance."""
        return self.counts and (self.counted >= 3 or self.longest >= 3)


@dataclass(slots=True)
class _Order:
    thing: int
    """Hash of what the first line is."""
    amounts: list[Any]
    """Amounts of the first line."""
    equal: list[bool]
    """For each amount, whether all lines had it."""
    blank: list[bool]
    """For each amount, whether all lines but the first had none."""
    sums: list[int]
    """For each counter, its sum; -1 once a value was no number that counts."""
    largest: list[int]
    smallest: list[int]
    rows: int = 1
    differs: bool = False
    """Whether its lines are of different products, quantities or prices."""


@dataclass(slots=True)
class Orders:
    """Evidence about the orders of one file.

    Args:
        columns: Which column, by its place, is which field.
        amounts: Fields whose amounts may be the order's.
        counters: Places of columns that may count lines.
        customers: Places of columns that may be the customer.
        open_orders: Orders that are held at once.
    """

    columns: Mapping[str, int]
    amounts: Sequence[str]
    counting: Sequence[int]
    candidates: Sequence[int]
    open_orders: int = OPEN_ORDERS
    amount: dict[str, Amount] = field(init=False)
    counter: dict[int, Counter] = field(init=False)
    customers: dict[int, Distinct] = field(init=False)
    filled: dict[int, int] = field(init=False)
    """Rows in which a candidate for the customer has a value."""
    orders: Distinct = field(default_factory=Distinct)
    """Numbers of orders, each with its day."""
    several: int = 0
    """Orders of several different lines."""
    prices_vary: bool = False
    """Whether one product has different unit prices."""
    _open: dict[int, _Order] = field(default_factory=dict)
    _prices: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.amount = {name: Amount() for name in self.amounts}
        self.counter = {place: Counter() for place in self.counting}
        self.customers = {place: Distinct() for place in self.candidates}
        self.filled = dict.fromkeys(self.candidates, 0)

    def note(self, cells: Sequence[Any]) -> None:
        """Take one more row."""
        columns = self.columns
        order = tuple(text_of_cell(cells[columns[name]]) for name in _ORDER if name in columns)
        if len(self.candidates) > 1:
            self._note_customers(cells, order)
        thing = tuple(text_of_cell(cells[columns[name]]) for name in _THING if name in columns)
        self._note_price(cells)
        amounts = [_amount(cells[columns[name]]) for name in self.amounts]
        counts = [_count(cells[place]) for place in self.counting]
        key = hash(order)
        held = self._open.get(key)
        if held is None:
            if len(self._open) >= self.open_orders:
                self._close(self._open.pop(next(iter(self._open))))
            many = len(amounts)
            self._open[key] = _Order(
                hash(thing), amounts, [True] * many, [True] * many, list(counts), list(counts), list(counts)
            )
            return
        held.rows += 1
        held.differs |= hash(thing) != held.thing
        for index, amount in enumerate(amounts):
            held.equal[index] &= (amount or 0.0) == (held.amounts[index] or 0.0)
            held.blank[index] &= amount is None
        for index, count in enumerate(counts):
            held.sums[index] = -1 if min(count, held.sums[index]) < 0 else held.sums[index] + count
            held.largest[index] = max(held.largest[index], count)
            held.smallest[index] = min(held.smallest[index], count)

    def finish(self) -> None:
        """Judge the orders that are still held; to be called behind the last row."""
        while self._open:
            self._close(self._open.pop(next(iter(self._open))))

    def better_customer(self, place: int) -> int | None:
        """Column that is the customer rather than `place`, which is new for every order; None without one."""
        orders = self.orders.count
        if place not in self.customers or orders < 2 or self.customers[place].count < 0.995 * orders:
            return None
        for other, seen in self.customers.items():
            repeats = seen.count <= 0.99 * self.customers[place].count
            several = seen.count > 1 or orders <= 10
            if other != place and repeats and several and self.filled[other] >= 0.99 * self.filled[place]:
                return other
        return None

    def _note_customers(self, cells: Sequence[Any], order: tuple[str, ...]) -> None:
        columns = self.columns
        if "basket_id" in columns:
            self.orders.add(f"{order[0]}\0{text_of_cell(cells[columns['occurred_at']])}")
        for place in self.candidates:
            text = text_of_cell(cells[place])
            if text:
                self.filled[place] += 1
                self.customers[place].add(text)

    def _note_price(self, cells: Sequence[Any]) -> None:
        if self.prices_vary or "unit_price" not in self.columns:
            return
        product = text_of_cell(cells[self.columns["product_id"]])
        price = _amount(cells[self.columns["unit_price"]])
        if len(self._prices) < FOLLOWED_PRODUCTS or product in self._prices:
            self.prices_vary = self._prices.setdefault(product, price) != price

    def _close(self, order: _Order) -> None:
        several = order.rows > 1 and order.differs
        self.several += several
        for index, name in enumerate(self.amounts if several else ()):
            seen, first = self.amount[name], order.amounts[index]
            if order.equal[index]:
                seen.equal += bool(first)
            elif order.blank[index]:
                seen.first_alone += 1
            else:
                seen.unequal += 1
        for index, place in enumerate(self.counting):
            seen_counts, rows = self.counter[place], order.rows
            start = order.smallest[index]
            whole = order.largest[index] - start + 1 == rows
            if start in (0, 1) and whole and order.sums[index] == rows * (rows - 1) // 2 + start * rows:
                seen_counts.counted += rows > 1
                seen_counts.longest = max(seen_counts.longest, rows)
            else:
                seen_counts.other += 1


def _amount(cell: Any) -> float | str | None:
    """A cell's amount to be compared: a number if it is plainly one; None if the cell is empty."""
    text = text_of_cell(cell)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text if any("1" <= letter <= "9" for letter in text) else 0.0


def _count(cell: Any) -> int:
    """A cell as a number of a line; -1 where it is none."""
    text = text_of_cell(cell).removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1
