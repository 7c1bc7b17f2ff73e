"""Business days and their boundaries, where the clock jumps and where it does not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.timestamps import instant_of
from models.settings import LedgerSettings
from models.state.calendar import (
    HOUR,
    LAST_DAY,
    MINUTE,
    Calendar,
    boundary_cause,
    calendar_of,
    date_of,
    date_text,
    day_number,
)


def calendar(time_zone: str, hour: int = 6) -> Calendar:
    return calendar_of(LedgerSettings(time_zone=time_zone, boundary_hour=hour))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


@given(number=st.integers(0, LAST_DAY))
def test_day_numbers_and_dates_lead_to_each_other(number: int) -> None:
    assert day_number(date_of(number)) == number
    assert date_text(number) == date_of(number).isoformat()
    assert boundary_cause(number) == f"boundary:{date_of(number)}"


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Havana"]
)
@given(moment=st.integers(ms("2000-01-01T12:00Z"), ms("2037-12-30T00:00Z")))
def test_a_business_day_is_the_local_date(zone: str, moment: int) -> None:
    local = datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).date()
    assert date_of(int(calendar(zone).days(np.array([moment]))[0])) == local


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"])
def test_days_and_boundaries_never_go_back(zone: str) -> None:
    known = calendar(zone)
    starts = [known.start(number) for number in range(LAST_DAY)]
    boundaries = [known.boundary(number) for number in range(LAST_DAY)]
    assert starts == sorted(starts)
    assert boundaries == sorted(boundaries)
    assert all(boundary > start for start, boundary in zip(starts, boundaries, strict=True))


def test_in_utc_day_d_closes_at_six_of_the_next() -> None:
    known = calendar("UTC")
    at = known.boundary(day("2017-03-05"))
    assert instant_of(at) == datetime(2017, 3, 6, 6, tzinfo=UTC)
    assert known.closed(at - 1) == day("2017-03-04")
    assert known.closed(at) == day("2017-03-05")


def test_in_new_york_an_evening_belongs_to_its_own_day() -> None:
    known = calendar("America/New_York")
    evening, morning = ms("2017-01-02T23:59:59.999-05:00"), ms("2017-01-03T00:00-05:00")
    assert known.days(np.array([evening, morning])).tolist() == [day("2017-01-02"), day("2017-01-03")]
    assert known.boundary(day("2017-01-02")) == ms("2017-01-03T06:00-05:00")


@pytest.mark.parametrize(("changes", "hours"), [("2017-03-12", 23), ("2017-11-05", 25), ("2017-06-01", 24)])
def test_a_day_on_which_the_clock_changes_has_another_length(changes: str, hours: int) -> None:
    known = calendar("America/New_York")
    number = day(changes)
    assert known.start(number + 1) - known.start(number) == hours * HOUR
    assert known.boundary(number) - known.boundary(number - 1) in (24 * HOUR, hours * HOUR)
    assert known.boundary(number) == ms(
        f"{date_of(number + 1)}T06:00" + ("-05:00" if hours == 25 else "-04:00")
    )


def test_a_boundary_at_an_hour_that_the_clock_skips_is_where_it_skips_to() -> None:
    known = calendar("America/New_York", hour=2)
    assert known.boundary(day("2017-03-11")) == ms("2017-03-12T03:00-04:00")


def test_a_boundary_at_an_hour_that_comes_twice_is_its_first() -> None:
    known = calendar("America/New_York", hour=1)
    assert known.boundary(day("2017-11-04")) == ms("2017-11-05T01:00-04:00")


def test_a_day_that_begins_in_a_skipped_hour_begins_where_the_clock_skips_to() -> None:
    known = calendar("America/Havana", hour=0)
    midnight = known.start(day("2017-03-12"))
    assert midnight == ms("2017-03-12T01:00-04:00")
    assert known.days(np.array([midnight - 1, midnight])).tolist() == [day("2017-03-11"), day("2017-03-12")]


def test_a_day_that_a_country_skipped_holds_nothing_and_closes_with_the_next() -> None:
    known = calendar("Pacific/Apia")
    skipped = day("2011-12-30")
    assert known.start(skipped) == known.start(skipped + 1)
    assert known.days(np.array([known.start(skipped)])).tolist() == [skipped + 1]
    assert known.closed(known.boundary(skipped)) >= skipped


@given(number=st.integers(0, LAST_DAY - 1), zone=st.sampled_from(["UTC", "America/New_York"]))
def test_a_watermark_closes_a_day_at_its_boundary_and_not_before(number: int, zone: str) -> None:
    known = calendar(zone)
    assert known.closed(known.boundary(number)) == number
    assert known.closed(known.boundary(number) - 1) == number - 1


@given(moment=st.integers(ms("2000-01-01T00:00Z"), ms("2100-12-31T23:59Z")))
def test_instants_keep_their_milliseconds(moment: int) -> None:
    assert (instant_of(moment) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) == moment


def test_the_calendar_of_a_service_is_computed_once() -> None:
    one = LedgerSettings(time_zone="America/New_York", boundary_hour=4)
    other = one.model_copy(update={"alert_daily_cap": 3})
    assert calendar_of(one) is calendar_of(other)
    assert MINUTE * 60 == HOUR
