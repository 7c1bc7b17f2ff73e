"""Counters and warnings in a worker's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.state.clock_row import ClockRow
from streams.engine.status_reporter import WARN_SECONDS
from streams.errors import EngineError
from tests.support.house import SOURCE, House

if TYPE_CHECKING:
    import pytest


def test_purchases_without_a_live_record_are_a_warning_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.partition.ledger.clock = ClockRow(wall=True, watermark=1)
    for _ in range(3):
        house.reporter.look_for_live()
    assert caplog.text.count("Partition 0 holds purchases and no `live` record") == 1
    house.clock.at += WARN_SECONDS
    house.reporter.look_for_live()
    assert caplog.text.count("holds purchases and no `live` record") == 2


def test_misrouted_records_beyond_one_in_a_hundred_name_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.counts.applied += 990
    house.counts.misrouted += 10
    house.reporter.look_for_misrouted()
    assert not caplog.text
    house.counts.misrouted += 1
    house.reporter.look_for_misrouted()
    assert "CARTPULSE_PARTITIONER=murmur2" in caplog.text


def test_the_report_has_the_counters_and_the_lag() -> None:
    house = House()
    house.counts.applied += 5
    for _ in range(3):
        house.logs.append(SOURCE, None, b"")
    assert house.reporter.report() == {"applied": 5, "lag": 3, "history": 0}


def test_while_history_is_loaded_it_says_that_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.reporter.look_for_history()
    assert not caplog.text
    house.partition.ledger.standing.sending = False
    house.partition.ledger.clock = ClockRow(wall=True)
    house.counts.suppressed += 7
    caplog.set_level("INFO")
    house.reporter.look_for_history()
    assert "Loading history, nothing is sent: 7 outputs so far" in caplog.text
    assert house.reporter.report()["history"] == 1


def test_once_live_it_says_no_more_though_nothing_later_has_come(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.partition.ledger.standing.sending = False
    house.partition.ledger.clock = ClockRow(wall=True, live_at=house.clock.now_ms() - 1)
    caplog.set_level("INFO")
    house.reporter.look_for_history()
    assert not caplog.text
    house.logs.append(SOURCE, None, b"")  # what is left of history
    house.reporter.look_for_history()
    assert "Loading history" in caplog.text


def test_a_partition_that_is_not_recovered_yet_is_not_asked_about_history() -> None:
    class PartitionOpener:
        reading = False

        @property
        def ledger(self) -> object:
            raise EngineError("partition 0 is not recovered yet")

    house = House()
    house.partition = PartitionOpener()
    assert house.reporter.history() == 0
    house.reporter.look_for_history()
