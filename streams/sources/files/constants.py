"""Fields that have one value in every row of a file: `--set currency=EUR`, `--set quantity=1`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from streams.sources.columns import FIELDS, ColumnsError, Made
from streams.sources.values.cells import text_of_cell
from streams.sources.values.evidence import Unreadable
from streams.sources.values.numerals import NumberReader, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streams.sources.forms.tables import Table, TableRow
    from streams.sources.values.dates import DateReader

NUMBERS: Final = ("quantity", "unit_price", "total", "order_total", "discount")
"""Fields that hold a number."""


class WithConstants:
    """Table with constant columns added behind its own.

    Args:
        table: Rows of the file.
        constants: Field -> value in every row.
    """

    def __init__(self, table: Table, constants: Mapping[str, Any]) -> None:
        self._table, self._width = table, len(table.columns)
        self._values = tuple(constants.values())
        self.form = table.form
        self.columns = [*table.columns, *(Made("(every row)") for _ in constants)]
        self.places = {field: self._width + index for index, field in enumerate(constants)}
        """Field -> place of its constant column."""

    def __iter__(self) -> Iterator[TableRow]:
        """Yield every row. A row with a fault may have no cells."""
        if not self._values:
            return iter(self._table)
        return self._extended()

    def _extended(self) -> Iterator[TableRow]:
        for row in self._table:
            whole = len(row.cells) == self._width
            yield row._replace(cells=self.extended(row.cells)) if whole or not row.fault else row

    def __getattr__(self, name: str) -> Any:
        """Return other attributes of the table, such as the delimiter of a CSV file."""
        return getattr(self._table, name)

    def extended(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells of a row with the constants added."""
        return [*cells[: self._width], *self._values]


def constants_of(
    columns: Sequence[str], corrections: Mapping[str, str], written: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Split a person's corrections into constant values and column names.

    `--map quantity=1` sets the number where no column has the name `1`.

    Args:
        columns: Names of the file's columns.
        corrections: Field -> column name.
        written: Field -> value that a person gave for all rows.

    Returns:
        Field -> constant value, and field -> column name.

    Raises:
        ColumnsError: A field does not exist or also has a column, or a value is not of the field's kind.
    """
    named = dict(corrections)
    constants = dict(written)
    quantity = named.get("quantity", "")
    if quantity and quantity not in columns and is_number(quantity):
        constants["quantity"] = named.pop("quantity")
    values: dict[str, Any] = {}
    for field, value in constants.items():
        if field not in FIELDS:
            raise ColumnsError(f"There is no field {field!r}; the fields are {', '.join(FIELDS)}.")
        if named.get(field):
            raise ColumnsError(f"--map {field}={named[field]} and --set {field}={value} exclude each other")
        if not text_of_cell(value):
            raise ColumnsError(f"--set {field}= names no value; --map {field}= leaves a field out")
        named.pop(field, None)
        values[field] = _number(field, value) if field in NUMBERS else value.strip()
    return values, named


def check_date(value: str, dates: DateReader) -> None:
    """Refuse a constant that is no date.

    Raises:
        ColumnsError: The value cannot be read as a date.
    """
    try:
        dates.read(value)
    except Unreadable as error:
        raise ColumnsError(f"--set occurred_at={value}: {error}") from error


def check_currency(value: str, currency: str) -> None:
    """Refuse a currency other than the service's.

    Amounts are never converted.

    Raises:
        ColumnsError: The service has another currency.
    """
    if value.upper() != currency:
        raise ColumnsError(
            f"--set currency={value}: the one currency of this service is {currency} (CARTPULSE_CURRENCY); "
            "amounts in another cannot be sent to it, and none are converted"
        )


def _number(field: str, value: str) -> float:
    try:
        number = NumberReader(None, told=False).number(value.strip())
    except Unreadable as error:
        raise ColumnsError(f"--set {field}={value}: {error}") from error
    if field == "quantity" and not (number and math.isfinite(number)):
        raise ColumnsError(f"--set quantity={value}: a quantity is not 0")
    return int(number) if number.is_integer() else number
