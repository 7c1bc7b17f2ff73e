"""The first pass over a file: what it is, and how it is to be read, decided from all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from models.calendar import instant_of
from models.timestamps import LATEST_MS, text_of
from streams.sources.clocks import ClockDigits, ClockEvidence, ClockReading
from streams.sources.columns import choose
from streams.sources.constants import NUMBERS, WithConstants, check_date, constants_of
from streams.sources.counted import SerialDates, Unit, UnitEvidence, digits_of
from streams.sources.dates import Dated, DateReader, sort_of
from streams.sources.evidence import DayOrder, DecimalMark, Evidence, R, Unreadable
from streams.sources.identifiers import ID_FIELDS, DamagedIds, FloatIds, IdEvidence, IdReading
from streams.sources.lines import date_cell
from streams.sources.meaning import Seen, decide, misleading
from streams.sources.numerals import NumberReader, is_number, mark_of, signs_of
from streams.sources.opening import arranged, open_table
from streams.sources.statuses import Judge, Rules, ValueCounts
from streams.sources.tables import Delimited, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from streams.sources.forms.containers import Container
    from streams.sources.texts import Encoding

Progress = Callable[[int], None]
"""Called now and then with the number of rows read."""

REPORT_EVERY: Final = 20_000
"""Rows between two reports of progress."""

_SIGNS_SHOWN: Final = 5


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
    times: ClockDigits | None = None
    serial_dates: SerialDates | None = None
    damaged_ids: DamagedIds | None = None
    float_ids: FloatIds | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    """Field to the value that it has in all rows."""
    rules: Rules = field(default_factory=Rules)
    """Which rows are sales."""
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
    units: UnitEvidence = field(default_factory=UnitEvidence)
    """What dates count that are numbers."""
    clocks: ClockEvidence = field(default_factory=ClockEvidence)
    """Of times in a column of their own."""
    clock_reading: ClockReading = field(default_factory=ClockReading)
    signs: dict[str, int] = field(default_factory=dict)
    """How many amounts have each sign or code of a currency."""
    ids: dict[str, IdEvidence] = field(default_factory=dict)
    """By field, columns of ids."""
    id_readings: dict[str, IdReading] = field(default_factory=dict)
    """How they are read, by field."""
    undecided: tuple[str, ...] = ()
    """What a person has to say before the file can be sent, one sentence each."""
    told: Told = field(default_factory=Told)
    constants: dict[str, object] = field(default_factory=dict)
    """Field to the value that it has in all rows."""
    remarks: list[str] = field(default_factory=list)
    """What is special about columns, dates and ids, and how it is read, one sentence each."""
    values: ValueCounts = field(default_factory=lambda: ValueCounts(()))
    """Values of the columns that hold few."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Field to the column that a person or a known layout names for it."""
    status: int | None = None
    """Place of the column that a known layout has for the status of orders."""
    spoken: frozenset[int] = frozenset()
    """Places of the columns by which the layout itself leaves rows out."""
    pieces: bool = False
    """True if each row is one piece, so that rows which repeat are meant so."""
    first_alone: set[int] = field(default_factory=set)
    """Places of the marks of no sale that stand on the first line of an order alone, for all of it."""
    preset: str = ""
    """Name of the layout that the file is of; empty where none is known."""
    notes: tuple[str, ...] = ()
    """Sentences on how the rows were come by: their packing, titles above them, their layout."""

    def date_reader(self, latest: int = LATEST_MS) -> DateReader:
        """Reads the file's dates; those behind `latest` (ms) are refused."""
        return DateReader(
            self.zone,
            self.orders,
            told=_settled(self.told.dates),
            latest=latest,
            serials=self._serials,
            clocks=self.clock_reading,
        )

    @property
    def _serials(self) -> bool:
        """Whether serial dates are read: if a person said so, or if there are no other dates."""
        told = self.told.serial_dates
        return not self.units.mixed if told is None else told is SerialDates.READ

    def judge(self) -> Judge:
        """Judge which rows are sales.

        Raises:
            ColumnsError: A rule names no column.
        """
        names = self.table.columns[: len(self.table.columns) - len(self.constants)]
        return Judge(
            names,
            self.spoken.union(self.columns.values()),
            self.told.rules,
            self.values,
            numbers=self.number_reader(),
            first_alone=self.first_alone,
            status=self.status,
        )

    def number_reader(self) -> NumberReader:
        """Reads the file's numbers."""
        return NumberReader(self.decimal, told=_settled(self.told.decimal))


def survey(path: Path | Container, told: Told, zone: ZoneInfo, progress: Progress | None = None) -> Survey:
    """Read a file once from end to end and decide how to read it.

    Raises:
        FileError: It is none that can be read, or is empty.
        ColumnsError: Its columns do not say all that is needed.
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
    found.judge()
    return found


def _look_through(found: Survey, progress: Progress | None) -> Seen:
    """Gather evidence from every row."""
    width = len(found.table.columns) - len(found.constants)
    seen = Seen.of(found.table.columns[:width], found.columns)
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


def _opened(path: Path | Container, told: Told, zone: ZoneInfo, avoided: AbstractSet[int]) -> Survey:
    opened = open_table(path, told)
    if opened.holds_events(told):
        return Survey("events", opened.table, opened.encoding, {}, zone, notes=opened.notes)
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
    return Survey(
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
        spoken=layout.spoken,
        pieces=layout.pieces or "quantity" in constants,
        undecided=layout.doubts({name: columns[name] for name in columns.keys() - constants.keys()}),
    )


def _is_given(name: str, column: str, told: Told) -> bool:
    """Tell whether a correction holds: a person's does, a layout's where no constant takes its place."""
    return name in told.columns or name not in told.constants or not column


def _is_row(cells: Sequence[Any], columns: Mapping[str, int]) -> bool:
    """Whether there is a date where dates are, and a number where quantities are."""
    if "occurred_at" in columns:
        date = date_cell(cells, columns)
        day = date.day if isinstance(date, Dated) else date
        if sort_of(str(day).strip()) is None:
            return False
    return "quantity" not in columns or is_number(str(cells[columns["quantity"]]).strip())


def _note_date(found: Survey, value: object, number: int) -> None:
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


def _note_number(found: Survey, name: str, value: object, number: int) -> None:
    if not isinstance(value, str):
        return
    text = value.strip()
    matters, mark = mark_of(text)
    if matters:
        found.numbers.note(mark, text, number)
    if name != "quantity":
        for sign in signs_of(text):
            found.signs[sign] = found.signs.get(sign, 0) + 1


def _decide(found: Survey) -> None:
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


def _remarks(found: Survey) -> list[str]:
    """Say how dates that are numbers are read, times of digits alone, and signs of currencies."""
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
    """What was told, or else what the file says of itself; None where neither settles it."""
    if told is None:
        return evidence.verdict()
    return told if _settled(told) else None


def _settled(told: DayOrder | DecimalMark | None) -> bool:
    return told is not None and told.value != "clear-only"
