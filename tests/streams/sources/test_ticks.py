"""Ticks move a log's time past each business day, in order, and only by what the log holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.settings import LedgerSettings
from streams.sources.feed import Feed
from streams.sources.ticks import tick, with_ticks

NEW_YORK = LedgerSettings(time_zone="America/New_York")


def at(written: str) -> Feed:
    return Feed(b"c", written.encode(), int(datetime.fromisoformat(written).timestamp() * 1000))


def names(records: list[Feed]) -> list[str]:
    return [
        record.value.decode() if record.key else msgspec.json.decode(record.value)["event_id"]
        for record in records
    ]


def test_a_tick_carries_the_boundary_of_its_day_plus_the_lateness() -> None:
    record = tick(date(2017, 1, 1), NEW_YORK)
    assert record.key is None
    assert msgspec.json.decode(record.value) == {
        "kind": "tick",
        "event_id": "tick:2017-01-01",
        "occurred_at": "2017-01-02T12:00:00Z",
    }
    assert record.occurred_at == int(datetime(2017, 1, 2, 12, tzinfo=UTC).timestamp() * 1000)


def test_the_boundary_keeps_to_the_local_clock_when_summer_time_begins() -> None:
    winter, summer = tick(date(2017, 3, 10), NEW_YORK), tick(date(2017, 3, 11), NEW_YORK)
    assert summer.occurred_at - winter.occurred_at == 23 * 3_600_000


def test_one_tick_stands_before_the_first_record_and_one_after_the_last_day() -> None:
    records = [at("2017-01-01T11:53:26Z"), at("2017-01-02T03:00:00Z")]
    assert names(list(with_ticks(records, NEW_YORK))) == [
        "tick:2016-12-30",
        "2017-01-01T11:53:26Z",
        "tick:2016-12-31",
        "2017-01-02T03:00:00Z",
        "tick:2017-01-01",
    ]


def test_days_without_records_have_their_ticks_too() -> None:
    records = [at("2017-01-01T15:00:00Z"), at("2017-01-05T15:00:00Z")]
    assert names(list(with_ticks(records, NEW_YORK))) == [
        "tick:2016-12-31",
        "2017-01-01T15:00:00Z",
        "tick:2017-01-01",
        "tick:2017-01-02",
        "tick:2017-01-03",
        "tick:2017-01-04",
        "2017-01-05T15:00:00Z",
        "tick:2017-01-05",
    ]


def test_a_record_that_comes_late_stays_where_it_is_and_the_last_day_is_closed() -> None:
    records = [at("2017-01-01T15:00:00Z"), at("2017-01-03T15:00:00Z"), at("2017-01-02T15:00:00Z")]
    assert names(list(with_ticks(records, NEW_YORK))) == [
        "tick:2016-12-31",
        "2017-01-01T15:00:00Z",
        "tick:2017-01-01",
        "tick:2017-01-02",
        "2017-01-03T15:00:00Z",
        "2017-01-02T15:00:00Z",
        "tick:2017-01-03",
    ]


def test_no_records_give_no_ticks() -> None:
    assert list(with_ticks([], NEW_YORK)) == []


@settings(deadline=None)  # a machine under load is no fault of the code
@given(st.lists(st.integers(1_483_271_606, 1_493_271_606), min_size=1, max_size=30))
def test_time_never_goes_back_and_no_record_is_lost(seconds: list[int]) -> None:
    records = [Feed(b"c", b"", second * 1000) for second in sorted(seconds)]
    log = list(with_ticks(records, NEW_YORK))
    times = [record.occurred_at for record in log]
    assert times == sorted(times)
    assert [record for record in log if record.key] == records
    assert log[0].key is None
    assert log[-1].key is None
    ticks = [record.occurred_at for record in log if record.key is None]
    assert len(set(ticks)) == len(ticks)
    assert max(b - a for a, b in pairwise(ticks)) <= 25 * 3_600_000
