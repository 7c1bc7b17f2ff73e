"""Moments written as one number: counts since 1970, or a spreadsheet's serial dates.

The number of digits shows what a count counts. Counts of the years 2000 to 2100 have 9 or 10 digits in
seconds, 12 or 13 in milliseconds, 15 or 16 in microseconds and 18 or 19 in nanoseconds since 1970, and 5 in
days since 30 December 1899, as spreadsheets store dates. None of them can be confused with `20240201` or
`20240201081500`, which have 8, 12, 14 or 17 digits: those of 12 digits begin with 20, and milliseconds of 12
digits begin with 9.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from streams.sources.values.evidence import Example

_DIGITS: Final = re.compile(
    r"(?P<whole>[0-9]{5}|9[0-9]{8}|[0-9]{10}|9[0-9]{11}|[0-9]{13}|[0-9]{15,16}|[0-9]{18,19})"
    r"(?:[.,](?P<rest>[0-9]+))?"
)
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,](?P<rest>[0-9]+))?[eE]\+?[0-9]{1,2}")
_ENOUGH: Final = 9
"""Digits behind the point of a number with an exponent. A number with fewer may have lost seconds."""
_DOTNET: Final = re.compile(r"\\?/?(?:new )?Date\((?P<count>\d{12,13})(?:[+-]\d{4})?\)\\?/?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_0: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a local time by its nature
_DAY_MS: Final = 86_400_000
_SERIALS: Final = (36_526, 73_415)
"""Serial dates of 1 January 2000 and 31 December 2100; other numbers of five digits are no dates."""


class Unit(StrEnum):
    """Unit that a number counts."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"
    DAYS = "days"
    """Days since 30 December 1899: a spreadsheet's serial date."""


class SerialDates(StrEnum):
    """Treatment of a spreadsheet's serial dates beside dates that are written out; `--serial-dates`."""

    READ = "read"
    REFUSE = "refuse"


_UNITS: Final = {
    5: Unit.DAYS,
    **dict.fromkeys((9, 10), Unit.SECONDS),
    **dict.fromkeys((12, 13), Unit.MILLISECONDS),
    **dict.fromkeys((15, 16), Unit.MICROSECONDS),
    **dict.fromkeys((18, 19), Unit.NANOSECONDS),
}
"""Digits of the whole number -> unit."""
_PER_MS: Final = {
    Unit.SECONDS: Decimal(1000),
    Unit.MILLISECONDS: Decimal(1),
    Unit.MICROSECONDS: Decimal("0.001"),
    Unit.NANOSECONDS: Decimal("0.000001"),
}
"""Milliseconds in one of each unit."""


class Counted(NamedTuple):
    """Moment as a number."""

    unit: Unit
    number: Decimal

    @property
    def instant(self) -> datetime:
        """Moment in UTC of a count since 1970; digits beyond milliseconds are cut off."""
        return _EPOCH + timedelta(milliseconds=int(self.number * _PER_MS[self.unit]))

    @property
    def local(self) -> datetime:
        """Local time of a serial date, to the millisecond, without a zone."""
        return _DAY_0 + timedelta(milliseconds=round(self.number * _DAY_MS))

    @property
    def is_date(self) -> bool:
        """True if a serial date has no time of day."""
        return self.number == self.number.to_integral_value()


def counted(text: str) -> Counted | None:
    """Read a text as a count; None if it is no count.

    >>> counted("1706698800.5").instant.isoformat()
    '2024-01-31T11:00:00.500000+00:00'
    >>> counted("45323.75").local.isoformat()
    '2024-02-01T18:00:00'
    >>> counted("20240201") is None
    True
    """
    found = _DIGITS.fullmatch(text)
    if found is not None:
        unit = _UNITS[len(found["whole"])]
        if unit is Unit.DAYS and not _SERIALS[0] <= int(found["whole"]) <= _SERIALS[1]:
            return None
        return Counted(unit, Decimal(text.replace(",", ".")))
    if dotnet := _DOTNET.fullmatch(text):
        return Counted(Unit.MILLISECONDS, Decimal(dotnet["count"]))
    shortened = _SCIENTIFIC.fullmatch(text)
    if shortened is not None and len(shortened["rest"] or "") >= _ENOUGH:
        return counted(format(Decimal(text.replace(",", ".")), "f"))
    return None


def has_lost_digits(text: str) -> bool:
    """Return True if a text is a count that a spreadsheet has shortened, such as `1.7067E+12`."""
    return _SCIENTIFIC.fullmatch(text) is not None and counted(text) is None


def digits_of(value: object) -> str | None:
    """Write a number of JSON or Parquet in full, without decimals that are 0; None if it is no number.

    >>> digits_of(1.706698800123456e15), digits_of(45323.0), digits_of(1706698800.5), digits_of(True)
    ('1706698800123456', '45323', '1706698800.5', None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or number.adjusted() > 30:
        return None
    digits = format(number, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


@dataclass(slots=True)
class UnitEvidence:
    """Counts of the dates of a file that are numbers, by unit, and of those that are written out."""

    counts: Counter[Unit | None] = field(default_factory=Counter)
    """Unit -> dates; None is the unit of dates that are written out."""
    first: dict[Unit | None, Example] = field(default_factory=dict)

    def note(self, unit: Unit | None, text: str, number: int) -> None:
        """Add one date.

        Args:
            unit: Unit of a numeric date; None for one that is written out.
            text: Date as written.
            number: Line or row of the file.
        """
        self.counts[unit] += 1
        if unit not in self.first:
            self.first[unit] = Example(text, number)

    @property
    def mixed(self) -> bool:
        """True if serial dates stand beside other dates."""
        return 0 < self.counts[Unit.DAYS] < self.counts.total()

    def question(self, told: SerialDates | None) -> str:
        """Return the question about serial dates that a person has to answer; empty if there is none.

        Args:
            told: Answer that a person gave; None without one.
        """
        if told is not None or not self.mixed:
            return ""
        serial = self.first[Unit.DAYS]
        other = next(seen for unit, seen in self.first.items() if unit is not Unit.DAYS)
        return (
            f"Dates: {self.counts[Unit.DAYS]:,} such as {serial.text!r} in line {serial.number} are a "
            f"spreadsheet's serial dates beside others such as {other.text!r} in line {other.number}. A "
            "spreadsheet that knows only some of the dates may have swapped their day and month: export them "
            "in one format, or say --serial-dates read or --serial-dates refuse."
        )
