"""Survey of a file: the options that a person gave for it, and the evidence of its rows."""

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
class FileOptions:
    """Options that a person gave for a file. Everything else is found out from the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Field -> column name; an empty name leaves the field out. `items` is the list of an order's lines."""
    dates: DayOrder | None = None
    decimal: DecimalMark | None = None
    encoding: str | None = None
    fallback_encoding: str | None = None
    """Encoding of lines that are not in the file's encoding; None refuses them."""
    delimiter: str | None = None
    header: bool = True
    times: ClockDigits | None = None
    serial_dates: SerialDates | None = None
    damaged_ids: DamagedIds | None = None
    float_ids: FloatIds | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    """Field -> value in all rows."""
    rules: Rules = field(default_factory=Rules)
    """Rules about which rows are sales."""
    skip: int = 0
    """Lines at the top of a CSV file to leave out; 0 finds the columns' names."""
    preset: str | None = None
    """Name of the file's layout, or `none`; None recognises it."""


@dataclass(slots=True)
class FileSurvey:
    """Properties of a file."""

    form: str
    """Form: `CSV`, `JSON lines`, `JSON`, `Parquet` or `events`."""
    table: Table
    encoding: Encoding
    columns: dict[str, int]
    """Field -> place of its column; empty for events."""
    zone: ZoneInfo
    rows: int = 0
    dates: dict[str, Evidence[DayOrder]] = field(default_factory=dict)
    """Mark between the digits of dates that end in their year -> evidence about their order."""
    numbers: Evidence[DecimalMark] = field(default_factory=Evidence)
    orders: dict[str, DayOrder | None] = field(default_factory=dict)
    """Mark -> order of day and month in dates with that mark."""
    decimal: DecimalMark | None = None
    """Decimal mark of numbers; None where no number depends on it, or the file leaves it open."""
    units: UnitEvidence = field(default_factory=UnitEvidence)
    """Units in which numeric dates count."""
    clocks: ClockEvidence = field(default_factory=ClockEvidence)
    """Evidence about times in a column of their own."""
    clock_reading: ClockReading = field(default_factory=ClockReading)
    signs: dict[str, int] = field(default_factory=dict)
    """Sign or code of a currency -> amounts written with it."""
    ids: dict[str, IdEvidence] = field(default_factory=dict)
    """Field -> evidence about its ids."""
    id_readings: dict[str, IdReading] = field(default_factory=dict)
    """Field -> reading of its ids."""
    undecided: tuple[str, ...] = ()
    """Questions that a person has to answer before the file can be sent, one sentence each."""
    told: FileOptions = field(default_factory=FileOptions)
    constants: dict[str, object] = field(default_factory=dict)
    """Field -> value in all rows."""
    remarks: list[str] = field(default_factory=list)
    """Peculiarities of columns, dates and ids, and how they are read, one sentence each."""
    values: ValueCounts = field(default_factory=lambda: ValueCounts(()))
    """Values of the columns that hold few different ones."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Field -> column that a person or a known layout names for it."""
    status: int | None = None
    """Place of the known layout's column for the status of orders."""
    sales: tuple[str, ...] = ()
    """Statuses that mean a sale in this layout, in lower case, whatever they mean elsewhere."""
    spoken: frozenset[int] = frozenset()
    """Places of the columns by which the layout itself leaves rows out."""
    pieces: bool = False
    """True if each row is one piece, so that repeated rows are meant."""
    first_alone: set[int] = field(default_factory=set)
    """Places of the no-sale marks that stand only on an order's first line and hold for the whole order."""
    preset: str = ""
    """Name of the file's layout; empty where none is recognised."""
    notes: tuple[str, ...] = ()
    """Sentences about how the rows were obtained: their packing, titles above them, their layout."""

    def date_reader(self, latest: int = LATEST_MS) -> DateReader:
        """Make the reader of the file's dates.

        Args:
            latest: Latest event time, ms since 1970 UTC; later dates are refused.
        """
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
        """True if serial dates are read: if a person said so, or if there are no other dates."""
        told = self.told.serial_dates
        return not self.units.mixed if told is None else told is SerialDates.READ

    def judge(self) -> Judge:
        """Make the judge of which rows are sales.

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
        """Make the reader of the file's numbers."""
        return NumberReader(self.decimal, told=settled(self.told.decimal))


def settled(told: DayOrder | DecimalMark | None) -> bool:
    """Return True if a person chose one reading, and did not choose that only clear values count."""
    return told is not None and told.value != "clear-only"
