"""Dates are read as they are meant, or refused with the reason why they cannot be told."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.values.counted import Unit
from streams.sources.values.dates import Dated, DateReader, is_instant, sort_of
from streams.sources.values.evidence import DayOrder, Unreadable

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
        ("2010-12-01 08:26:00+00", "2010-12-01T08:26:00"),
        ("2010-12-01 08:26:00.123+00", "2010-12-01T08:26:00.123000"),
        ("2010-12-01 08:26:00+05:30", "2010-12-01T02:56:00"),
        ("2010-12-01 08:26:00+0530", "2010-12-01T02:56:00"),
        ("2010-12-01 08:26:00+05", "2010-12-01T03:26:00"),
        ("2010-12-01 08:26:00-03", "2010-12-01T11:26:00"),
        ("2010-12-01 08:26:00 \u221203:00", "2010-12-01T11:26:00"),
        ("2010-12-01 08:26 UTC+2", "2010-12-01T06:26:00"),
        ("2010-12-01 08:26 GMT-02:30", "2010-12-01T10:56:00"),
        ("2010-12-01 08:26:00 +00:09:21", "2010-12-01T08:16:39"),
        ("2010-12-01 08:26:00 UTC", "2010-12-01T08:26:00"),
        ("2010-12-01 08:26:00 gmt", "2010-12-01T08:26:00"),
        ("2010-06-01T08:26:00+02:00[Europe/Paris]", "2010-06-01T06:26:00"),
        ("2010-06-01T08:26:00Z[UTC]", "2010-06-01T08:26:00"),
        ("2010-06-01T08:26[Europe/Paris]", "2010-06-01T06:26:00"),
        ("2010-06-01 08:26:00.000 Europe/Paris", "2010-06-01T06:26:00"),
        ("2010-06-01 08:26:00 America/Argentina/Buenos_Aires", "2010-06-01T11:26:00"),
        ("2010-12-01Z", "2010-12-01T12:00:00"),
        ("2010-12-01+01:00", "2010-12-01T11:00:00"),
        ("2010-12-01T08", "2010-12-01T08:00:00"),
        ("2010-12-01 8 PM", "2010-12-01T20:00:00"),
        ("2010-12-01T08:26:00,123456789123Z", "2010-12-01T08:26:00.123000"),
        ("2010:12:01 08:26:11", "2010-12-01T08:26:11"),
        ("20101201T082600.123Z", "2010-12-01T08:26:00.123000"),
        ("20101201082600123", "2010-12-01T08:26:00.123000"),
        ("201012010826", "2010-12-01T08:26:00"),
        ("20101201.0", "2010-12-01T12:00:00"),
        ("31.12.2010 10:00 Uhr", "2010-12-31T10:00:00"),
        ("31.12.2010, 10.30 Uhr", "2010-12-31T10:30:00"),
        ("31.12.2010 10 Uhr", "2010-12-31T10:00:00"),
        ("31.12.2010 um 10:00", "2010-12-31T10:00:00"),
        ("31. 12. 2010 10:00", "2010-12-31T10:00:00"),
        ("31.12.2010 - 10:00", "2010-12-31T10:00:00"),
        ("Fr., 31.12.2010 10:00", "2010-12-31T10:00:00"),
        ("Friday 12/31/2010", "2010-12-31T12:00:00"),
        ("Fri 2010-12-31 10:00", "2010-12-31T10:00:00"),
        ("2010-12-01 08:26:00.123456 +0100 CET", "2010-12-01T07:26:00.123000"),
        ("12/31/2010, 10:00:00\u202fPM", "2010-12-31T22:00:00"),
        ("31/12/2010 10:00 p. m.", "2010-12-31T22:00:00"),
        ("01DEC2010:08:26:11", "2010-12-01T08:26:11"),
        ("2010-Dec-01 08:26", "2010-12-01T08:26:00"),
        ("Dec-01-2010", "2010-12-01T12:00:00"),
        ("31/12/2010 10:00:00:500", "2010-12-31T10:00:00.500000"),
        ("31/Dec/2010:10:00:00 +0100", "2010-12-31T09:00:00"),
        ("Thu, 01 Feb 2024 10:00:00 +0100", "2024-02-01T09:00:00"),
        ("1 Feb 2024 10:00:00 UT", "2024-02-01T10:00:00"),
        ("Thu Feb 01 2024 10:00:00 GMT+0100 (Central European Standard Time)", "2024-02-01T09:00:00"),
        ("Thu Feb  1 10:00:00 2024", "2024-02-01T10:00:00"),
        ("Thu Feb 01 10:00:00 UTC 2024", "2024-02-01T10:00:00"),
        ("February 1, 2024 at 10:00 PM", "2024-02-01T22:00:00"),
        ("2010-12-31 24:00", "2011-01-01T00:00:00"),
        ("2010-12-31T24:00:00Z", "2011-01-01T00:00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
        ("2016-12-31T23:59:60.500Z", "2017-01-01T00:00:00.500000"),
        ("1706698800.123", "2024-01-31T11:00:00.123000"),
        ("1706698800123456", "2024-01-31T11:00:00.123000"),
        ("1706698800123456789", "2024-01-31T11:00:00.123000"),
        (1706698800123456, "2024-01-31T11:00:00.123000"),
        (1706698800.5, "2024-01-31T11:00:00.500000"),
        (1.7066988e18, "2024-01-31T11:00:00"),
        ("/Date(1706698800000)/", "2024-01-31T11:00:00"),
        ("45323.4166666667", "2024-02-01T10:00:00"),
        ("45474.5", "2024-07-01T11:00:00"),
        ("45323", "2024-02-01T12:00:00"),
        (45323, "2024-02-01T12:00:00"),
        (45323.75, "2024-02-01T18:00:00"),
        (Decimal("45323.75"), "2024-02-01T18:00:00"),
        (Dated("20240201", "8"), "2024-02-01T08:00:00"),
        (Dated("2024-02-01 00:00:00", "08:15:00"), "2024-02-01T08:15:00"),
        (Dated("2024-02-01T00:00:00Z", "08:15"), "2024-02-01T08:15:00"),
        (Dated("45474", "0.34375"), "2024-07-01T07:15:00"),
        (Dated("2024-02-01", "24:00"), "2024-02-02T00:00:00"),
        (Dated("2024-02-01", "08:15+05:30"), "2024-02-01T02:45:00"),
        (Dated("2024-02-01 08:15:30", "08:15"), "2024-02-01T08:15:30"),
        (Dated(date(2024, 2, 1), time(8, 15)), "2024-02-01T08:15:00"),
        (Dated(datetime(2024, 2, 1), "8:15 PM"), "2024-02-01T20:15:00"),  # noqa: DTZ001 - local by intent
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
        ("2010-12-01 10", "an hour without minutes"),
        ("2010-12-01 10:00 CET", "letters 'CET'"),
        ("2010-12-01 10:00 Mars/Base", "'Mars/Base', which is none"),
        ("2010-12-01 10:00 +05:99", "offset"),
        ("2010-12-01 24:01", "calendar"),
        ("01-DEC-10 10:00", "--dates is given"),
        ("1.7067E+12", "has lost digits"),
        ("202402", "no date"),
        ("12345", "no date"),
        ("01022024", "calendar"),
        ("9" * 19, "2000 to 2100"),
        ("2010-12-01" + " " * 1_000_000, "no date"),
        (Dated("2024-02-01", "25"), "no time of day"),
        (Dated("2024-02-01 10:00", "08:15"), "another time of day"),
        (Dated("1706698800", "08:15"), "counts seconds since 1970"),
        (Dated("2024-02-30", "08:15"), "calendar"),
        (Dated("", "08:15"), "is empty"),
        (Dated(None, "08:15"), "is empty"),
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
        ("2010-12-01 08:26[Europe/Paris]", True),
        ("2010-12-01Z", True),
        ("1706698800123456", True),
        ("45323.75", False),
        (45323.75, False),
        (Dated("2024-02-01", "08:15Z"), True),
        (Dated("2024-02-01", "08:15"), False),
        (Dated("2024-02-01", "45"), False),
    ],
)
def test_what_names_its_instant_is_told_from_a_local_time(value: object, *, instant: bool) -> None:
    assert is_instant(value) is instant


def test_an_hour_that_the_clock_passes_twice_is_known() -> None:
    assert reader().moment("2010-10-31 01:30")[1]
    assert not reader().moment("2010-10-31 02:30")[1]
    assert not reader().moment("2010-10-31 01:30Z")[1]


def test_a_month_by_name_with_a_short_year_is_read_where_a_person_says_so() -> None:
    assert (
        text(reader(DayOrder.DAY_FIRST, told=True), "01-DEC-10 08.26.11.5 PM") == "2010-12-01T20:26:11.500000"
    )


def test_serial_dates_are_refused_where_a_person_says_so() -> None:
    found = DateReader(LONDON, {}, told=False, serials=False)
    with pytest.raises(Unreadable, match="--serial-dates"):
        found.read("45323")


@pytest.mark.parametrize(
    ("written", "unit"),
    [("45323", Unit.DAYS), ("1706698800.0", Unit.SECONDS), ("20240201", None), ("2024-02-01", None)],
)
def test_what_a_number_counts_is_known(written: str, unit: Unit | None) -> None:
    sort = sort_of(written)
    assert sort is not None
    assert sort.unit is unit


@pytest.mark.parametrize("written", ["8", "12.50", "A-1", "1-2-3-4", "010224", "Mon"])
def test_what_is_no_date_is_known(written: str) -> None:
    assert sort_of(written) is None


PIECES = [
    *("2024", "02", "1", "31", "60", "24", "99", "45323", "1706698800", "20240201", "0.34375", "8", "815"),
    *("-", "/", ".", ":", " ", ",", "+", "T", "Z", "E+12", "\u2212", "\u202f", "(", ")", "[", "]", "'"),
    *(
        "Feb",
        "Thu",
        "Uhr",
        "AM",
        "UTC",
        "CET",
        "Europe/Paris",
        "at ",
        "/Date(",
        "\u0664",
        "\u00b2",
        "\U0001f600",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), st.sampled_from([None, *DayOrder][:3]))
def test_any_text_is_read_or_refused(written: str, order: DayOrder | None) -> None:
    found = reader(order, told=order is not None)
    for value in (written, Dated(written, "8:15"), Dated("2024-02-01", written)):
        with suppress(Unreadable):
            found.read(value)
        assert is_instant(value) in (True, False)
    sort_of(written)
