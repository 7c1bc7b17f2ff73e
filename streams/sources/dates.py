"""Dates and times as people and programs write them, to milliseconds since 1970 UTC.

Read are: ISO dates (`2010-12-01 08:26`, `2010/12/01`, `20101201`, `20101201082600`); digits with the year
at the end (`1/12/2010 8:26 AM`, `01.12.2010`), where the file or a person must say whether the day or the
month comes first; English months by name (`1 Dec 2010`, `Dec 1, 2010`); seconds (10 digits) and
milliseconds (13 digits) since 1970. An offset (`Z`, `+01:00`) counts where it is written; other times are
local times of the zone given. A date without a time of day is noon. Years of two digits are read only if a
person has said the order.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from models.timestamps import EARLIEST_MS, LATEST_MS
from streams.sources.evidence import DayOrder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

_TIME: Final = (
    r"(?:(?:[Tt]|,? *)(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)? *(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r" *(?P<offset>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_YEAR_FIRST: Final = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?:(?=[Tt ,])" + _TIME + ")?"
)
_COMPACT: Final = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:[Tt ]?(?P<hour>\d{2}):?(?P<minute>\d{2})"
    r"(?::?(?P<second>\d{2}))?(?P<offset>[Zz]|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_LAST: Final = re.compile(
    r"(?P<a>\d{1,2})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})(?:(?=[Tt ,])" + _TIME + ")?"
)
_NAMED: Final = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,? +)??(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[-/. ]+(?P<name>[A-Za-z]{3,9})\.?|"
    r"(?P<name2>[A-Za-z]{3,9})\.? +(?P<day2>\d{1,2})(?:st|nd|rd|th)?),?[-/. ]*(?P<year>\d{4})(?:(?=[Tt ,])"
    + _TIME
    + ")?"
)
_SHORT_YEAR: Final = re.compile(r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?!\d)")
_SINCE_1970: Final = re.compile(r"\d{10}|\d{13}")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NOON: Final = 12
_YEARS: Final = (1999, 2101)
"""Local years in which a moment of the years 2000 to 2100 (UTC) may lie."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(milliseconds=1)


class Unreadable(ValueError):  # noqa: N818 - it reads as what it says of a text
    """A text that is no date, or not one that can be told; the message is the reason, for a person."""


class Sort(NamedTuple):
    """What a date text is, before anyone has said how to read it."""

    mark: str
    """The mark between the digits where the year comes last; empty where nothing is unclear."""
    order: DayOrder | None
    """The one way in which its digits can be read; None where there are two."""


class _Parts(NamedTuple):
    year: int
    month: int
    day: int
    clock: tuple[int, int, int, int] | None
    """Hour, minute, second, microsecond."""
    offset: timezone | None


CLEAR: Final = Sort("", None)


@lru_cache(maxsize=1 << 16)
def sort_of(text: str) -> Sort | None:
    """What a text is as a date: clear by itself, of one order or of two; None if it is no date at all."""
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        readable = any(pattern.fullmatch(text) for pattern in (_YEAR_FIRST, _COMPACT, _NAMED, _SINCE_1970))
        return CLEAR if readable else None
    a, b, mark = int(found["a"]), int(found["b"]), found["mark"]
    if len(found["year"]) == 2:
        return Sort(mark, None)
    if a > 12:
        return Sort(mark, DayOrder.DAY_FIRST) if b <= 12 else None
    if b > 12:
        return Sort(mark, DayOrder.MONTH_FIRST)
    return CLEAR if a == b else Sort(mark, None)


def is_instant(value: object) -> bool:
    """Whether a moment says by itself where it lies in time: with an offset, or as a number since 1970.

    >>> is_instant("2010-06-01T07:26:00Z"), is_instant("1275377160"), is_instant("2010-06-01 07:26")
    (True, True, False)
    """
    if isinstance(value, datetime):
        return value.tzinfo is not None
    if not isinstance(value, str):
        return isinstance(value, int | float)
    if _SINCE_1970.fullmatch(value):
        return True
    patterns = (_YEAR_LAST, _YEAR_FIRST, _COMPACT, _NAMED)
    return any(found["offset"] for pattern in patterns if (found := pattern.fullmatch(value)))


class DateReader:
    """Reads the dates of one file.

    Args:
        zone: Of times that are written without an offset.
        orders: How digits with the year at the end are meant, by the mark between them.
        told: Whether a person said so; a file's own evidence is not enough for years of two digits.
        latest: What lies behind it is refused, ms since 1970: nothing is bought in the future, and one wrong
            year would move a log's time past all that is yet to come.

    >>> from zoneinfo import ZoneInfo
    >>> reader = DateReader(ZoneInfo("Europe/London"), {"/": DayOrder.MONTH_FIRST}, told=False)
    >>> reader.read("6/1/2010 8:26") == reader.read("2010-06-01T07:26:00Z") == 1275377160000
    True
    """

    def __init__(
        self, zone: ZoneInfo, orders: Mapping[str, DayOrder | None], *, told: bool, latest: int = LATEST_MS
    ) -> None:
        self._latest = latest
        self._zone = zone
        self._orders = dict(orders)
        self._told = told
        self._text = lru_cache(maxsize=1 << 16)(self._read)

    def read(self, value: object) -> int:
        """Milliseconds since 1970 UTC of a date, a date and time, or a text; raises `Unreadable`."""
        return self.moment(value)[0]

    def moment(self, value: object) -> tuple[int, bool]:
        """The same, and whether it is a local time that the clock passes twice, read as the first."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, datetime):
            return self._bounded(value if value.tzinfo else self._local(value)), False
        if isinstance(value, date):
            return self._bounded(self._local(datetime.combine(value, time(_NOON)))), False
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
            return self._text(str(int(value)))
        raise Unreadable("is empty" if value is None else f"{value!r} is no date")

    def _read(self, text: str) -> tuple[int, bool]:
        if _SINCE_1970.fullmatch(text):
            return self._bounded(_EPOCH + int(text) * (_TICK if len(text) == 13 else _TICK * 1000)), False
        parts = self._parts(text)
        try:
            day = date(parts.year, parts.month, parts.day)
            clock = time(*parts.clock) if parts.clock else time(_NOON)
        except ValueError as error:
            raise Unreadable(f"{text!r} is no day and time of the calendar: {error}") from error
        moment = datetime.combine(day, clock)
        if parts.offset is not None:
            return self._bounded(moment.replace(tzinfo=parts.offset)), False
        aware = self._local(moment)
        return self._bounded(aware), aware.utcoffset() != aware.replace(fold=1).utcoffset()

    def _local(self, moment: datetime) -> datetime:
        if not _YEARS[0] <= moment.year <= _YEARS[1]:  # those at either end of time cannot be moved
            raise Unreadable(f"{moment.isoformat()} does not lie in the years 2000 to 2100")
        aware = moment.replace(tzinfo=self._zone)
        if aware.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != moment:
            raise Unreadable(
                f"{moment:%Y-%m-%d %H:%M} does not exist in {self._zone.key}, whose clock skips it; it may "
                "be another time zone's"
            )
        return aware

    def _bounded(self, moment: datetime) -> int:
        try:
            at = (moment - _EPOCH) // _TICK
        except OverflowError as error:
            raise Unreadable(f"{moment} lies in no year that is read") from error
        if not EARLIEST_MS <= at <= LATEST_MS:
            raise Unreadable(f"{moment:%Y-%m-%d} does not lie in the years 2000 to 2100")
        if at > self._latest:
            raise Unreadable(f"{moment:%Y-%m-%d %H:%M} lies in the future")
        return at

    def _parts(self, text: str) -> _Parts:
        if found := _YEAR_LAST.fullmatch(text):
            a, b, written = int(found["a"]), int(found["b"]), found["year"]
            day, month = self._ordered(text, a, b)
            return _Parts(int(written) + (2000 if len(written) == 2 else 0), month, day, *_clock(text, found))
        if found := (_YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text)):
            year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
            return _Parts(year, month, day, *_clock(text, found))
        if found := _NAMED.fullmatch(text):
            month = _month(text, found["name"] or found["name2"])
            return _Parts(int(found["year"]), month, int(found["day"] or found["day2"]), *_clock(text, found))
        raise Unreadable(f"{text!r} is no date that can be read" if text else "is empty")

    def _ordered(self, text: str, a: int, b: int) -> tuple[int, int]:
        sort = sort_of(text)
        if sort is None:
            raise Unreadable(f"{text!r} is no day of the calendar: neither number is a month")
        order = self._orders.get(sort.mark)
        if sort is CLEAR:
            return a, b
        if not self._told and _SHORT_YEAR.search(text):
            raise Unreadable(f"{text!r} has a year of two digits, which is read only where --dates is given")
        if order is None and sort.order is None:
            raise Unreadable(f"{text!r} can be read with the day first and with the month first; say --dates")
        if self._told and order is not None and sort.order not in (None, order):
            raise Unreadable(f"{text!r} has no month {b if order is DayOrder.DAY_FIRST else a}")
        return (a, b) if (sort.order or order) is DayOrder.DAY_FIRST else (b, a)


def _clock(text: str, found: re.Match[str]) -> tuple[tuple[int, int, int, int] | None, timezone | None]:
    parts = found.groupdict()
    written = parts.get("offset")
    zone = None
    if written:
        zone = UTC if written.isalpha() else _offset(text, written)
    if parts.get("hour") is None:
        return None, zone
    hour = int(parts["hour"])
    half = (parts.get("half") or "").replace(".", "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise Unreadable(f"{text!r} has no hour {hour} before or after noon")
        hour = hour % 12 + (12 if half == "pm" else 0)
    fraction = (parts.get("fraction") or "").ljust(6, "0")[:6]
    return (hour, int(parts["minute"]), int(parts.get("second") or 0), int(fraction or 0)), zone


def _offset(text: str, written: str) -> timezone:
    digits = written[1:].replace(":", "")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if length >= timedelta(hours=24):
        raise Unreadable(f"{text!r} has no offset of a time zone")
    return timezone(-length if written[0] == "-" else length)


def _month(text: str, name: str) -> int:
    found = [number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower())]
    if len(found) != 1 and name.lower() != "sept":
        raise Unreadable(f"{text!r} has no month {name!r}, in English")
    return found[0] if found else 9
