"""Times of day in a column of their own: `8:15`, `08:15:00`, `8:15 PM`, `815`, `081530`, `8`, `0.34375`.

Digits alone may be read in two ways. `8` is eight o'clock where people write hours, and eight minutes past
midnight where a program wrote 0008 and a spreadsheet removed the zeros. The whole column decides
(`ClockEvidence`): by a zero that was kept, by a colon, or by a number that fits only one of the readings.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.sources.values.counted import digits_of
from streams.sources.values.evidence import Example, Unreadable

_WRITTEN: Final = re.compile(
    r"[Tt]?(?P<hour>\d{1,2})(?: ?[:h] ?(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?"
    r" *(?P<half>[AaPp]\.? ?[Mm]\.?)?(?P<word> ?Uhr| ?h)?"
    r" *(?P<offset>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
)
_DOTTED: Final = re.compile(
    r"(?P<hour>\d{1,2})\.(?P<minute>\d{2})(?:\.(?P<second>\d{2}))?"
    r"(?: *(?P<half>[AaPp]\.? ?[Mm]\.?)|(?P<word> ?Uhr| ?h))?"
)
_FRACTION: Final = re.compile(r"0?[.,](?P<digits>\d+)")
_DAY_BEFORE: Final = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4})[T ](?P<clock>\d{1,2}:.*)"
)
_NO_DAYS: Final = frozenset(
    {
        *("1899-12-30", "12/30/1899", "30/12/1899", "30.12.1899", "1899-12-31", "12/31/1899", "31/12/1899"),
        *("31.12.1899", "1900-01-00", "1/0/1900", "01/00/1900", "00/01/1900", "00.01.1900", "1900-01-01"),
        *("1/1/1900", "01/01/1900", "01.01.1900", "1970-01-01", "1/1/1970", "01/01/1970", "01.01.1970"),
    }
)
"""Days that programs write before a time without a date."""
_ZONED: Final = re.compile(r"(?P<clock>.*\S) *\[(?P<zone>[^\[\]]+)\]")
"""Pattern of a time with the name of its zone behind it, as in `08:15 [Europe/Paris]`."""
_LONGEST: Final = 80
"""Letters of a time of day. A longer text is no time, and is not searched."""
_DAY_US: Final = 86_400_000_000

Day = tuple[int, int, int]
"""Year, month and day as they are written, perhaps no day of the calendar."""


class ClockDigits(StrEnum):
    """Reading of a time of day that is written in digits alone; `--times`."""

    HOURS_FIRST = "hours-first"
    """Read 8 as 08:00, 815 as 08:15 and 81530 as 08:15:30."""
    ZEROS_LOST = "zeros-lost"
    """Read 8 as 00:08 beside 815, and as 00:00:08 beside 81530."""


class ClockTime(NamedTuple):
    """Time of day; 24:00 and second 60 are kept as written."""

    hour: int
    minute: int
    second: int
    microsecond: int
    offset: tzinfo | None = None

    @classmethod
    def of(cls, moment: time) -> ClockTime:
        """Convert a time of day."""
        return cls(moment.hour, moment.minute, moment.second, moment.microsecond, moment.tzinfo)

    def agrees(self, other: ClockTime) -> bool:
        """Return True if two times are the same, one of them perhaps without seconds."""
        finer, coarser = max(self[:4], other[:4]), min(self[:4], other[:4])
        return finer == coarser or (finer[:2] == coarser[:2] and coarser[2:] == (0, 0))

    @property
    def shown(self) -> str:
        """Time to the second, for a person."""
        return f"{self.hour:02}:{self.minute:02}:{self.second:02}"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Reading of the times of one column."""

    digits: ClockDigits | None = ClockDigits.HOURS_FIRST
    """Reading of digits alone; None where nobody has chosen."""
    width: int = 4
    """Digits of a whole time, 4 or 6, where zeros are lost."""
    decimal_hours: bool = False
    """True if some values, such as 8.5 or 8.75, are hours and parts of an hour."""
    dotted: bool = False
    """True if some values, such as 8.15, are an hour, a point and minutes."""

    def read(self, value: object, day: Day | None = None) -> ClockTime:
        """Read a time of day.

        Args:
            value: Cell.
            day: Date of the row; a time may stand behind that date once more.

        Raises:
            Unreadable: The value is no time of day; its `field` is `time`.
        """
        try:
            return self._checked(value, clock_of(value, self, day))
        except ValueError as error:
            raise Unreadable(str(error), field="time") from error

    @staticmethod
    def _checked(value: object, clock: ClockTime) -> ClockTime:
        hour, minute, second, micro, _ = clock
        whole_day = (hour, minute, second, micro) == (24, 0, 0, 0)
        if not whole_day and (hour > 23 or minute > 59 or second > 60):
            raise Unreadable(f"{value!r} is no time of day")
        return clock


PLAIN: Final = ClockReading()


def clock_of(value: object, reading: ClockReading = PLAIN, day: Day | None = None) -> ClockTime:
    """Read a time of day as a column's reading says.

    Raises:
        Unreadable: The value is no time of day.
    """
    if isinstance(value, datetime):
        return _of_moment(value, day)
    if isinstance(value, time):
        return ClockTime.of(value)
    if isinstance(value, timedelta):
        return _of_fraction(Decimal(value // timedelta(microseconds=1)) / _DAY_US)
    text = value if isinstance(value, str) else digits_of(value)
    if text is None or len(text) > _LONGEST:
        raise Unreadable(f"{value!r} is no time of day")
    if found := _ZONED.fullmatch(text):
        return clock_of(found["clock"], reading, day)._replace(offset=_zone(text, found["zone"]))
    if (found := _DAY_BEFORE.fullmatch(text)) and (
        found["day"] in _NO_DAYS or (day is not None and found["day"] == "{:04}-{:02}-{:02}".format(*day))
    ):
        text = found["clock"]
    return _of_text(text, reading)


def _of_text(text: str, reading: ClockReading) -> ClockTime:
    digits = _digits(text)
    if digits is not None:
        return _of_digits(digits, reading)
    if _FRACTION.fullmatch(text) and not _may_be_minutes(text, reading):
        return _of_fraction(Decimal(text.replace(",", ".")))
    if (found := _DOTTED.fullmatch(text)) and (
        not reading.decimal_hours or found["second"] or found["half"] or found["word"]
    ):
        return ClockTime(_hour(text, found), int(found["minute"]), int(found["second"] or 0), 0)
    if found := _WRITTEN.fullmatch(text):
        return _of_written(text, found)
    if re.fullmatch(r"\d{1,2}[.,]\d+", text):
        raise Unreadable(f"{text!r} may be hours and minutes or parts of an hour: write it as 8:15")
    raise Unreadable(f"{text!r} is no time of day")


def has_offset(value: object) -> bool:
    """Return True if a time of day names its zone."""
    try:
        return clock_of(value).offset is not None
    except Unreadable:
        return False


@dataclass(slots=True)
class ClockEvidence:
    """Evidence of the times of a column about each other: one `note` per value, then `decide`."""

    told: ClockDigits | None = None
    lengths: Counter[int] = field(default_factory=Counter)
    """Number of digits -> values that are so many digits and nothing else."""
    first: dict[int, Example] = field(default_factory=dict)
    """Number of digits -> first value. Values of zeros alone are left out, because they are midnight in every
    reading."""
    zeros_kept: bool = False
    """True if a value begins with 0."""
    written: bool = False
    """True if a value is written otherwise, such as with a colon."""
    not_hours: bool = False
    """True if a value can be no time by its own length."""
    not_padded: set[int] = field(default_factory=set)
    """Widths, 4 and 6, at which a value can be no time."""
    decimal_hours: bool = False
    dotted: bool = False

    def note(self, value: object, number: int) -> None:
        """Add one value.

        Args:
            value: Cell.
            number: Line or row of the file.
        """
        text = value if isinstance(value, str) else digits_of(value)
        if text is None:
            return
        if len(text) <= _LONGEST and (found := _ZONED.fullmatch(text)):
            text = found["clock"]
        digits = _digits(text)
        if digits is not None:
            self._note_digits(digits, number)
        elif found := _DOTTED.fullmatch(text):
            self.decimal_hours |= int(found["minute"]) > 59
            self.dotted |= int(found["hour"]) > 0
            self.written |= bool(found["second"] or found["half"] or found["word"])
        elif re.fullmatch(r"[1-9]\d?[.,]\d+", text):
            self.decimal_hours = True
        elif _DAY_BEFORE.fullmatch(text) or ((clock := _WRITTEN.fullmatch(text)) and clock["minute"]):
            self.written = True

    def _note_digits(self, digits: str, number: int) -> None:
        self.zeros_kept |= len(digits) > 1 and digits[0] == "0"
        if int(digits) == 0:
            return
        self.lengths[len(digits)] += 1
        self.first.setdefault(len(digits), Example(digits, number))
        self.not_hours |= not _is_time(_by_length(digits))
        self.not_padded |= {width for width in (4, 6) if not _is_time(digits.zfill(width))}

    @property
    def width(self) -> int:
        """Digits of the longest times, in whole pairs."""
        return max((length + length % 2 for length in self.lengths), default=2)

    @property
    def short(self) -> int:
        """Number of values that change their meaning if zeros are lost."""
        return sum(count for length, count in self.lengths.items() if length <= self.width - 2)

    def decide(self) -> tuple[ClockReading, str]:
        """Decide how the column is read.

        Returns:
            Reading, and the question that a person has to answer first; empty if there is none.
        """
        return ClockReading(
            self._verdict(), max(self.width, 4), self.decimal_hours, self.dotted
        ), self._question()

    def remarks(self, reading: ClockReading) -> list[str]:
        """Describe how times of digits alone are read, if some could be read otherwise."""
        if not self.short or reading.digits is None:
            return []
        seen = self.first[min(self.first)]
        read = reading.read(seen.text).shown
        return [f"Times of digits alone are read with {reading.digits}: {seen.text} is {read}."]

    def _verdict(self) -> ClockDigits | None:
        if self.told is not None:
            return self.told
        if not self.short or self.written or self.zeros_kept or self.width in self.not_padded:
            return ClockDigits.HOURS_FIRST
        return ClockDigits.ZEROS_LOST if self.not_hours else None

    def _question(self) -> str:
        if self._verdict() is not None:
            return ""
        length = min(self.first)
        seen = self.first[length]
        hours, padded = _shown(_by_length(seen.text)), _shown(seen.text.zfill(self.width))
        return (
            f"Times: {self.short:,} values such as {seen.text!r} in line {seen.number} may be {hours}, or "
            f"{padded} if leading zeros are lost, and no other value tells. Say which is meant with "
            "--times hours-first or --times zeros-lost."
        )


def _digits(text: str) -> str | None:
    """Return the digits of a time without anything else, decimals of 0 left out; None if there is more."""
    whole, point, rest = text.partition(".")
    if 1 <= len(whole) <= 6 and whole.isdecimal() and (not point or rest == "0"):
        return whole
    return None


def _by_length(digits: str) -> str:
    """Write digits as pairs, the first pair being the hours."""
    return digits.zfill(len(digits) + len(digits) % 2)


def _is_time(pairs: str) -> bool:
    if len(pairs) > 6:
        return False
    hour, minute, second = (*(int(pairs[at : at + 2]) for at in range(0, len(pairs), 2)), 0, 0)[:3]
    return (hour < 24 and minute < 60 and second < 60) or (hour, minute, second) == (24, 0, 0)


def _shown(pairs: str) -> str:
    return ":".join(pairs[at : at + 2] for at in range(0, len(pairs), 2)) + (":00" if len(pairs) == 2 else "")


def _of_digits(digits: str, reading: ClockReading) -> ClockTime:
    if reading.digits is None and int(digits) and len(digits) <= reading.width - 2:
        raise Unreadable(f"{digits!r} can be read with and without leading zeros; say --times")
    pairs = digits.zfill(reading.width) if reading.digits is ClockDigits.ZEROS_LOST else _by_length(digits)
    if not _is_time(pairs):
        raise Unreadable(f"{digits!r} is no time of day")
    hour, minute, second = (*(int(pairs[at : at + 2]) for at in range(0, len(pairs), 2)), 0, 0)[:3]
    return ClockTime(hour, minute, second, 0)


def _may_be_minutes(text: str, reading: ClockReading) -> bool:
    """Return True if `0.15` may be a quarter past midnight, because the column has values like 8.15."""
    return reading.dotted and _DOTTED.fullmatch(text) is not None


def _of_fraction(part: Decimal) -> ClockTime:
    """Read a part of a day as a time, to the millisecond."""
    if not 0 <= part < 1:
        raise Unreadable("is no part of a day")
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(part * _DAY_US / 1000))
    return ClockTime(24, 0, 0, 0) if moment.day == 2 else ClockTime.of(moment.time())


def _of_moment(value: datetime, day: Day | None) -> ClockTime:
    if value.date().isoformat() not in _NO_DAYS and (value.year, value.month, value.day) != day:
        raise Unreadable(f"{value.isoformat(' ')!r} is of another day than the date")
    return ClockTime.of(value.timetz())


def _of_written(text: str, found: re.Match[str]) -> ClockTime:
    if found["minute"] is None and not found["half"] and not found["word"]:
        raise Unreadable(f"{text!r} is no time of day")
    hour = _hour(text, found)
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    return ClockTime(
        hour, int(found["minute"] or 0), int(found["second"] or 0), int(fraction), _offset(found["offset"])
    )


def _hour(text: str, found: re.Match[str]) -> int:
    """Return the hour, counted from midnight where the text says before or after noon."""
    hour, half = int(found["hour"]), found["half"]
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise Unreadable(f"{text!r} has no hour {hour} before or after noon")
    return hour % 12 + (12 if half.lower().startswith("p") else 0)


def _zone(text: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unreadable(f"{text!r} names the time zone {name!r}, which is none that is known") from error


def _offset(written: str | None) -> tzinfo | None:
    if not written:
        return None
    if written.isalpha():
        return UTC
    digits = written[1:].replace(":", "").ljust(4, "0")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if length >= timedelta(hours=24):
        raise Unreadable(f"{written!r} is no offset of a time zone")
    return timezone(-length if written[0] == "-" else length)
