"""Times of day in a column of their own are read as the whole column means them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from streams.sources.values.evidence import Unreadable
from streams.sources.values.times_of_day import ClockDigits, ClockEvidence, ClockReading


def evidence(*values: object, told: ClockDigits | None = None) -> ClockEvidence:
    found = ClockEvidence(told)
    for number, value in enumerate(values, 2):
        found.note(value, number)
    return found


def read(*values: object, told: ClockDigits | None = None) -> list[str]:
    reading, question = evidence(*values, told=told).decide()
    assert question == ""
    return [reading.read(value).shown for value in values]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("8", "08:00:00"),
        ("08", "08:00:00"),
        ("815", "08:15:00"),
        ("0815", "08:15:00"),
        ("081530", "08:15:30"),
        ("81530", "08:15:30"),
        ("8:15", "08:15:00"),
        ("08:15:30.250", "08:15:30"),
        ("8.15", "08:15:00"),
        ("8.15.30", "08:15:30"),
        ("8:15 PM", "20:15:00"),
        ("12:15 a.m.", "00:15:00"),
        ("8 pm", "20:00:00"),
        ("8.15 PM", "20:15:00"),
        ("8:15 p. m.", "20:15:00"),
        ("8h15", "08:15:00"),
        ("8 Uhr", "08:00:00"),
        ("8:15 Uhr", "08:15:00"),
        ("8.15 Uhr", "08:15:00"),
        ("0.34375", "08:15:00"),
        ("0,34375", "08:15:00"),
        ("0.343749999999", "08:15:00"),
        ("0.999999999999", "24:00:00"),
        ("0", "00:00:00"),
        ("24:00", "24:00:00"),
        ("2400", "24:00:00"),
        ("23:59:60", "23:59:60"),
        ("1899-12-30 08:15:00", "08:15:00"),
        ("1970-01-01T08:15:00", "08:15:00"),
        ("12/30/1899 8:15:00 AM", "08:15:00"),
        ("30.12.1899 08:15:00", "08:15:00"),
        ("1/0/1900 8:15", "08:15:00"),
        ("2024-02-01 08:15", "08:15:00"),
        (8, "08:00:00"),
        (815.0, "08:15:00"),
        (0.34375, "08:15:00"),
        (time(8, 15), "08:15:00"),
        (timedelta(hours=8, minutes=15), "08:15:00"),
        (datetime(1899, 12, 30, 8, 15), "08:15:00"),  # noqa: DTZ001 - local by intent
        (datetime(2024, 2, 1, 8, 15, tzinfo=UTC), "08:15:00"),
    ],
)
def test_a_time_by_itself_is_read(value: object, shown: str) -> None:
    assert ClockReading().read(value, (2024, 2, 1)).shown == shown


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("25", "no time of day"),
        ("875", "no time of day"),
        ("25:00", "no time of day"),
        ("24:01", "no time of day"),
        ("8:60", "no time of day"),
        ("13 PM", "no hour 13"),
        ("noon", "no time of day"),
        ("1234567", "no time of day"),
        ("8.5", "hours and minutes or parts of an hour"),
        ("2024-02-02 08:15", "no time of day"),
        ("8:15 +99:00", "no offset"),
        (" " * 100_000, "no time of day"),
        (True, "no time of day"),
    ],
)
def test_what_is_no_time_is_refused_and_the_field_named(value: object, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as refused:
        ClockReading().read(value, (2024, 2, 1))
    assert refused.value.field == "time"


def test_an_offset_counts() -> None:
    assert ClockReading().read("08:15+05:30").offset is not None
    assert ClockReading().read("08:15Z").offset is UTC


def test_a_column_of_hours_is_read_as_hours() -> None:
    assert read("8", "17", "0") == ["08:00:00", "17:00:00", "00:00:00"]


def test_a_number_that_is_no_hour_tells_that_zeros_are_lost() -> None:
    assert read("8", "45", "815", "1631") == ["00:08:00", "00:45:00", "08:15:00", "16:31:00"]
    assert read("8", "815", "3059", "81530") == ["00:00:08", "00:08:15", "00:30:59", "08:15:30"]


@pytest.mark.parametrize("other", ["8:15", "081530", "09", "8:15 PM"])
def test_a_zero_that_was_kept_or_a_colon_tells_that_hours_come_first(other: str) -> None:
    assert read("8", "815", other)[:2] == ["08:00:00", "08:15:00"]


def test_what_no_other_value_tells_is_asked_in_one_question() -> None:
    found = evidence("815", "8", "1631", "unknown", "?")
    reading, question = found.decide()
    assert "1 values such as '8' in line 3 may be 08:00, or 00:08 if leading zeros are lost" in question
    assert "--times hours-first" in question
    with pytest.raises(Unreadable, match="--times"):
        reading.read("8")
    assert reading.read("815").shown == "08:15:00"
    assert read("815", "8", told=ClockDigits.HOURS_FIRST)[1] == "08:00:00"
    assert read("815", "8", told=ClockDigits.ZEROS_LOST)[1] == "00:08:00"


def test_decimal_hours_beside_others_are_refused() -> None:
    reading, _ = evidence("8.15", "8.5", "8.75").decide()
    for value in ("8.15", "8.5", "8.75"):
        with pytest.raises(Unreadable, match="parts of an hour"):
            reading.read(value)


def test_a_quarter_past_midnight_is_no_part_of_a_day_where_times_have_points() -> None:
    assert read("8.15", "0.15") == ["08:15:00", "00:15:00"]
    assert read("0.25", "0.15") == ["06:00:00", "03:36:00"]


def test_a_reading_that_is_special_is_said() -> None:
    found = evidence("8", "45", "815")
    reading, _ = found.decide()
    assert found.remarks(reading) == ["Times of digits alone are read with zeros-lost: 8 is 00:08:00."]
    plain = evidence("8:15", "9:15")
    assert plain.remarks(plain.decide()[0]) == []
