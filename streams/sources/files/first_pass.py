"""First pass over a file: its form, its columns and the reading of its values, decided from all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from models.contracts.timestamps import instant_of, text_of
from streams.sources.columns import choose
from streams.sources.files.constants import NUMBERS, WithConstants, check_date, constants_of
from streams.sources.files.meaning import ColumnValues, decide, misleading
from streams.sources.files.opening import arranged, open_table
from streams.sources.files.survey import FileOptions, FileSurvey, settled
from streams.sources.forms.tables import Delimited
from streams.sources.values.cells import date_cell
from streams.sources.values.counted import Unit, digits_of
from streams.sources.values.dates import Dated, DateReader, sort_of
from streams.sources.values.evidence import Evidence, R, Unreadable
from streams.sources.values.identifiers import ID_FIELDS, IdEvidence
from streams.sources.values.numerals import is_number, mark_of, signs_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from streams.sources.forms.containers import Container

RowsRead = Callable[[int], None]
"""Function called now and then with the number of rows read."""

REPORT_EVERY: Final = 20_000
"""Rows between two reports of progress."""

_SIGNS_SHOWN: Final = 5


def survey(
    path: Path | Container, told: FileOptions, zone: ZoneInfo, progress: RowsRead | None = None
) -> FileSurvey:
    """Read a file once from end to end and decide how to read it.

    A column that turns out to mislead by its name is not guessed again, and the file is read once more.

    Args:
        path: File of purchases.
        told: Options that a person gave for the file.
        zone: Time zone of times written without an offset.
        progress: Called now and then with the number of rows read.

    Raises:
        FileError: The file has no form that can be read, or is empty.
        ColumnsError: The columns lack a needed field.
    """
    avoided: dict[int, str] = {}
    while True:
        found = _opened(path, told, zone, avoided.keys())
        found.told = told
        if found.form == "events":
            return found
        seen = _look_through(found, progress)
        more = misleading(found.table.columns, found.columns, found.named, seen, avoided)
        if not more:
            break
        avoided |= more
    found.remarks = [why for why in avoided.values() if why]
    _decide(found)
    decide(found, seen)
    if guarded := getattr(found.table, "guarded", ""):
        found.remarks.append(
            f"Cells such as {guarded}, by which spreadsheets take a number for a text, are read as that text."
        )
    found.judge()
    return found


def _look_through(found: FileSurvey, progress: RowsRead | None) -> ColumnValues:
    """Gather evidence from every row."""
    width = len(found.table.columns) - len(found.constants)
    seen = ColumnValues.of(found.table.columns[:width], found.columns)
    found.values = seen.values
    numbers = [(name, found.columns[name]) for name in NUMBERS if name in found.columns]
    found.clocks.told = found.told.times
    found.ids = {name: IdEvidence() for name in ID_FIELDS if name in found.columns}
    ids = [(found.columns[name], evidence) for name, evidence in found.ids.items()]
    for row in found.table:
        found.rows += 1
        if not row.fault:
            _note_date(found, date_cell(row.cells, found.columns), row.number)
            for place, evidence in ids:
                evidence.note(row.cells[place], row.number)
            for name, place in numbers:
                _note_number(found, name, row.cells[place], row.number)
            seen.note(row.cells)
        if progress is not None and found.rows % REPORT_EVERY == 0:
            progress(found.rows)
    seen.orders.finish()
    return seen


def _opened(
    path: Path | Container, told: FileOptions, zone: ZoneInfo, avoided: AbstractSet[int]
) -> FileSurvey:
    opened = open_table(path, told)
    if opened.holds_events(told):
        return FileSurvey("events", opened.table, opened.encoding, {}, zone, notes=opened.notes)
    layout = arranged(opened, told)
    given = {name: column for name, column in layout.corrections.items() if _is_given(name, column, told)}
    constants, named = constants_of(layout.table.columns, given, told.constants)
    if "occurred_at" in constants:
        check_date(constants["occurred_at"], DateReader(zone, {}, told=False))
    columns = choose(layout.table.columns, named, constant=constants, avoided=avoided)
    whole = WithConstants(layout.table, constants)
    columns |= whole.places
    if isinstance(opened.table, Delimited):
        own = {name: place for name, place in columns.items() if place < len(opened.table.columns)}
        opened.table.keys = frozenset(own[name] for name in ("basket_id", "occurred_at") if name in own)
        opened.table.plausible = lambda cells: _is_row(cells, own)
    return FileSurvey(
        opened.table.form,
        whole,
        opened.encoding,
        columns,
        zone,
        constants=constants,
        preset=layout.preset,
        notes=layout.notes,
        named=layout.corrections if layout.preset else told.columns,
        status=layout.status,
        sales=layout.sales,
        spoken=layout.spoken,
        pieces=layout.pieces or "quantity" in constants,
        undecided=layout.doubts({name: columns[name] for name in columns.keys() - constants.keys()}),
    )


def _is_given(name: str, column: str, told: FileOptions) -> bool:
    """Return True if a correction holds: a person's always does, a layout's unless a constant replaces it."""
    return name in told.columns or name not in told.constants or not column


def _is_row(cells: Sequence[Any], columns: Mapping[str, int]) -> bool:
    """Return True if a date stands where dates are, and a number where quantities are."""
    if "occurred_at" in columns:
        date = date_cell(cells, columns)
        day = date.day if isinstance(date, Dated) else date
        if sort_of(str(day).strip()) is None:
            return False
    return "quantity" not in columns or is_number(str(cells[columns["quantity"]]).strip())


def _note_date(found: FileSurvey, value: object, number: int) -> None:
    if isinstance(value, Dated):
        found.clocks.note(value.clock, number)
        value = value.day
    text = value if isinstance(value, str) else digits_of(value)
    sort = None if text is None else sort_of(text)
    if text is None or sort is None:
        return
    found.units.note(sort.unit, text, number)
    if sort.mark:
        found.dates.setdefault(sort.mark, Evidence()).note(sort.order, text, number)


def _note_number(found: FileSurvey, name: str, value: object, number: int) -> None:
    if not isinstance(value, str):
        return
    text = value.strip()
    matters, mark = mark_of(text)
    if matters:
        found.numbers.note(mark, text, number)
    if name != "quantity":
        for sign in signs_of(text):
            found.signs[sign] = found.signs.get(sign, 0) + 1


def _decide(found: FileSurvey) -> None:
    told, undecided = found.told, []
    for mark, evidence in found.dates.items():
        found.orders[mark] = _settle(told.dates, evidence)
        if told.dates is None and evidence.undecided:
            undecided.append(f"Dates with {mark!r}: {evidence.sentence('--dates')}")
    found.decimal = _settle(told.decimal, found.numbers)
    if told.decimal is None and found.numbers.undecided:
        undecided.append(f"Numbers: {found.numbers.sentence('--decimal')}")
    if question := found.units.question(told.serial_dates):
        undecided.append(question)
    found.clock_reading, question = found.clocks.decide()
    undecided += [question] if question else []
    remarks = _remarks(found)
    for name, ids in found.ids.items():
        column = found.table.columns[found.columns[name]]
        found.id_readings[name] = reading = ids.reading(told.damaged_ids, told.float_ids)
        undecided += ids.questions(column, reading)
        remarks += ids.remarks(column, reading)
    found.undecided += tuple(undecided)
    found.remarks += remarks


def _remarks(found: FileSurvey) -> list[str]:
    """Describe how numeric dates, times written as bare digits and signs of currencies are read."""
    said = []
    reader = found.date_reader()
    for unit, seen in found.units.first.items():
        if unit is None:
            continue
        try:
            read = text_of(instant_of(reader.read(seen.text)))
        except Unreadable:
            continue
        since = (
            "1970"
            if unit is not Unit.DAYS
            else "30 December 1899, as spreadsheets keep them (not the 1904 system)"
        )
        said.append(f"{found.units.counts[unit]:,} dates count {unit} since {since}: {seen.text} is {read}.")
    said += found.clocks.remarks(found.clock_reading)
    if found.signs:
        signs = ", ".join(f"{sign!r} ({count:,})" for sign, count in list(found.signs.items())[:_SIGNS_SHOWN])
        said.append(f"Amounts are written with {signs}; another currency than the service's is refused.")
    return said


def _settle(told: R | None, evidence: Evidence[R]) -> R | None:
    """Return the reading that a person chose, or else the one that the values prove; None without either."""
    if told is None:
        return evidence.verdict()
    return told if settled(told) else None
