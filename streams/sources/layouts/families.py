"""Lines of an order that are parts of other lines of the order. Each piece must be counted once."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from streams.sources.values.cells import text_of_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streams.sources.forms.tables import TableRow

_NONE: Final = ("", "0")
_PART: Final = "is no purchase by itself: it is a part of line item {}, which counts"
_WHOLE: Final = "is no purchase by itself: it is a bundle, and its parts have the prices and count"


class Families:
    """Search for the lines of an order that another line already counts.

    Args:
        order: Place of the order's number.
        item: Place of the line's own number.
        parent: Place of the number of the line to which the line belongs as a part.
        kind: Place of the sort of product; None where the file has none.
        price: Place of the price.
    """

    def __init__(self, order: int, item: int, parent: int, kind: int | None, price: int) -> None:
        self._order, self._item, self._parent = order, item, parent
        self._kind, self._price = kind, price

    def rows(self, rows: Iterable[TableRow]) -> Iterator[tuple[TableRow, str]]:
        """Yield every row with the reason why it does not count; the reason is empty if it counts."""
        for _, group in groupby(rows, key=self._key):
            order = list(group)
            if order[0].fault:
                yield from ((row, "") for row in order)
            else:
                yield from zip(order, self._faults([row.cells for row in order]), strict=True)

    def _key(self, row: TableRow) -> tuple[int, str]:
        return row.number, row.fault or text_of_cell(row.cells[self._order])

    def _faults(self, lines: Sequence[Sequence[Any]]) -> list[str]:
        own = [text_of_cell(cells[self._item]) for cells in lines]
        parents = [text_of_cell(cells[self._parent]) for cells in lines]
        parts: dict[str, list[int]] = {}
        for place, parent in enumerate(parents):
            if parent not in _NONE and parent != own[place] and parent in own:
                parts.setdefault(parent, []).append(place)
        faults = [""] * len(lines)
        for parent, places in parts.items():
            whole = own.index(parent)
            if self._by_parts(lines[whole], [lines[place] for place in places]):
                faults[whole] = _WHOLE
            else:
                for place in places:
                    faults[place] = _PART.format(parent)
        return faults

    def _by_parts(self, whole: Sequence[Any], parts: Sequence[Sequence[Any]]) -> bool:
        """Return True if a product is sold by the prices of its parts."""
        is_bundle = self._kind is not None and text_of_cell(whole[self._kind]).lower() == "bundle"
        return any(map(self._has_price, parts)) and (is_bundle or not self._has_price(whole))

    def _has_price(self, cells: Sequence[Any]) -> bool:
        return any("1" <= letter <= "9" for letter in text_of_cell(cells[self._price]))


def families_of(names: Sequence[str], place: Callable[[str], int | None]) -> Families | None:
    """Make the search for a file's columns; None where the file lacks a needed column.

    Args:
        names: Columns of the order's number, the line's, its parent's, the sort of product and the price.
        place: Returns the place of a column; None where the file lacks it.
    """
    order, item, parent, kind, price = (place(name) for name in names)
    if order is None or item is None or parent is None or price is None:
        return None
    return Families(order, item, parent, kind, price)
