"""Numbers are known for what they count by their size alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from streams.sources.values.counted import Unit, counted, digits_of, has_lost_digits


@pytest.mark.parametrize(
    ("text", "unit", "instant"),
    [
        ("946684800", Unit.SECONDS, "2000-01-01T00:00:00+00:00"),
        ("1706698800", Unit.SECONDS, "2024-01-31T11:00:00+00:00"),
        ("1706698800.123", Unit.SECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("1706698800,123456789", Unit.SECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("946684800000", Unit.MILLISECONDS, "2000-01-01T00:00:00+00:00"),
        ("1706698800123", Unit.MILLISECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("1706698800123.75", Unit.MILLISECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("1706698800123456", Unit.MICROSECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("1706698800123456789", Unit.NANOSECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("1.706698800123E+12", Unit.MILLISECONDS, "2024-01-31T11:00:00.123000+00:00"),
        ("/Date(1706698800123)/", Unit.MILLISECONDS, "2024-01-31T11:00:00.123000+00:00"),
        (r"\/Date(1706698800123+0100)\/", Unit.MILLISECONDS, "2024-01-31T11:00:00.123000+00:00"),
    ],
)
def test_counts_since_1970_are_read_to_the_millisecond(text: str, unit: Unit, instant: str) -> None:
    found = counted(text)
    assert found is not None
    assert (found.unit, found.instant.isoformat()) == (unit, instant)


@pytest.mark.parametrize(
    ("text", "local", "is_date"),
    [
        ("45323", "2024-02-01T00:00:00", True),
        ("45323.0", "2024-02-01T00:00:00", True),
        ("45323.4166666667", "2024-02-01T10:00:00", False),
        ("45323,75", "2024-02-01T18:00:00", False),
        ("45322.99999999999", "2024-02-01T00:00:00", False),
    ],
)
def test_serial_dates_are_local_days_of_a_spreadsheet(text: str, local: str, *, is_date: bool) -> None:
    found = counted(text)
    assert found is not None
    assert (found.unit, found.local.isoformat(), found.is_date) == (Unit.DAYS, local, is_date)


@pytest.mark.parametrize(
    "text",
    [
        "20240201",
        "202402010815",
        "20240201081500",
        "202402",
        "8",
        "12345",
        "99999",
        "1.7067E+12",
        "-1706698800",
        "",
    ],
)
def test_other_digits_count_nothing(text: str) -> None:
    assert counted(text) is None


def test_a_count_that_a_spreadsheet_shortened_is_known() -> None:
    assert has_lost_digits("1.7067E+12")
    assert not has_lost_digits("1.706698800123E+12")
    assert not has_lost_digits("1706698800")


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (1706698800123456, "1706698800123456"),
        (1.7066988e18, "1706698800000000000"),
        (45323.5, "45323.5"),
        (Decimal("45323.50"), "45323.5"),
        (True, None),
        (float("nan"), None),
        (1e300, None),
        ("45323", None),
        (None, None),
    ],
)
def test_numbers_are_written_in_full(value: object, digits: str | None) -> None:
    assert digits_of(value) == digits
