"""Conversion of a file's row into a line of a basket, or into the reason why the row is no line."""

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

    from streams.sources.forms.tables import TableRow
    from streams.sources.statuses.rows import Judge
    from streams.sources.values.dates import DateReader
    from streams.sources.values.numerals import NumberReader

T = TypeVar("T")

ROUNDING: Final = 0.005
"""Currency units by which an amount may be rounded."""
_PLACES: Final = 9
"""Decimals of a difference of two amounts; further decimals are errors of binary arithmetic."""


class LeftOut(NamedTuple):
    """Row that is no sale, and that could not be read either."""

    reason: str
    """Status by which the row is no sale, such as `status=cancelled`."""


class Refused(NamedTuple):
    """Row, or line of a basket, that is not sent."""

    number: int
    """Line or row of the file."""
    sort: str
    """Group under which the refusal is counted."""
    reason: str
    """Reason as a sentence for a person."""
    text: str
    """Row as it stands in the file."""


class LineReader:
    """Reader of one file's rows.

    Args:
        columns: Field -> place of its column.
        dates: Reader of the file's dates.
        numbers: Reader of the file's numbers.
        currency: The one currency of the service.
        ids: Field -> reading of its ids.
        judge: Decides which rows are sales; None takes all rows as sales.
        width: Number of cells in a row.
        slips: Look for a status in rows with another number of cells.
        binary: True if cells may hold bytes that are not UTF-8.
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
        """Rows with a local time that the clock passes twice; the first of the two times is taken."""
        self.without_category = 0
        """Rows with an empty category; the product stands for the category."""
        self.discounts_found = 0
        """Rows whose discount was computed as quantity times price less the total."""
        self.totals_differ = 0
        """Rows whose total differs from quantity, price and discount for another reason."""
        self.unread = UnreadStatuses()
        """Statuses of rows that could not be read and whose order is not known in full."""
        self.voices: list[Line] = []
        """Statuses of rows that could not be read but whose order is known, each as a line with `voice` set.
        The caller takes these lines out."""

    def read(self, row: TableRow) -> Line | LeftOut | Refused:
        """Read a row as a line, or return the reason why the row is no line.

        A readable row that is no sale is returned as a line too, because other rows of its order may depend
        on it.
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

    def _note_fault(self, row: TableRow, judge: Judge) -> None:
        """Store the status of a row with a fault, if the status says that the order is no sale.

        A row with too many or too few cells has slipped somewhere. Cells before the slip stand in their
        columns counted from the left, cells behind it in their columns counted from the right. The order's
        number counts only beside a date.
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
        """Store the status that an unreadable row gives its order, as far as the order can be identified."""
        basket = self._try(self._id, cells, "basket_id")
        if not basket or self._judge is None or not self._judge.judged:
            return  # without a number or a status, no line waits for another line
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

    def _read(self, row: TableRow) -> Line | Refused:
        # Stage 1: rows that the table could not take, and cells that are not UTF-8.
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
        # Stage 2: the needed values. `field` names the value being read, so that a fault can name it too.
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
        # Stage 3: the values that a line may lack.
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
        """Return the first field whose bytes are not UTF-8; empty where all fields are."""
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
        """Return the line's discount, computed from the line's total where the file has one beside the price.

        A total is the line's amount after its discount. A discount is therefore what the total lacks of
        quantity times price, unless the file names another discount. The price may be rounded by half a cent
        for each piece.
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
        """Return the order's amount, which is only a check; None where no amount can be read."""
        return self._amount(cells, "order_total")

    def _amount(self, cells: Sequence[Any], field: str) -> float | None:
        place = self._columns.get(field)
        try:
            return None if place is None else self._numbers.number(cell(cells, place))
        except Unreadable:
            return None

    def _discount(self, cells: Sequence[Any], quantity: float) -> float:
        """Return the discount with the quantity's sign, whichever sign the file gives it."""
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
