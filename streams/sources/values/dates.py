"""Dates and times as people and programs write them, read to milliseconds since 1970 UTC.

Forms that are read:

- ISO dates (`2010-12-01 08:26`, `2010/12/01`, `20101201`, `20101201082600`).
- Digits with the year at the end (`1/12/2010 8:26 AM`, `01.12.2010 8:26 Uhr`). The file or a person must show
  if the day or the month comes first.
- English months by name (`1 Dec 2010`, `Dec 1, 2010`), also as RFC 2822, C and JavaScript write them.
- Numbers since 1970 and serial dates of spreadsheets (`counted`).

A weekday in front is ignored. An offset (`Z`, `+01`, `UTC+2`, `[Europe/Paris]`) counts where it is written;
other times are local times of the zone given. A date without a time of day is noon, 24:00 is the end of the
day, and a leap second is the second after it. Years of two digits are read only if a person has given the
order.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from models.contracts.timestamps import EARLIEST_MS, LATEST_MS
from streams.sources.values.counted import Unit, digits_of
from streams.sources.values.evidence import DayOrder, Unreadable
from streams.sources.values.times_of_day import ClockReading, ClockTime, has_offset
from streams.sources.values.written import (
    NAMED,
    YEAR_LAST,
    clock_and_zone,
    count_of,
    day_of,
    matched,
    no_date,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOON: Final = 12
_YEARS: Final = (1999, 2101)
"""Local years in which a moment of the years 2000 to 2100 (UTC) may lie."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(milliseconds=1)


class Sort(NamedTuple):
    """Form of a date text, before anyone has chosen how to read it."""

    mark: str
    """Mark between the digits where the year comes last; empty where the text is clear."""
    order: DayOrder | None
    """The one order in which the digits can be read; None where there are two."""
    unit: Unit | None = None
    """Unit of a numeric date."""


class Dated(NamedTuple):
    """Date, and the time of day from a column of its own."""

    day: object
    clock: object

    def __str__(self) -> str:
        return f"{self.day} {self.clock}"


class _Parts(NamedTuple):
    year: int
    month: int
    day: int
    clock: ClockTime | None
    offset: tzinfo | None


CLEAR: Final = Sort("", None)


@lru_cache(maxsize=1 << 16)
def sort_of(text: str) -> Sort | None:
    """Classify a text as a date: clear by itself, of one order or of two; None if it is no date at all."""
    found = matched(text)
    if found is None:
        count = count_of(text)
        return Sort("", None, count.unit) if count else None
    if len(found["year"]) == 2:
        return Sort("-" if found.re is NAMED else found["mark"], None)
    if found.re is not YEAR_LAST:
        return CLEAR
    a, b, mark = int(found["a"]), int(found["b"]), found["mark"]
    if a > 12:
        return Sort(mark, DayOrder.DAY_FIRST) if b <= 12 else None
    if b > 12:
        return Sort(mark, DayOrder.MONTH_FIRST)
    return CLEAR if a == b else Sort(mark, None)


def is_instant(value: object) -> bool:
    """Return True if a moment fixes its place in time by itself: with an offset, or as a number since 1970.

    >>> is_instant("2010-06-01T07:26:00Z"), is_instant("1275377160"), is_instant("2010-06-01 07:26")
    (True, True, False)
    """
    if isinstance(value, Dated):
        return is_instant(value.day) or has_offset(value.clock)
    if isinstance(value, datetime):
        return value.tzinfo is not None
    text = value if isinstance(value, str) else digits_of(value)
    if text is None:
        return False
    found = matched(text)
    if found is None:
        count = count_of(text)
        return count is not None and count.unit is not Unit.DAYS
    return any(found.groupdict().get(name) for name in ("offset", "bare", "zone", "region"))


class DateReader:
    """Reader of one file's dates.

    Args:
        zone: Time zone of times written without an offset.
        orders: Mark between digits with the year at the end -> order of day and month.
        told: True if a person gave the order. Evidence of the file is not enough for years of two digits.
        latest: Latest moment, ms since 1970; later ones are refused. Nothing is bought in the future, and one
            wrong year would move a log's time past all that is yet to come.
        serials: Read a spreadsheet's serial dates; else they are refused.
        clocks: Reading of times of day in a column of their own.

    >>> from zoneinfo import ZoneInfo
    >>> reader = DateReader(ZoneInfo("Europe/London"), {"/": DayOrder.MONTH_FIRST}, told=False)
    >>> reader.read("6/1/2010 8:26") == reader.read("2010-06-01T07:26:00Z") == 1275377160000
    True
    """

    def __init__(
        self,
        zone: ZoneInfo,
        orders: Mapping[str, DayOrder | None],
        *,
        told: bool,
        latest: int = LATEST_MS,
        serials: bool = True,
        clocks: ClockReading | None = None,
    ) -> None:
        self._latest = latest
        self._zone = zone
        self._orders = dict(orders)
        self._told = told
        self._serials = serials
        self._clocks = clocks or ClockReading()
        self._text = lru_cache(maxsize=1 << 16)(self._read)
        self._pair = lru_cache(maxsize=1 << 16)(self._dated)

    def read(self, value: object) -> int:
        """Read a date, a date and time, or a text, as milliseconds since 1970 UTC.

        Raises:
            Unreadable: The value is no date, or is refused.
        """
        return self.moment(value)[0]

    def moment(self, value: object) -> tuple[int, bool]:
        """Read a value like `read`, and check if the clock passes its local time twice.

        Returns:
            Milliseconds since 1970 UTC, and True if the clock passes the local time twice; the first of the
            two times is taken then.

        Raises:
            Unreadable: The value is no date, or is refused.
        """
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Dated):
            return self._pair(value)
        if isinstance(value, datetime):
            return self._bounded(value if value.tzinfo else self._local(value)), False
        if isinstance(value, date):
            return self._bounded(self._local(datetime.combine(value, time(_NOON)))), False
        digits = digits_of(value)
        if digits is None:
            raise Unreadable("is empty" if value is None else f"{value!r} is no date")
        return self._text(digits)

    def _read(self, text: str) -> tuple[int, bool]:
        found = matched(text)
        count = None if found else count_of(text)
        if count is not None and count.unit is not Unit.DAYS:
            try:
                return self._bounded(count.instant), False
            except OverflowError as error:
                raise Unreadable(f"{text!r} lies in no year that is read") from error
        return self._resolved(text, self._parts(text))

    def _dated(self, value: Dated) -> tuple[int, bool]:
        """Combine a date with its time of day. A date with a time of its own must agree, or be midnight."""
        day = value.day
        if isinstance(day, datetime):
            parts = _Parts(day.year, day.month, day.day, ClockTime.of(day.time()), day.tzinfo)
        elif isinstance(day, date):
            parts = _Parts(day.year, day.month, day.day, None, None)
        else:
            text = day if isinstance(day, str) else digits_of(day)
            if text is None:
                raise Unreadable("is empty" if day is None else f"{day!r} is no date")
            count = None if matched(text) else count_of(text)
            if count is not None and count.unit is not Unit.DAYS:
                raise Unreadable(
                    f"{text!r} counts {count.unit} since 1970 and has its time of day: --map time= "
                    "leaves the other out"
                )
            parts = self._parts(text)
        clock = self._clocks.read(value.clock, (parts.year, parts.month, parts.day))
        if parts.clock is not None and any(parts.clock[:4]) and not parts.clock.agrees(clock):
            raise Unreadable(
                f"{value.clock!r} is another time of day than that of the date {day!r}: --map time= "
                "leaves the column out",
                field="time",
            )
        clock = max(clock, parts.clock, key=lambda one: one[:4]) if parts.clock else clock
        return self._resolved(str(value), parts._replace(clock=clock, offset=clock.offset or parts.offset))

    def _resolved(self, text: str, parts: _Parts) -> tuple[int, bool]:
        hour, minute, second, micro = parts.clock[:4] if parts.clock else (_NOON, 0, 0, 0)
        later = timedelta()
        if second == 60:
            second, later = 59, timedelta(seconds=1)
        if (hour, minute, second, micro) == (24, 0, 0, 0):
            hour, later = 0, timedelta(days=1)
        try:
            day = date(parts.year, parts.month, parts.day)
            moment = datetime.combine(day, time(hour, minute, second, micro)) + later
        except ValueError as error:
            raise Unreadable(f"{text!r} is no day and time of the calendar: {error}") from error
        except OverflowError as error:
            raise Unreadable(f"{text!r} lies in no year that is read") from error
        if parts.offset is not None and not isinstance(parts.offset, ZoneInfo):
            return self._bounded(moment.replace(tzinfo=parts.offset)), False
        aware = self._local(moment, parts.offset)
        return self._bounded(aware), aware.utcoffset() != aware.replace(fold=1).utcoffset()

    def _local(self, moment: datetime, zone: ZoneInfo | None = None) -> datetime:
        zone = zone or self._zone
        if not _YEARS[0] <= moment.year <= _YEARS[1]:  # those at either end of time cannot be moved
            raise Unreadable(f"{moment.isoformat()} does not lie in the years 2000 to 2100")
        aware = moment.replace(tzinfo=zone)
        if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
            raise Unreadable(
                f"{moment:%Y-%m-%d %H:%M} does not exist in {zone.key}, whose clock skips it; it may "
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
        found = matched(text)
        if found is None:
            return self._serial(text)
        year = int(found["year"])
        if found.re is YEAR_LAST:
            day, month = self._ordered(text, int(found["a"]), int(found["b"]), short=len(found["year"]) == 2)
            return _Parts(
                year + (2000 if len(found["year"]) == 2 else 0), month, day, *clock_and_zone(text, found)
            )
        year, month, day = day_of(text, found)
        if len(found["year"]) == 2:
            if not self._told:
                raise Unreadable(
                    f"{text!r} has a year of two digits, which is read only where --dates is given"
                )
            year += 2000
        return _Parts(year, month, day, *clock_and_zone(text, found))

    def _serial(self, text: str) -> _Parts:
        count = count_of(text)
        if count is None:
            raise Unreadable(no_date(text))
        if not self._serials:
            raise Unreadable(f"{text!r} is a spreadsheet's serial date, which --serial-dates refuses")
        moment = count.local
        clock = None if count.is_date else ClockTime.of(moment.time())
        return _Parts(moment.year, moment.month, moment.day, clock, None)

    def _ordered(self, text: str, a: int, b: int, *, short: bool) -> tuple[int, int]:
        sort = sort_of(text)
        if sort is None:
            raise Unreadable(f"{text!r} is no day of the calendar: neither number is a month")
        order = self._orders.get(sort.mark)
        if sort is CLEAR:
            return a, b
        if not self._told and short:
            raise Unreadable(f"{text!r} has a year of two digits, which is read only where --dates is given")
        if order is None and sort.order is None:
            raise Unreadable(f"{text!r} can be read with the day first and with the month first; say --dates")
        if self._told and order is not None and sort.order not in (None, order):
            raise Unreadable(f"{text!r} has no month {b if order is DayOrder.DAY_FIRST else a}")
        return (a, b) if (sort.order or order) is DayOrder.DAY_FIRST else (b, a)
