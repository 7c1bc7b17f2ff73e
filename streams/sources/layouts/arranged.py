"""Rows of a known layout, made like those of other layouts: gaps filled, units and constants as columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streams.sources.columns import Made
from streams.sources.forms.tables import NO_ROW, TableRow
from streams.sources.layouts.families import Families, families_of
from streams.sources.layouts.preset import plain
from streams.sources.layouts.zones import in_zone
from streams.sources.values.cells import text_of_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.sources.forms.tables import Table
    from streams.sources.layouts.preset import Preset

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERED: Final = {"us": timedelta(microseconds=1), "ms": timedelta(milliseconds=1)}
_MINOR_DIGITS: Final = 2
"""Decimals of an amount in minor units where the row names no currency."""


class Arranged:
    """Table with a layout applied.

    Derived columns stand behind the file's own: `quantity = 1`, or `Lineitem sku, else Lineitem name`.

    Args:
        table: Rows as the file has them.
        preset: Layout of the file.
        corrected: Fields whose column a person has named.
    """

    def __init__(self, table: Table, preset: Preset, corrected: Sequence[str] = ()) -> None:
        self.table, self.preset = table, preset
        self.columns = list(table.columns)
        self._width = len(table.columns)
        self._places = {plain(name): place for place, name in reversed(list(enumerate(table.columns)))}
        self._steps: list[Callable[[list[Any]], None]] = []
        self._filters: list[Callable[[Sequence[Any]], str]] = []
        self.fields: dict[str, str] = {}
        """Field -> column of the layout; an empty name leaves a field out."""
        self._filling = self._fill_of(preset)
        self._families = self._families_of(preset)
        self._note_purchases()
        fields = {**preset.columns, **dict.fromkeys(preset.constants, "")}
        for field, names in fields.items():
            if field not in corrected:
                self.fields[field] = self._column(field, (names,) if isinstance(names, str) else names)

    @property
    def form(self) -> str:
        """Form of the file, for people."""
        return self.table.form

    @property
    def changes(self) -> bool:
        """True if the rows differ from those of the file."""
        return bool(self._steps or self._filters or self._filling or self._families)

    @property
    def delimiter(self) -> str | None:
        """Delimiter of the file; None where it has none."""
        return getattr(self.table, "delimiter", None)

    @property
    def guarded(self) -> str:
        """First cell that is guarded against spreadsheets; empty where there is none."""
        return getattr(self.table, "guarded", "")

    def __iter__(self) -> Iterator[TableRow]:
        """Yield every row. A row that is no purchase in its layout has a fault."""
        fill = None if self._filling is None else _Fill(*self._filling)
        rows = (
            ((row, "") for row in self.table) if self._families is None else self._families.rows(self.table)
        )
        for row, part in rows:
            if row.fault.startswith(NO_ROW):
                yield row
                continue
            if row.fault and len(row.cells) != self._width:
                if fill is not None:
                    fill.lose(row.number)
                yield row
                continue
            cells = list(row.cells[: self._width])  # empty cells may stand behind the last column
            lost = "" if fill is None else fill.complete(cells, row)
            fault = part or next((why for only in self._filters if (why := only(cells))), "")
            if not fault:
                for step in self._steps:
                    step(cells)
            yield TableRow(row.number, cells, row.text, fault or row.fault or lost)

    def _column(self, field: str, names: Sequence[str]) -> str:
        """Return the column of a field; derive one where no single column of the file holds the field."""
        preset = self.preset
        if field in preset.constants:
            value = preset.constants[field]
            return self._made(f"{field} = {value}", lambda _: value)
        present = [self._places[plain(name)] for name in names if plain(name) in self._places]
        present = [place for number, place in enumerate(present) if place not in present[:number]]
        if not present:
            return ""
        column = self.columns[present[0]]
        if len(present) > 1:
            places = tuple(present)
            column = self._made(
                ", else ".join(self.columns[place] for place in places), lambda cells: _first(cells, places)
            )
        if field == "time" and plain(preset.zone) in self._places:
            place, zone = self.columns.index(column), self._places[plain(preset.zone)]
            return self._made(
                f"{column} in {self.columns[zone]}",
                lambda cells: in_zone(cells[place], text_of_cell(cells[zone])),
            )
        if field == "occurred_at" and preset.moments:
            place, moment = self.columns.index(column), _moments(preset.moments)
            return self._made(f"{column} ({preset.moments})", lambda cells: moment(cells[place]))
        if field in preset.minor_units:
            place, digits = self.columns.index(column), self._digits()
            return self._made(f"{column} (minor units)", lambda cells: _major(cells[place], digits(cells)))
        return column

    def _made(self, name: str, value: Callable[[list[Any]], Any]) -> str:
        def step(cells: list[Any]) -> None:
            cells.append(value(cells))

        self.columns.append(Made(name))
        self._steps.append(step)
        return name

    def _digits(self) -> Callable[[list[Any]], int]:
        """Return a function that counts the decimals of a row's currency."""
        named = self.preset.columns.get("currency", "")
        place = self._places.get(plain(named)) if isinstance(named, str) else None
        return lambda cells: _decimals("" if place is None else text_of_cell(cells[place]).upper())

    def _fill_of(self, preset: Preset) -> tuple[int, list[int], list[int], int | None] | None:
        """Return the arguments of `_Fill`; None where nothing is to be filled."""
        within = self._places.get(plain(preset.within))
        places = [self._places[plain(name)] for name in preset.fill if plain(name) in self._places]
        if within is None or not places:
            return None
        given = [preset.columns.get(field, ()) for field in ("customer_id", "occurred_at")]
        names = [name for each in given for name in ((each,) if isinstance(each, str) else each)]
        own = [place for name in names if (place := self._places.get(plain(name))) in places]
        status = self._places.get(plain(preset.status or ""))
        return (
            within,
            places,
            [place for place in own if place is not None],
            (status if status in places else None),
        )

    def _families_of(self, preset: Preset) -> Families | None:
        family = preset.family
        if family is None:
            return None
        names = (preset.within, family.item, family.parent, family.kind, family.price)
        return families_of(names, lambda name: self._places.get(plain(name)))

    def _note_purchases(self) -> None:
        for name, values in self.preset.purchases.items():
            place = self._places.get(plain(name))
            if place is not None:
                self._filters.append(_only(place, name, values))


class _Fill:
    """Filling of an order's lines with values that stand on its first line alone; one object for each pass.

    The lines of an order stand one below the other and have its number. A line with another customer or time
    than the line above begins another order, because tills use numbers again.

    Args:
        order: Place of the order's number.
        places: Places to be filled.
        own: Those of `places` that distinguish two orders of one number.
        status: Place in `places` of the order's status; None without one.
    """

    def __init__(self, order: int, places: list[int], own: list[int], status: int | None) -> None:
        self._order, self._places, self._own, self._status = order, places, own, status
        self._held: dict[int, Any] = {}
        """Place -> the order's value; empty before the first order."""
        self._number: Any = None
        self._lost = 0
        """Number of the line above that could not be read and may have begun an order; 0 if there is none."""
        self._why = ""
        """Fault of the order's lines without a status, where the status stood in unreadable text."""

    def lose(self, number: int) -> None:
        """Store the number of a line whose cells cannot be assigned to columns."""
        self._lost = number

    def complete(self, cells: list[Any], row: TableRow) -> str:
        """Fill the gaps of a line.

        Returns:
            Reason why the line cannot be taken; empty if it can.
        """
        if self._begins(cells):
            # Text with lost letters or a stray quotation mark is not copied to other lines, as if it were a
            # name.
            self._held = {
                place: "" if row.fault and _is_damaged(cells[place]) else cells[place]
                for place in self._places
            }
            self._number = cells[self._order]
            self._why = self._without_status(cells, row)
            self._lost = 0
        else:
            for place, value in self._held.items():
                if cells[place] is None or cells[place] == "":
                    cells[place] = value
        return "" if self._status is None or text_of_cell(cells[self._status]) else self._why

    def _begins(self, cells: list[Any]) -> bool:
        """Return True if a line is the first of an order."""
        if not text_of_cell(cells[self._order]) or self._number != cells[self._order] or not self._held:
            return True
        return any(
            (said := text_of_cell(cells[place])) and said != text_of_cell(self._held[place])
            for place in self._own
        )

    def _without_status(self, cells: list[Any], row: TableRow) -> str:
        """Return the fault of an order whose status may be lost; empty if it is not."""
        if self._status is None or text_of_cell(self._held[self._status]):
            return ""
        damaged = row.fault and _is_damaged(cells[self._status])
        line = row.number if damaged else self._lost
        return f"has no status, and line {line}, which may say it, cannot be read" if line else ""


def _is_damaged(cell: Any) -> bool:
    return isinstance(cell, str) and any(mark in cell for mark in '\\"\ufffd')


def _only(place: int, name: str, values: tuple[str, ...]) -> Callable[[Sequence[Any]], str]:
    def only(cells: Sequence[Any]) -> str:
        said = text_of_cell(cells[place])
        return "" if said.lower() in values else f"is no purchase: {name} is {said!r}"

    return only


def _first(cells: list[Any], places: Sequence[int]) -> Any:
    for place in places:
        if text_of_cell(cells[place]):
            return cells[place]
    return cells[places[0]]


def _moments(written: str) -> Callable[[Any], Any]:
    """Make a function that reads moments of one written form. The function returns other values unchanged."""
    if unit := _NUMBERED.get(written):
        return lambda value: _since_1970(value, unit)
    if written == "utc":
        return _in_utc
    formats = written.split("|")
    return lru_cache(maxsize=1 << 14)(lambda value: _formatted(value, formats))


def _since_1970(value: Any, unit: timedelta) -> Any:
    try:
        return _EPOCH + int(text_of_cell(value)) * unit
    except (ValueError, OverflowError):
        return value


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    text = text_of_cell(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _formatted(value: Any, formats: Sequence[str]) -> Any:
    for each in formats:
        try:
            moment = datetime.strptime(text_of_cell(value), each)  # noqa: DTZ007 - local, as the file has it
        except ValueError:
            continue
        return f"{moment:%Y-%m-%d %H:%M:%S}" if "%M" in each else f"{moment:%Y-%m-%d}"
    return value


def _major(value: Any, decimals: int) -> Any:
    """Convert an amount to the currency's main unit.

    A value that is no whole number is returned unchanged.
    """
    try:
        amount = Decimal(text_of_cell(value))
    except InvalidOperation:
        return value
    return amount.scaleb(-decimals) if amount == amount.to_integral_value() else value


@lru_cache(maxsize=256)
def _decimals(currency: str) -> int:
    if not currency:
        return _MINOR_DIGITS
    from babel.numbers import get_currency_precision  # noqa: PLC0415 - takes 0.1 s, which few files need

    return get_currency_precision(currency)
