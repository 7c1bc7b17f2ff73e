"""Opening of a file of rows in any form and layout, with sentences about how the rows were obtained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from streams.sources.columns import ColumnsError
from streams.sources.forms.containers import container_of
from streams.sources.forms.json_rows import JsonRows
from streams.sources.forms.nested import LIST, OF_LINES, guessed
from streams.sources.forms.nested_parquet import NestedParquet, is_nested
from streams.sources.forms.parquet import Parquet
from streams.sources.forms.records import Records
from streams.sources.forms.tables import Delimited, FileError, Table
from streams.sources.forms.texts import Encoding, examine
from streams.sources.layouts import NO_PRESET, PRESETS, Arranged, recognise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from streams.sources.files.survey import FileOptions
    from streams.sources.forms.containers import Container
    from streams.sources.layouts import Preset

EVENT_FIELDS: Final = frozenset({"event_id", "customer_id", "occurred_at", "items"})
"""Names that mark an object as an event of the input contract."""

ITEMS: Final = "items"
"""Name for `--map` of the list that holds the lines of an order."""

_OF_THE_LAYOUT: Final = (
    *("customer_id", "occurred_at", "time", "basket_id", "product_id"),
    *("quantity", "unit_price", "total", "discount"),
)
"""Fields that only a known layout decides. Other fields, such as a category that a shop has added, are still
guessed by their names where the layout has none."""
_START: Final = 4096
_ARRAY: Final = re.compile(r"\[\s*[\[{\]]")
_COMPARED: Final = 2_000
"""Rows in which two columns of one name are compared."""
_TITLE_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Opened:
    """Opened file of rows."""

    table: Table
    encoding: Encoding
    notes: tuple[str, ...] = ()
    """Sentences about how the rows were obtained."""

    def holds_events(self, told: FileOptions) -> bool:
        """Return True if the rows are events of the input contract.

        Raises:
            FileError: The rows are events, and a person names columns.
        """
        if not isinstance(self.table, JsonRows) or not set(self.table.columns) >= EVENT_FIELDS:
            return False
        if told.columns or told.constants or told.rules:
            raise FileError(
                f"{self.table.shown} holds events of the contract, which are sent as they are: no --map, "
                "--set, --only or --without changes them"
            )
        return True


@dataclass(frozen=True, slots=True)
class Layout:
    """Table, and the columns that its layout or a person has named."""

    table: Table
    corrections: Mapping[str, str]
    """Field -> column, named by a person or a layout; an empty name leaves the field out."""
    preset: str
    """Name of the layout; empty where none is recognised."""
    notes: tuple[str, ...]
    told: frozenset[str]
    """Fields that a person has named."""
    status: int | None = None
    """Place of the layout's column for the status of orders."""
    sales: tuple[str, ...] = ()
    """Statuses that mean a sale in this layout, in lower case, whatever they mean elsewhere."""
    spoken: frozenset[int] = frozenset()
    """Places of the columns by which the layout itself leaves out rows that are no purchase."""
    pieces: bool = False
    """True if each row of the layout is one piece."""

    def doubts(self, columns: Mapping[str, int]) -> tuple[str, ...]:
        """Return a question for each pair of columns that share a name and differ."""
        if not isinstance(self.table, Delimited):
            return ()
        names = self.table.columns
        twins = {
            field: names.index(f"{names[place]} (2)")
            for field, place in columns.items()
            if f"{names[place]} (2)" in names and field not in self.told
        }
        asked = []
        for name, other in twins.items():
            place = columns[name]
            for row in islice(self.table, _COMPARED):
                if not row.fault and row.cells[place] != row.cells[other]:
                    asked.append(
                        f"Two columns are called {names[place]!r} and differ, first in line {row.number}: "
                        f"--map {name}={names[place]!r} takes the first, {names[other]!r} is the second."
                    )
                    break
        return tuple(asked)


def open_table(path: Path | Container, told: FileOptions) -> Opened:
    """Open a file of rows in any form. Its first bytes decide the form, never its name.

    Args:
        path: File of purchases.
        told: Options that a person gave for the file.

    Raises:
        FileError: The file has no form that can be read, or is empty.
    """
    source = container_of(path)
    notes = [source.sentence] if source.sentence else []
    with source.open() as file:
        start = file.read(_START)
    if start.startswith(b"PAR1"):
        own = Encoding("Parquet", "its own", digest=_digest(source))
        table: Table = NestedParquet(source.path) if is_nested(source.path) else Parquet(source.path)
        return Opened(table, own, tuple(notes))
    encoding = examine(source, told=told.encoding, fallback=told.fallback_encoding)
    text = start.decode(encoding.name, "ignore").lstrip("\ufeff\x1e, \t\r\n")
    if text.startswith("{") or _ARRAY.match(text):
        if told.skip:
            raise FileError(f"{source} is JSON: --skip leaves out lines of CSV")
        return Opened(JsonRows(source, encoding), encoding, tuple(notes))
    if text.startswith("<"):
        raise FileError(
            f"{source} holds HTML or XML, whatever its name says: export the purchases as CSV, or open it in "
            "a spreadsheet and save it as CSV (UTF-8)"
        )
    if len(start) < _START and (what := _one_value(text)):
        raise FileError(
            f"{source} is JSON and holds {what}: purchases are objects, one for each row or order"
        )
    csv = Delimited(source, encoding, delimiter=told.delimiter, header=told.header, skip=told.skip)
    if told.header and (csv.above or told.skip):
        above = ", ".join(repr(title[:_TITLE_SHOWN]) for title in csv.above[:3])
        notes.append(
            f"Line {csv.header_line} names the columns"
            + (f"; what stands above is left out: {above}. --skip says otherwise." if above else ", as told.")
        )
    return Opened(csv, encoding, tuple(notes))


def _one_value(text: str) -> str:
    """Describe a complete JSON text that holds no object; empty where the text is no JSON, as for CSV."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    if isinstance(value, list):
        return "a list without objects"
    return "one text" if isinstance(value, str) else f"nothing but {text.strip()[:_TITLE_SHOWN]}"


def arranged(opened: Opened, told: FileOptions) -> Layout:
    """Apply a layout to a table: a known one, or the one that the names of nested objects imply.

    Args:
        opened: Opened file.
        told: Options that a person gave for the file.

    Raises:
        ColumnsError: No layout has the name given, or the list of an order's lines is ambiguous.
    """
    table, notes = opened.table, list(opened.notes)
    columns = {name: column for name, column in told.columns.items() if name != ITEMS}
    # Stage 1: the list that holds an order's lines, and the layout.
    items = told.columns.get(ITEMS) or _list_around(columns.get(field, "") for field in OF_LINES)
    if told.columns.get(ITEMS) and not isinstance(table, Records):
        raise ColumnsError(
            f"--map {ITEMS}= names the list of an order's lines, and this file holds no lists."
        )
    preset = _preset(table, told, items)
    named = frozenset(columns)
    # Stage 2: one row for each element of the list.
    if isinstance(table, Records) and table.paths.is_nested:
        if preset is not None:
            table.spread(items or preset.items, _through_lists(table, preset))
        else:
            table.spread(items or table.paths.items())
        if table.items:
            notes.append(f"Each element of {table.items} is a row, with the order's fields repeated.")
    # Stage 3, without a known layout: columns are guessed by their paths, and a person's names go first.
    if preset is None:
        nested = isinstance(table, Records) and table.paths.is_nested
        guesses = guessed(table.columns, getattr(table, "items", "")) if nested else {}
        return Layout(table, guesses | columns, "", tuple(notes), named)
    # Stage 4, with a known layout: its columns, its derived columns, and its rules.
    whole = Arranged(table, preset, tuple(columns))
    how = (
        "as told" if told.preset else f"known by its columns; --preset {NO_PRESET} goes by their names alone"
    )
    notes.append(f"Layout: {preset.title} ({preset.name}), {how}.")
    fields = {name: column for name, column in whole.fields.items() if column or name in _OF_THE_LAYOUT}
    corrections = dict.fromkeys(_OF_THE_LAYOUT, "") | fields | columns
    taken: Table = whole if whole.changes else table
    status = taken.columns.index(preset.status) if preset.status in taken.columns else None
    spoken = frozenset(taken.columns.index(name) for name in preset.purchases if name in taken.columns)
    pieces = "quantity" in preset.constants
    return Layout(
        taken,
        corrections,
        preset.name,
        tuple(notes),
        named,
        status=status,
        sales=preset.sales,
        spoken=spoken,
        pieces=pieces,
    )


def _preset(table: Table, told: FileOptions, items: str) -> Preset | None:
    if told.preset == NO_PRESET:
        return None
    if told.preset is not None:
        if told.preset not in PRESETS:
            raise ColumnsError(
                f"There is no layout {told.preset!r}: `cartpulse produce --presets` lists those known."
            )
        return PRESETS[told.preset]
    names = [*table.paths.columns, *table.paths.lists] if isinstance(table, Records) else table.columns
    found = recognise(names)
    return None if found is not None and items and found.items != items else found


def _list_around(columns: Iterable[str]) -> str:
    """Return the list in which columns such as `lineItems[].sku` lie; empty where none lies in a list."""
    paths = [column for column in columns if LIST in column]
    return max((path[: path.rindex(LIST) + len(LIST)] for path in paths), key=len, default="")


def _through_lists(table: Records, preset: Preset) -> list[str]:
    """List paths of a layout that lead through a list that is not spread.

    The one element of such a list counts.
    """
    lists = tuple(f"{path.removesuffix(LIST)}." for path in table.paths.lists)
    names = [
        name for given in preset.columns.values() for name in ((given,) if isinstance(given, str) else given)
    ]
    return [name for name in names if LIST not in name and name.startswith(lists)]


def _digest(source: Container) -> str:
    digest = sha256()
    with source.open() as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
