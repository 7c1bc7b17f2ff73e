"""From a row of a file to a line of a basket, or to the reason why it is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streams.sources.cells import cell, date_cell, text_of_cell
from streams.sources.currencies import stands_for
from streams.sources.evidence import Unreadable
from streams.sources.identifiers import IdReading, readers
from streams.sources.numerals import other_currency

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.sources.dates import DateReader
    from streams.sources.numerals import NumberReader
    from streams.sources.statuses import Judge
    from streams.sources.tables import Row


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
    left_out: str = ""
    """Status that says that the line is no sale, such as `status=cancelled`; empty for a sale."""
    silent: str | None = None
    """Not None where the line has no status of its own, and so goes by its order: what it counts as where the
    order does not say either; empty for a sale."""
    order_total: float | None = None
    """Amount of the whole order, to be held against the sum of its lines; None where the file has none."""
    refunded: float | None = None
    """Not None where the order's customer got something back: how much, or 0 where that is not known."""

    @property
    def basket(self) -> tuple[int, str, str, str]:
        """What the lines of one basket share."""
        return self.occurred_at, self.customer_id, self.basket_id, self.store_id


class LeftOut(NamedTuple):
    """A row that is no sale, and that could not be read either."""

    reason: str
    """Status that says so, such as `status=cancelled`."""


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
        ids: How its ids are read, by field.
        judge: Tells which rows are sales; None takes all for such.
    """

    def __init__(
        self,
        columns: Mapping[str, int],
        dates: DateReader,
        numbers: NumberReader,
        currency: str,
        *,
        ids: Mapping[str, IdReading],
        judge: Judge | None = None,
    ) -> None:
        self._ids = {name: reader.read for name, reader in readers(ids).items()}
        self._columns = dict(columns)
        self._dates, self._numbers, self._currency, self._judge = dates, numbers, currency, judge
        self.passed_twice = 0
        """Rows at a local time that the clock passes twice, read as the first."""
        self.without_category = 0
        """Rows whose category is empty, so that the product stands for it."""

    def read(self, row: Row) -> Line | LeftOut | Refused:
        """The line that a row is, or why it is none.

        A row that is no sale is a line too where it can be read, for other rows of its order may go by it.
        """
        if row.fault or self._judge is None:
            return self._read(row)
        left_out, silent, refunded = self._judge.judge(row.cells)
        line = self._read(row)
        if isinstance(line, Refused):
            return LeftOut(left_out) if left_out else line
        line.left_out, line.silent, line.refunded = left_out, silent, refunded
        return line

    def _read(self, row: Row) -> Line | Refused:
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
            field = "basket_id"
            basket = self._id(cells, field)
            field = "store_id"
            store = self._id(cells, field)
            field = "occurred_at"
            occurred_at = self._instant(cells)
            field = "quantity"
            quantity = self._numbers.quantity(cell(cells, self._columns[field]))
            field = "discount"
            discount = self._discount(cells, quantity)
            field = "unit_price" if "unit_price" in self._columns else "total"
            price = self._price(cells, quantity, discount)
            field = "currency"
            self._check_currency(cells)
        except Unreadable as error:
            said, field = str(error), error.field or field
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
            basket,
            store,
            row.number,
            product,
            category,
            self._text(cells, "name") or None,
            quantity,
            price,
            discount,
            self._text(cells, "channel") or None,
            row.text,
            order_total=self._order_total(cells),
        )

    def _instant(self, cells: Sequence[Any]) -> int:
        value = date_cell(cells, self._columns)
        at, passed_twice = self._dates.moment(value)
        self.passed_twice += passed_twice
        return at

    def _price(self, cells: Sequence[Any], quantity: float, discount: float) -> float:
        if "unit_price" in self._columns:
            return self._money(cell(cells, self._columns["unit_price"]))
        total = self._money(cell(cells, self._columns["total"]))
        if quantity == 0:
            raise Unreadable("the quantity is 0, so the total has no price")
        return (total + discount) / quantity

    def _order_total(self, cells: Sequence[Any]) -> float | None:
        """The order's amount; None where there is none that can be read, for it is a check alone."""
        place = self._columns.get("order_total")
        try:
            return None if place is None else self._numbers.number(cell(cells, place))
        except Unreadable:
            return None

    def _discount(self, cells: Sequence[Any], quantity: float) -> float:
        """The discount with the quantity's sign, whichever sign the file gives it."""
        place = self._columns.get("discount")
        value = None if place is None else cell(cells, place)
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
        if written and written.upper() != self._currency and not stands_for(written, self._currency):
            raise Unreadable(f"{written!r} is not {self._service_currency}")

    @property
    def _service_currency(self) -> str:
        return f"{self._currency}, the one currency of this service (CARTPULSE_CURRENCY)"

    def _needed(self, cells: Sequence[Any], field: str) -> str:
        text = self._id(cells, field)
        if not text:
            raise Unreadable("is empty")
        return text

    def _id(self, cells: Sequence[Any], field: str) -> str:
        place = self._columns.get(field)
        return "" if place is None else self._ids[field](cells[place])

    def _text(self, cells: Sequence[Any], field: str) -> str:
        place = self._columns.get(field)
        return "" if place is None else text_of_cell(cells[place])


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
