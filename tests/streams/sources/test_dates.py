"""Dates are read as they are meant, or refused with the reason why they cannot be told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.sources.dates import DateReader, Unreadable, is_instant
from streams.sources.evidence import DayOrder

LONDON = ZoneInfo("Europe/London")


def reader(order: DayOrder | None = None, *, told: bool = False) -> DateReader:
    return DateReader(LONDON, dict.fromkeys("/.-", order), told=told)


def text(found: DateReader, written: object) -> str:
    return datetime.fromtimestamp(found.read(written) / 1000, UTC).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00"),
        ("2010-12-01 08:26:00+01:00", "2010-12-01T07:26:00"),
        ("2010-12-01 08:26 -0530", "2010-12-01T13:56:00"),
        ("2010-12-01T08:26:00.123456789Z", "2010-12-01T08:26:00.123000"),
        ("2010/12/01 8:26", "2010-12-01T08:26:00"),
        ("2010.6.1 8.26", "2010-06-01T07:26:00"),
        ("20101201", "2010-12-01T12:00:00"),
        ("20101201T082600Z", "2010-12-01T08:26:00"),
        ("20101201082600", "2010-12-01T08:26:00"),
        ("31/12/2010 12:05 am", "2010-12-31T00:05:00"),
        ("12/31/2010 12:05 P.M.", "2010-12-31T12:05:00"),
        ("12/12/2010", "2010-12-12T12:00:00"),
        ("1 Dec 2010", "2010-12-01T12:00:00"),
        ("01-Dec-2010 08:26:11", "2010-12-01T08:26:11"),
        ("Dec 1st, 2010 8:26 PM", "2010-12-01T20:26:00"),
        ("Wed, 1 December 2010 08:26:00 GMT", "2010-12-01T08:26:00"),
        ("1 Sept 2010 12:00", "2010-09-01T11:00:00"),
        ("1291191960", "2010-12-01T08:26:00"),
        ("1291191960000", "2010-12-01T08:26:00"),
        (1291191960, "2010-12-01T08:26:00"),
        (datetime(2010, 6, 1, 8, 26), "2010-06-01T07:26:00"),  # noqa: DTZ001 - local by intent
        (datetime(2010, 6, 1, 8, 26, tzinfo=UTC), "2010-06-01T08:26:00"),
        (date(2010, 12, 1), "2010-12-01T12:00:00"),
    ],
)
def test_what_can_be_read_in_one_way_is_read(written: object, instant: str) -> None:
    assert text(reader(), written) == instant


@pytest.mark.parametrize("order", list(DayOrder)[:2])
def test_digits_are_read_in_the_order_that_is_given(order: DayOrder) -> None:
    expected = "2010-06-05" if order is DayOrder.DAY_FIRST else "2010-05-06"
    assert text(reader(order), "5/6/2010 08:00")[:10] == expected
    assert text(reader(order, told=True), "5.6.10 08:00")[:10] == expected


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("5/6/2010", "--dates"),
        ("31/12/10", "--dates is given"),
        ("", "is empty"),
        ("tomorrow", "no date"),
        ("13/13/2010", "neither number is a month"),
        ("2010-02-29", "calendar"),
        ("2010-12-01 25:00", "calendar"),
        ("12/31/2010 13:00 PM", "no hour 13"),
        ("1 Dez 2010", "no month 'Dez'"),
        ("1 Ju 2010", "no date"),
        ("1999-12-31", "2000 to 2100"),
        ("0001-01-01 00:00", "2000 to 2100"),
        ("9999-12-31 23:59:59", "2000 to 2100"),
        ("0001-01-01 00:00+14:00", "2000 to 2100"),
        ("9999-12-31 23:59:59-14:00", "2000 to 2100"),
        (datetime.max, "2000 to 2100"),  # noqa: DTZ901 - local by intent
        ("2010-12-01 08:26 +99:00", "offset"),
        ("2010-12-01x", "no date"),
        ("2010-03-28 01:30", "does not exist in Europe/London"),
        (1.5, "no date"),
        (float("nan"), "no date"),
        (float("inf"), "no date"),
        (True, "no date"),
        (None, "is empty"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_reason(written: object, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        reader().read(written)


def test_a_date_that_contradicts_what_a_person_said_is_refused() -> None:
    with pytest.raises(Unreadable, match="no month 25"):
        reader(DayOrder.MONTH_FIRST, told=True).read("25/12/2010")


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2010-12-01T08:26:00+01:00", True),
        ("1/12/2010 8:26 GMT", True),
        ("1275377160", True),
        (1275377160, True),
        (datetime(2010, 12, 1, tzinfo=UTC), True),
        ("2010-12-01 08:26", False),
        ("1 Dec 2010", False),
        (datetime(2010, 12, 1), False),  # noqa: DTZ001 - local by intent
        (None, False),
    ],
)
def test_what_names_its_instant_is_told_from_a_local_time(value: object, *, instant: bool) -> None:
    assert is_instant(value) is instant


def test_an_hour_that_the_clock_passes_twice_is_known() -> None:
    assert reader().moment("2010-10-31 01:30")[1]
    assert not reader().moment("2010-10-31 02:30")[1]
    assert not reader().moment("2010-10-31 01:30Z")[1]
