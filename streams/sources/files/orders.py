"""Evidence of a whole file about its orders: amounts of an order, and counters of an order's lines.

The rows of one order share its number, customer, store and time, as in `Line.basket`. The rows of an order
may lie apart, but not by more than `OPEN_ORDERS` other orders: an order that continues later counts as
another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streams.sources.bounded.counting import Distinct
from streams.sources.values.cells import text_of_cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPEN_ORDERS: Final = 50_000
"""Orders held in memory at once, with about 1 KB each."""
FOLLOWED_PRODUCTS: Final = 50_000
"""Products whose price is held in memory, with about 200 bytes each."""
_ORDER: Final = ("basket_id", "customer_id", "store_id", "occurred_at", "time")
_THING: Final = ("product_id", "quantity", "unit_price")


@dataclass(slots=True)
class Amount:
    """Orders of several different lines, counted by the distribution of one amount over these lines."""

    equal: int = 0
    """Orders on which the amount is equal on all lines, and not zero."""
    first_alone: int = 0
    """Orders on which only the first line has the amount."""
    unequal: int = 0
    """Any other distribution. The first such order settles the question, and no more are counted."""


@dataclass(slots=True)
class Counter:
    """Orders, counted by whether a column numbers their lines."""

    counted: int = 0
    """Orders of several lines on which the column is 1, 2, 3, ... (or 0, 1, 2, ...), in any order."""
    longest: int = 0
    """Lines of the longest such order."""
    other: int = 0
    """Orders on which the column is anything else."""

    @property
    def counts(self) -> bool:
        """True if the column numbers the lines of every order."""
        return not self.other

    @property
    def sure(self) -> bool:
        """True if the numbering can hardly be chance."""
        return self.counts and (self.counted >= 3 or self.longest >= 3)


_Order = tuple[int, int, bool, int, int, tuple[Any, ...], tuple[int, ...]]
"""Evidence of one order, as a plain tuple because it takes the least memory. In order: number of rows; hash
of the first line's product, quantity and price; True if the lines differ in these; a bit for each amount, set
while all lines have it equal; a bit for each amount, set while all lines but the first lack it; amounts of
the first line; for each counter its sum, or -1 after a value that cannot be a line number, its largest and
its smallest value."""


class Orders:
    """Evidence about the orders of one file.

    Args:
        columns: Field -> place of its column.
        amounts: Fields whose amounts may be the order's.
        counting: Places of columns that may number lines.
        candidates: Places of columns that may be the customer.
        open_orders: Orders held in memory at once.
    """

    def __init__(
        self,
        columns: Mapping[str, int],
        amounts: Sequence[str],
        counting: Sequence[int],
        candidates: Sequence[int],
        *,
        open_orders: int = OPEN_ORDERS,
    ) -> None:
        self.candidates = candidates
        self.amount = {name: Amount() for name in amounts}
        self.counter = {place: Counter() for place in counting}
        self.customers = {place: Distinct() for place in candidates}
        self.filled = dict.fromkeys(candidates, 0)
        """Place of a candidate for the customer -> runs of rows of one order in which it has a value."""
        self.orders = Distinct()
        """Distinct numbers of orders, each with its day."""
        self.several = 0
        """Orders of several different lines."""
        self.prices_vary = False
        """True once one product had different unit prices."""
        self._order = [columns[name] for name in _ORDER if name in columns]
        self._number = [columns[name] for name in ("basket_id", "occurred_at") if name in columns]
        self._has_number = "basket_id" in columns
        self._thing = [columns[name] for name in _THING if name in columns]
        self._amounts = [columns[name] for name in amounts]
        self._undecided = list(range(len(self._amounts)))
        """Indexes of the amounts that no order has shown to be the line's."""
        self._price = columns.get("unit_price")
        self._product = columns["product_id"]
        self._counting = list(counting)
        self._uncertain = list(range(len(self._counting)))
        """Indexes of the counters that no order has disproved."""
        self._most_open = open_orders
        self._last: int | None = None
        """Hash of the previous row's order."""
        self._open: dict[int, _Order] = {}
        self._prices: dict[str, Any] = {}

    def note(self, cells: Sequence[Any]) -> None:
        """Add one more row. The call is quick once all questions are settled."""
        settled = self.several and not self._undecided and not self._uncertain
        if settled and len(self.candidates) < 2:
            return
        key = _hash([cells[place] for place in self._order])
        if len(self.candidates) > 1 and key != self._last:
            self._note_customers(cells)
        self._last = key
        if settled:
            return
        if self._price is not None and not self.prices_vary:
            self._note_price(cells[self._product], cells[self._price])
        thing = _hash([cells[place] for place in self._thing])
        held = self._open.get(key)
        if held is not None:
            self._open[key] = self._continued(held, thing, cells)
            return
        if len(self._open) >= self._most_open:
            self._close(self._open.pop(next(iter(self._open))))
        amounts = tuple([cells[place] for place in self._amounts]) if self._undecided else ()
        counting = self._counting if self._uncertain else ()
        counts = tuple([count for place in counting for count in (_count(cells[place]),) * 3])
        self._open[key] = (1, thing, False, -1, -1, amounts, counts)

    def finish(self) -> None:
        """Judge the orders that are still held; call it after the last row."""
        while self._open:
            self._close(self._open.pop(next(iter(self._open))))

    def better_customer(self, place: int) -> int | None:
        """Return the column to take as the customer in place of one that is new for every order.

        Args:
            place: Place of the column taken for the customer so far.

        Returns:
            Place of the better column; None without one.
        """
        orders = self.orders.count
        if place not in self.customers or orders < 2 or self.customers[place].count < 0.995 * orders:
            return None
        for other, seen in self.customers.items():
            repeats = seen.count <= 0.99 * self.customers[place].count
            several = seen.count > 1 or orders <= 10
            if other != place and repeats and several and self.filled[other] >= 0.99 * self.filled[place]:
                return other
        return None

    def _continued(self, held: _Order, thing: int, cells: Sequence[Any]) -> _Order:
        """Add a line to an order. One order may prove that an amount is not the order's."""
        rows, first, differs, equal, blank, amounts, counts = held
        if not differs and thing != first:
            differs = True
            self.several += 1
        for index in tuple(self._undecided):
            bit, amount = 1 << index, cells[self._amounts[index]]
            if equal & bit and amount != amounts[index]:
                same = (_amount(amount) or 0.0) == (_amount(amounts[index]) or 0.0)
                equal = equal if same else equal & ~bit
            if blank & bit and _amount(amount) is not None:
                blank &= ~bit
            if differs and not (equal | blank) & bit:
                self._undecided.remove(index)
                tuple(self.amount.values())[index].unequal += 1
        if self._uncertain:
            counts = self._counted(counts, cells)
        return (rows + 1, first, differs, equal, blank, amounts, counts)

    def _counted(self, counts: tuple[int, ...], cells: Sequence[Any]) -> tuple[int, ...]:
        """Add a line to the counters of an order.

        A value that comes twice in an order disproves its counter.
        """
        more = list(counts)
        for index in tuple(self._uncertain):
            place = self._counting[index]
            count, (total, largest, smallest) = _count(cells[place]), counts[3 * index : 3 * index + 3]
            if count in (largest, smallest):
                self._uncertain.remove(index)
                self.counter[place].other += 1
            total = -1 if min(count, total) < 0 else total + count
            more[3 * index : 3 * index + 3] = total, max(largest, count), min(smallest, count)
        return tuple(more)

    def _note_customers(self, cells: Sequence[Any]) -> None:
        if self._has_number:
            self.orders.add("\0".join(text_of_cell(cells[place]) for place in self._number))
        for place in self.candidates:
            text = text_of_cell(cells[place])
            if text:
                self.filled[place] += 1
                self.customers[place].add(text)

    def _note_price(self, product: Any, price: Any) -> None:
        text, amount = text_of_cell(product), _amount(price)
        if len(self._prices) < FOLLOWED_PRODUCTS or text in self._prices:
            self.prices_vary = self._prices.setdefault(text, amount) != amount

    def _close(self, order: _Order) -> None:
        rows, _, differs, equal, _, amounts, counts = order
        seen = tuple(self.amount.values())
        for index in self._undecided if differs else ():
            if equal & 1 << index:
                seen[index].equal += bool(_amount(amounts[index]))
            else:
                seen[index].first_alone += 1
        counters = tuple(self.counter.values())
        for index in self._uncertain:
            counter = counters[index]
            total, largest, start = counts[3 * index : 3 * index + 3]
            whole = largest - start + 1 == rows
            if start in (0, 1) and whole and total == rows * (rows - 1) // 2 + start * rows:
                counter.counted += rows > 1
                counter.longest = max(counter.longest, rows)
            else:
                counter.other += 1


def _hash(cells: list[Any]) -> int:
    try:
        return hash(tuple(cells))
    except TypeError:  # JSON and Parquet may hold lists and objects in cells
        return hash(repr(cells))


def _amount(cell: Any) -> float | str | None:
    """Return the amount of a cell for comparison: a number where the cell is plainly one; None if empty."""
    text = text_of_cell(cell)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text if any("1" <= letter <= "9" for letter in text) else 0.0


def _count(cell: Any) -> int:
    """Return a cell as a line number; -1 where it is no such number."""
    return _count_of(cell if cell.__class__ is str else text_of_cell(cell))


@lru_cache(maxsize=1 << 12)
def _count_of(text: str) -> int:
    text = text.strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1
