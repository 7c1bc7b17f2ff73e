"""From a row of a file to a line of a basket, or to the reason why it is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from streams.sources.dates import Unreadable
from streams.sources.numerals import other_currency

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.sources.dates import DateReader
    from streams.sources.numerals import NumberReader
    from streams.sources.tables import Row

NOTHING: Final = frozenset({"", "null", "nan", "none", "n/a", "#n/a", "na", "\\n"})
"""What programs write, in any case, where they have no value."""
_LONGEST_NOTHING: Final = max(map(len, NOTHING))


class Line(msgspec.Struct, array_like=True, gc=False):
    """One thing that was bought, with what it takes to find its basket again."""

    occurred_at: int
    """Event time, ms since 1970 UTC."""
    customer_id: str
    basket_id: str
    """Empty where the file has no such column."""
    store_id: str
    """The same."""
    number: int
    """Line or row of the file."""
    product_id: str
    category: str
    name: str | None
    quantity: float
    unit_price: float
    discount: float
    channel: str | None
    text: str
    """The row as it stands in the file, for the reason why it is refused."""

    @property
    def basket(self) -> tuple[int, str, str, str]:
        """What the lines of one basket share."""
        return self.occurred_at, self.customer_id, self.basket_id, self.store_id


class Refused(NamedTuple):
    """A row, or a line of a basket, that is not sent."""

    number: int
    """Line or row of the file."""
    sort: str
    """What refusals of one sort are counted under."""
    reason: str
    """A sentence for a person."""
    text: str
    """The row as it stands in the file."""


class LineReader:
    """Reads the rows of one file.

    Args:
        columns: Which column, by its place, is which field.
        dates: Reads its dates.
        numbers: Reads its numbers.
        currency: The one currency of the service.
    """

    def __init__(
        self, columns: Mapping[str, int], dates: DateReader, numbers: NumberReader, currency: str
    ) -> None:
        self._columns = dict(columns)
        self._dates, self._numbers, self._currency = dates, numbers, currency
        self.passed_twice = 0
        """Rows at a local time that the clock passes twice, read as the first."""
        self.without_category = 0
        """Rows whose category is empty, so that the product stands for it."""

    def read(self, row: Row) -> Line | Refused:
        """The line that a row is, or why it is none."""
        if row.fault:
            sort = (
                row.fault.partition(":")[0]
                if row.fault.startswith("is no JSON")
                else _sort_of_fault(row.fault)
            )
            return Refused(row.number, sort, row.fault[:1].upper() + row.fault[1:] + ".", row.text)
        field = ""
        cells = row.cells
        try:
            field = "customer_id"
            customer = self._needed(cells, field)
            field = "product_id"
            product = self._needed(cells, field)
            field = "occurred_at"
            occurred_at = self._instant(cells)
            field = "quantity"
            quantity = self._numbers.number(_cell(cells, self._columns[field]))
            field = "discount"
            discount = self._discount(cells, quantity)
            field = "unit_price" if "unit_price" in self._columns else "total"
            price = self._price(cells, quantity, discount)
            field = "currency"
            self._check_currency(cells)
        except Unreadable as error:
            said = str(error)
            sort = f"{field} {'is empty' if said == 'is empty' else 'cannot be read'}"
            reason = f"{field} {said}." if said == "is empty" else f"{field}: {said}."
            return Refused(row.number, sort, reason, row.text)
        category = self._text(cells, "category")
        if not category:
            self.without_category += "category" in self._columns
            category = product
        return Line(
            occurred_at,
            customer,
            self._text(cells, "basket_id"),
            self._text(cells, "store_id"),
            row.number,
            product,
            category,
            self._text(cells, "name") or None,
            quantity,
            price,
            discount,
            self._text(cells, "channel") or None,
            row.text,
        )

    def _instant(self, cells: Sequence[Any]) -> int:
        value = date_cell(cells, self._columns)
        at, passed_twice = self._dates.moment(value)
        self.passed_twice += passed_twice
        return at

    def _price(self, cells: Sequence[Any], quantity: float, discount: float) -> float:
        if "unit_price" in self._columns:
            return self._money(_cell(cells, self._columns["unit_price"]))
        total = self._money(_cell(cells, self._columns["total"]))
        if quantity == 0:
            raise Unreadable("the quantity is 0, so the total has no price")
        return (total + discount) / quantity

    def _discount(self, cells: Sequence[Any], quantity: float) -> float:
        """The discount with the quantity's sign, whichever sign the file gives it."""
        place = self._columns.get("discount")
        value = None if place is None else _cell(cells, place)
        if value is None or value == "":
            return 0.0
        size = abs(self._money(value))
        return -size if quantity < 0 else size

    def _money(self, value: Any) -> float:
        amount = self._numbers.number(value)
        if isinstance(value, str) and (other := other_currency(value, self._currency)):
            raise Unreadable(f"{value!r} is in {other}, not in {self._service_currency}")
        return amount

    def _check_currency(self, cells: Sequence[Any]) -> None:
        written = self._text(cells, "currency")
        if written and written.upper() != self._currency:
            raise Unreadable(f"{written!r} is not {self._service_currency}")

    @property
    def _service_currency(self) -> str:
        return f"{self._currency}, the one currency of this service (CARTPULSE_CURRENCY)"

    def _needed(self, cells: Sequence[Any], field: str) -> str:
        text = self._text(cells, field)
        if not text:
            raise Unreadable("is empty")
        return text

    def _text(self, cells: Sequence[Any], field: str) -> str:
        place = self._columns.get(field)
        return "" if place is None else text_of_cell(cells[place])


def text_of_cell(value: Any) -> str:
    """A cell as an identifier or a name; empty where programs write that they have no value."""
    if isinstance(value, str):
        text = value.strip()
        return "" if len(text) <= _LONGEST_NOTHING and text.lower() in NOTHING else text
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN alone differs


def date_cell(cells: Sequence[Any], columns: Mapping[str, int]) -> Any:
    """The moment of a row as the file has it; a time of day in a column of its own is put behind the date."""
    value = _cell(cells, columns["occurred_at"])
    if "time" not in columns:
        return value
    clock = _cell(cells, columns["time"])
    return value if clock is None or clock == "" else f"{value} {clock}"


def _cell(cells: Sequence[Any], place: int) -> Any:
    value = cells[place]
    return value.strip() if isinstance(value, str) else value


def _sort_of_fault(fault: str) -> str:
    for sign, sort in (
        ("is no purchase", "no purchase"),
        ("has no lines", "no lines"),
        ("repeats the header", "header again"),
        ("columns", "number of columns"),
        ("quotation", "quotation marks"),
        ("not in ", "encoding"),
        ("longer", "length"),
    ):
        if sign in fault:
            return sort
    return "other"
