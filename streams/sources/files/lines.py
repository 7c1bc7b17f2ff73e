"""From a row of a file to a line of a basket, or to the reason why it is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from streams.sources.files.line import Line
from streams.sources.files.unread import UnreadStatuses
from streams.sources.forms.tables import NO_ROW
from streams.sources.values.cells import Undecoded, cell, date_cell, text_of_cell
from streams.sources.values.currencies import stands_for
from streams.sources.values.evidence import Unreadable
from streams.sources.values.identifiers import IdReading, readers
from streams.sources.values.numerals import other_currency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streams.sources.forms.tables import Row
    from streams.sources.statuses.rows import Judge
    from streams.sources.values.dates import DateReader
    from streams.sources.values.numerals import NumberReader

T = TypeVar("T")

ROUNDING: Final = 0.005
"""Currency units by which an amount may be rounded."""
_PLACES: Final = 9
"""Decimals of a difference of two amounts; those behind them are none of the file's."""


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
        width: How many cells a row has.
        slips: Whether rows with another number of cells are looked at for a status.
        binary: Whether cells may hold bytes that are no letters.
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
        width: int = 0,
        slips: bool = False,
        binary: bool = False,
    ) -> None:
        self._binary = binary
        self._width, self._slips = width, slips
        self._ids = {name: reader.read for name, reader in readers(ids).items()}
        self._columns = dict(columns)
        self._dates, self._numbers, self._currency, self._judge = dates, numbers, currency, judge
        self.passed_twice = 0
        """Rows at a local time that the clock passes twice, read as the first."""
        self.without_category = 0
        """Rows whose category is empty, so that the product stands for it."""
        self.discounts_found = 0
        """Rows whose discount is what their total lacks of quantity times price."""
        self.totals_differ = 0
        """Rows whose total is another than that of quantity, price and discount, for another reason."""
        self.unread = UnreadStatuses()
        """Statuses of rows that could not be read, and of which even the order is not known in full."""
        self.voices: list[Line] = []
        """Those of which it is, each as a line that is a voice alone; to be taken out."""

    def read(self, row: Row) -> Line | LeftOut | Refused:
        """The line that a row is, or why it is none.

        A row that is no sale is a line too where it can be read, for other rows of its order may go by it.
        """
        if self._judge is None:
            return self._read(row)
        if row.fault:
            self._note_fault(row, self._judge)
            return self._read(row)
        left_out, silent, refunded = self._judge.judge(row.cells)
        line = self._read(row)
        if isinstance(line, Refused):
            if left_out or silent is None:
                self._note_unread(row.cells, left_out)
            return LeftOut(left_out) if left_out else line
        line.left_out, line.silent, line.refunded = left_out, silent, refunded
        return line

    def _note_fault(self, row: Row, judge: Judge) -> None:
        """Keep the status of a row that cannot be taken, if it says that its order is no sale.

        Where the row has too many or too few cells, those before the slip stand in their columns from the
        left, and those behind it from the right. Its order's number counts only beside a date.
        """
        cells, width = row.cells, judge.width
        if not cells or row.fault.startswith(NO_ROW):
            return
        if len(cells) == self._width:
            if left_out := judge.left_out(cells):
                self._note_unread(cells, left_out)
            return
        if not self._slips:
            return
        gap = [""] * (self._width - len(cells))
        behind = [""] * (self._width - width)
        views = ([*cells, *gap][: self._width], [*gap, *cells][-width:] + behind)
        left_out = next((said for view in views if (said := judge.left_out(view, words=True))), "")
        for view in views if left_out else ():
            at = self._try(self._instant, view)
            if at is not None and (basket := self._try(self._id, view, "basket_id")):
                self.unread.note(basket, (at, None, None), left_out)
                return

    def _note_unread(self, cells: Sequence[Any], left_out: str) -> None:
        """Keep what a row that is no line says of its order, as far as it is known which one that is."""
        basket = self._try(self._id, cells, "basket_id")
        if not basket or self._judge is None or not self._judge.judged:
            return  # without a number or a status no line waits for another
        at = self._try(self._instant, cells)
        customer = self._try(self._needed, cells, "customer_id")
        store = self._try(self._id, cells, "store_id")
        if at is None or customer is None or store is None:
            if left_out:
                self.unread.note(basket, (at, customer, store), left_out)
            return
        voice = Line(at, customer, basket, store, 0, "", "", None, 0, 0, 0, None, "", left_out, voice=True)
        self.voices.append(voice)

    @staticmethod
    def _try(read: Callable[..., T], *given: Any) -> T | None:
        try:
            return read(*given)
        except Unreadable:
            return None

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
        if self._binary and (name := self._undecoded(cells)):
            reason = f"{name} is not in utf-8: {cells[self._columns[name]]!r}."
            return Refused(row.number, "encoding", reason, row.text)
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
            discount = self._settled(cells, quantity, price, discount)
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

    def _undecoded(self, cells: Sequence[Any]) -> str:
        """Name a field whose bytes are no letters; empty where all are."""
        return next((n for n, place in self._columns.items() if isinstance(cells[place], Undecoded)), "")

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

    def _settled(self, cells: Sequence[Any], quantity: float, price: float, discount: float) -> float:
        """The discount, found from the line's total where the file has one beside the price.

        A total is the line's after its discount: so what it lacks of quantity times price is one, unless the
        file names another. The price may be rounded, each piece of it by half a cent.
        """
        total = self._amount(cells, "total") if "unit_price" in self._columns else None
        if total is None:
            return discount
        gross = quantity * price
        lacking = gross - (-abs(total) if gross < 0 else total) - discount
        if abs(lacking) <= ROUNDING:
            return discount
        if not discount and 0 < lacking / (gross or -lacking) <= 1:
            self.discounts_found += 1
            return round(lacking, _PLACES)
        self.totals_differ += abs(lacking) > ROUNDING * (1 + abs(quantity))
        return discount

    def _order_total(self, cells: Sequence[Any]) -> float | None:
        """The order's amount; None where there is none that can be read, for it is a check alone."""
        return self._amount(cells, "order_total")

    def _amount(self, cells: Sequence[Any], field: str) -> float | None:
        place = self._columns.get(field)
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
        ("has no status", "order begins unread"),
        ("repeats the header", "header again"),
        ("columns", "number of columns"),
        ("quotation", "quotation marks"),
        ("not in ", "encoding"),
        ("longer", "length"),
    ):
        if sign in fault:
            return sort
    return "other"
