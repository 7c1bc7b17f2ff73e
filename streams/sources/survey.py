"""The first pass over a file: what it is, and how it is to be read, decided from all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from models.timestamps import LATEST_MS
from streams.sources.columns import choose
from streams.sources.dates import CLEAR, DateReader, sort_of
from streams.sources.evidence import DayOrder, DecimalMark, Evidence, R
from streams.sources.lines import date_cell
from streams.sources.numerals import NumberReader, is_number, mark_of
from streams.sources.opening import arranged, open_table
from streams.sources.tables import Delimited, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from streams.sources.forms.containers import Container
    from streams.sources.texts import Encoding

Progress = Callable[[int], None]
"""Called now and then with the number of rows read."""

REPORT_EVERY: Final = 20_000
"""Rows between two reports of progress."""

_NUMBERS: Final = ("quantity", "unit_price", "total", "discount")


@dataclass(frozen=True, slots=True)
class Told:
    """What a person has said of a file; the rest is found out."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Field to column name; an empty name leaves the field out. `items` is the list of an order's lines."""
    dates: DayOrder | None = None
    decimal: DecimalMark | None = None
    encoding: str | None = None
    fallback_encoding: str | None = None
    """In which lines are read that are not in the file's encoding."""
    delimiter: str | None = None
    header: bool = True
    skip: int = 0
    """Lines at the top of a CSV file to leave out; 0 finds the columns' names."""
    preset: str | None = None
    """Name of the file's layout, or `none`; None finds out."""


@dataclass(slots=True)
class Survey:
    """What a file is."""

    form: str
    """`CSV`, `JSON lines`, `JSON`, `Parquet` or `events`."""
    table: Table
    encoding: Encoding
    columns: dict[str, int]
    """Field to the place of its column; empty for events."""
    zone: ZoneInfo
    rows: int = 0
    dates: dict[str, Evidence[DayOrder]] = field(default_factory=dict)
    """By the mark between their digits, those that end in their year."""
    numbers: Evidence[DecimalMark] = field(default_factory=Evidence)
    orders: dict[str, DayOrder | None] = field(default_factory=dict)
    """How such dates are read, by mark."""
    decimal: DecimalMark | None = None
    """How numbers are read; None where nothing depends on it, or nobody has said."""
    undecided: tuple[str, ...] = ()
    """What a person has to say before the file can be sent, one sentence each."""
    told: Told = field(default_factory=Told)
    preset: str = ""
    """Name of the layout that the file is of; empty where none is known."""
    notes: tuple[str, ...] = ()
    """Sentences on how the rows were come by: their packing, titles above them, their layout."""

    def date_reader(self, latest: int = LATEST_MS) -> DateReader:
        """Reads the file's dates; those behind `latest` (ms) are refused."""
        return DateReader(self.zone, self.orders, told=_settled(self.told.dates), latest=latest)

    def number_reader(self) -> NumberReader:
        """Reads the file's numbers."""
        return NumberReader(self.decimal, told=_settled(self.told.decimal))


def survey(path: Path | Container, told: Told, zone: ZoneInfo, progress: Progress | None = None) -> Survey:
    """Read a file once from end to end and decide how to read it.

    Raises:
        FileError: It is none that can be read, or is empty.
        ColumnsError: Its columns do not say all that is needed.
    """
    found = _opened(path, told, zone)
    found.told = told
    if found.form == "events":
        return found
    for row in found.table:
        found.rows += 1
        if not row.fault:
            _note_date(found, date_cell(row.cells, found.columns), row.number)
            for name in _NUMBERS:
                if name in found.columns:
                    _note_number(found, row.cells[found.columns[name]], row.number)
        if progress is not None and found.rows % REPORT_EVERY == 0:
            progress(found.rows)
    _decide(found)
    return found


def _opened(path: Path | Container, told: Told, zone: ZoneInfo) -> Survey:
    opened = open_table(path, told)
    if opened.holds_events(told):
        return Survey("events", opened.table, opened.encoding, {}, zone, notes=opened.notes)
    found = arranged(opened, told)
    columns = choose(found.table.columns, found.corrections)
    if isinstance(opened.table, Delimited):
        own = {name: place for name, place in columns.items() if place < len(opened.table.columns)}
        opened.table.keys = frozenset(own[name] for name in ("basket_id", "occurred_at") if name in own)
        opened.table.plausible = lambda cells: _is_row(cells, own)
    form = opened.table.form
    return Survey(
        form,
        found.table,
        opened.encoding,
        columns,
        zone,
        preset=found.preset,
        notes=found.notes,
        undecided=found.doubts(columns),
    )


def _is_row(cells: Sequence[str], columns: Mapping[str, int]) -> bool:
    """Whether there is a date where dates are, and a number where quantities are."""
    if "occurred_at" in columns and sort_of(date_cell(cells, columns).strip()) is None:
        return False
    return "quantity" not in columns or is_number(cells[columns["quantity"]].strip())


def _note_date(found: Survey, value: object, number: int) -> None:
    if not isinstance(value, str):
        return
    sort = sort_of(value)
    if sort is not None and sort is not CLEAR:
        found.dates.setdefault(sort.mark, Evidence()).note(sort.order, value, number)


def _note_number(found: Survey, value: object, number: int) -> None:
    if not isinstance(value, str):
        return
    text = value.strip()
    matters, mark = mark_of(text)
    if matters:
        found.numbers.note(mark, text, number)


def _decide(found: Survey) -> None:
    told, undecided = found.told, []
    for mark, evidence in found.dates.items():
        found.orders[mark] = _settle(told.dates, evidence)
        if told.dates is None and evidence.undecided:
            undecided.append(f"Dates with {mark!r}: {evidence.sentence('--dates')}")
    found.decimal = _settle(told.decimal, found.numbers)
    if told.decimal is None and found.numbers.undecided:
        undecided.append(f"Numbers: {found.numbers.sentence('--decimal')}")
    found.undecided += tuple(undecided)


def _settle(told: R | None, evidence: Evidence[R]) -> R | None:
    """What was told, or else what the file says of itself; None where neither settles it."""
    if told is None:
        return evidence.verdict()
    return told if _settled(told) else None


def _settled(told: DayOrder | DecimalMark | None) -> bool:
    return told is not None and told.value != "clear-only"
