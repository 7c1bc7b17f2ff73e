"""How a file is to be read: what a person said of it, and what its rows say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.contracts.timestamps import LATEST_MS
from streams.sources.statuses.rows import Judge, Rules, ValueCounts
from streams.sources.values.counted import SerialDates, UnitEvidence
from streams.sources.values.dates import DateReader
from streams.sources.values.evidence import DayOrder, DecimalMark, Evidence
from streams.sources.values.numerals import NumberReader
from streams.sources.values.times_of_day import ClockDigits, ClockEvidence, ClockReading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from streams.sources.forms.tables import Table
    from streams.sources.forms.texts import Encoding
    from streams.sources.values.identifiers import DamagedIds, FloatIds, IdEvidence, IdReading


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
    sales: tuple[str, ...] = ()
    """Statuses of sales to this layout, in lower case, whatever they mean elsewhere."""
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
            told=settled(self.told.dates),
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
            sales=self.sales,
        )

    def number_reader(self) -> NumberReader:
        """Reads the file's numbers."""
        return NumberReader(self.decimal, told=settled(self.told.decimal))


def settled(told: DayOrder | DecimalMark | None) -> bool:
    """True if a person said one way to read, and not that only clear values count."""
    return told is not None and told.value != "clear-only"
