"""Rows of a known layout, put as the other layouts have them: gaps filled, units and constants as columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streams.sources.columns import Made
from streams.sources.forms.tables import NO_ROW, Row
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
    """A table that a preset applies to.

    Columns that it makes stand behind the file's own: `quantity = 1`, or `Lineitem sku, else Lineitem name`.

    Args:
        table: The rows as the file has them.
        preset: Its layout.
        corrected: Fields of which a person has said what they are.
    """

    def __init__(self, table: Table, preset: Preset, corrected: Sequence[str] = ()) -> None:
        self.table, self.preset = table, preset
        self.columns = list(table.columns)
        self._width = len(table.columns)
        self._places = {plain(name): place for place, name in reversed(list(enumerate(table.columns)))}
        self._steps: list[Callable[[list[Any]], None]] = []
        self._filters: list[Callable[[Sequence[Any]], str]] = []
        self.fields: dict[str, str] = {}
        """Field to column, as the preset has them; an empty name leaves a field out."""
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
        """Delimiter of the file, where it has one."""
        return getattr(self.table, "delimiter", None)

    @property
    def guarded(self) -> str:
        """First cell that is guarded from spreadsheets; empty where none is."""
        return getattr(self.table, "guarded", "")

    def __iter__(self) -> Iterator[Row]:
        """Every row; one that is no purchase by its layout has a fault."""
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
            yield Row(row.number, cells, row.text, fault or row.fault or lost)

    def _column(self, field: str, names: Sequence[str]) -> str:
        """The column of a field, made where the file has none that is it alone."""
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
        """Count the decimals of the currency of a row."""
        named = self.preset.columns.get("currency", "")
        place = self._places.get(plain(named)) if isinstance(named, str) else None
        return lambda cells: _decimals("" if place is None else text_of_cell(cells[place]).upper())

    def _fill_of(self, preset: Preset) -> tuple[int, list[int], list[int], int | None] | None:
        """What `_Fill` needs; None where nothing is to be filled."""
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
    """Puts what stands on the first line of an order alone into its other lines; one for each pass.

    The lines of an order lie one below the other and have its number. A line that names another customer or
    time than the one above begins another order: tills number anew.

    Args:
        order: Place of the order's number.
        places: Places of what is filled.
        own: Those of them that tell two orders of one number apart.
        status: The one of them that is the order's status, if any.
    """

    def __init__(self, order: int, places: list[int], own: list[int], status: int | None) -> None:
        self._order, self._places, self._own, self._status = order, places, own, status
        self._held: dict[int, Any] = {}
        """The order's values by place; empty at first."""
        self._number: Any = None
        self._lost = 0
        """Line above that cannot be read, and may have begun an order; 0 if there is none."""
        self._why = ""
        """Fault of the order's lines that have no status: it stood where nobody can read it."""

    def lose(self, number: int) -> None:
        """Take note of a line whose cells nobody can tell."""
        self._lost = number

    def complete(self, cells: list[Any], row: Row) -> str:
        """Fill the gaps of a line; returns why it cannot be taken, empty if it can."""
        if self._begins(cells):
            # Letters that are lost, or a stray quotation mark, are no one's name.
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
        """Tell whether a line is the first of an order."""
        if not text_of_cell(cells[self._order]) or self._number != cells[self._order] or not self._held:
            return True
        return any(
            (said := text_of_cell(cells[place])) and said != text_of_cell(self._held[place])
            for place in self._own
        )

    def _without_status(self, cells: list[Any], row: Row) -> str:
        """Say that the status of an order is lost, if it may be."""
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
    """Reads moments that are written in one way; gives back what is not."""
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
    """An amount in the currency's main unit; what is no whole number is given back."""
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
