"""Rows of a known layout, put as the other layouts have them: gaps filled, units and constants as columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streams.sources.cells import text_of_cell
from streams.sources.layouts.preset import plain
from streams.sources.tables import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.sources.layouts.preset import Preset
    from streams.sources.tables import Table

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
        self._places = {plain(name): place for place, name in reversed(list(enumerate(table.columns)))}
        self._steps: list[Callable[[list[Any]], str]] = []
        self._filters: list[Callable[[Sequence[Any]], str]] = []
        self.fields: dict[str, str] = {}
        """Field to column, as the preset has them; an empty name leaves a field out."""
        self._note_fill()
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
        return bool(self._steps)

    @property
    def delimiter(self) -> str | None:
        """Delimiter of the file, where it has one."""
        return getattr(self.table, "delimiter", None)

    def __iter__(self) -> Iterator[Row]:
        """Every row; one that is no purchase by its layout has a fault."""
        for row in self.table:
            if row.fault:
                fault = next((why for only in self._filters if row.cells and (why := only(row.cells))), "")
                yield row._replace(fault=fault or row.fault)
                continue
            cells = list(row.cells)
            fault = ""
            for step in self._steps:
                fault = fault or step(cells)
            yield Row(row.number, cells, row.text, fault)

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
        if field == "occurred_at" and preset.moments:
            place, moment = self.columns.index(column), _moments(preset.moments)
            return self._made(f"{column} ({preset.moments})", lambda cells: moment(cells[place]))
        if field in preset.minor_units:
            place, digits = self.columns.index(column), self._digits()
            return self._made(f"{column} (minor units)", lambda cells: _major(cells[place], digits(cells)))
        return column

    def _made(self, name: str, value: Callable[[list[Any]], Any]) -> str:
        def step(cells: list[Any]) -> str:
            cells.append(value(cells))
            return ""

        self.columns.append(name)
        self._steps.append(step)
        return name

    def _digits(self) -> Callable[[list[Any]], int]:
        """Count the decimals of the currency of a row."""
        named = self.preset.columns.get("currency", "")
        place = self._places.get(plain(named)) if isinstance(named, str) else None
        return lambda cells: _decimals("" if place is None else text_of_cell(cells[place]).upper())

    def _note_fill(self) -> None:
        within = self._places.get(plain(self.preset.within))
        places = [self._places[plain(name)] for name in self.preset.fill if plain(name) in self._places]
        if within is None or not places:
            return
        order = within
        held: dict[str, Any] = {}

        def fill(cells: list[Any]) -> str:
            if not text_of_cell(cells[order]) or held.get("order") != cells[order]:
                held.clear()
                held["order"] = cells[order]
                held["values"] = [cells[place] for place in places]
                return ""
            for number, place in enumerate(places):
                if cells[place] is None or cells[place] == "":
                    cells[place] = held["values"][number]
            return ""

        self._steps.append(fill)

    def _note_purchases(self) -> None:
        for name, values in self.preset.purchases.items():
            place = self._places.get(plain(name))
            if place is not None:
                self._filters.append(_only(place, name, values))
        self._steps += self._filters


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
