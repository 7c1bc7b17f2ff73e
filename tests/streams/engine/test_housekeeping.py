"""What a worker does once a second."""

from __future__ import annotations

import asyncio
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from models.records.columns import UNKNOWN_TIME, Kind
from models.records.control import tick
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from models.state.clock_row import ClockRow
from streams.delivery.lease import Epoch, Lease
from streams.delivery.outbox import Outbox
from streams.engine.housekeeping import TICK_AGAIN_SECONDS, WARN_SECONDS, Housekeeping
from streams.errors import EngineFault
from streams.membership.lag import LagTracker
from streams.metrics import Counts
from streams.sources import ticks
from tests.support.fake_kafka import FakeClock, FakeConsumer, FakeLogs, FakeProducer

SOURCE = TopicPartition("purchases", 0)
SETTINGS = LedgerSettings(time_zone="America/New_York", lateness_minutes=90)
DUE = 1_488_803_400_000
"""2017-03-06T12:30:00Z: 06:00 in New York, when business day 2017-03-05 closes, and an hour and a half."""


class House:
    """Housekeeping over one partition that is read to its end."""

    def __init__(self) -> None:
        self.clock, self.logs, self.counts = FakeClock(), FakeLogs(), Counts()
        self.consumer = FakeConsumer(self.logs)
        self.consumer.positions[SOURCE] = 0
        self.ends = LagTracker(self.consumer, holes=True)
        epoch = Epoch(Lease(self.clock, 1e9))
        epoch.lease.renew(self.clock.elapsed())
        self.partition: Any = SimpleNamespace(
            number=0,
            source=SOURCE,
            epoch=epoch,
            reading=True,
            drained=True,
            expected=0,
            ticked=None,
            opened=False,
            under_way_since=None,
            delivery=SimpleNamespace(acknowledged=0),
            ledger=SimpleNamespace(
                tick_due=lambda _: DUE,
                standing=SimpleNamespace(sending=True),
                clock=ClockRow(),
            ),
        )
        self.keeping = Housekeeping(
            lambda: [self.partition],
            settings=SETTINGS,
            sent=Outbox(FakeProducer(self.logs), deadline=5),
            clock=self.clock,
            counts=self.counts,
            ends=self.ends,
        )

    def ticks(self) -> int:
        """How many were written."""
        return len(self.logs.records[SOURCE])


async def test_a_tick_that_is_due_is_written_once_to_the_partition() -> None:
    house = House()
    await house.keeping.tick(house.partition)
    house.partition.expected = 1
    await house.keeping.tick(house.partition)
    assert house.ticks() == 1
    (record,) = house.logs.records[SOURCE]
    records, refusals = Decoder(SETTINGS).decode([Raw(0, record.value, UNKNOWN_TIME)])
    assert not refusals
    assert records.kinds.tolist() == [Kind.TICK]
    assert records.occurred_at.tolist() == [DUE]
    assert records.event_ids == ["tick:2017-03-05"]


async def test_a_partition_that_is_not_read_to_its_end_gets_no_tick() -> None:
    house = House()
    house.logs.append(SOURCE, b"c", b"a purchase of the closing day")
    await house.keeping.tick(house.partition)
    house.partition.expected, house.partition.drained = 1, False
    await house.keeping.tick(house.partition)
    assert house.ticks() == 1


async def test_a_tick_that_the_ledger_refused_is_written_again_when_its_time_may_have_come() -> None:
    house = House()
    await house.keeping.tick(house.partition)
    house.partition.expected = 1
    house.clock.at += TICK_AGAIN_SECONDS - 1
    await house.keeping.tick(house.partition)
    assert house.ticks() == 1
    house.clock.at += 1
    await house.keeping.tick(house.partition)
    assert house.ticks() == 2


async def test_an_empty_partition_on_the_wall_clock_goes_live_once() -> None:
    house = House()
    house.partition.ledger.clock = ClockRow(wall=True)
    house.clock.at = 1_500_000_000.25
    house.partition.epoch.lease.renew(house.clock.elapsed())
    await house.keeping.go_live(house.partition)
    house.partition.expected = 1
    await house.keeping.go_live(house.partition)
    (record,) = house.logs.records[SOURCE]
    records, refusals = Decoder(SETTINGS).decode([Raw(0, record.value, UNKNOWN_TIME)])
    assert not refusals
    assert records.kinds.tolist() == [Kind.LIVE]
    assert records.occurred_at.tolist() == [1_500_000_000_000]


@pytest.mark.parametrize(
    "clock",
    [
        ClockRow(),
        ClockRow(wall=True, live_at=1),
        ClockRow(wall=True, watermark=1),
    ],
    ids=["on the log clock", "live already", "with purchases"],
)
async def test_other_partitions_get_no_live_record(clock: ClockRow) -> None:
    house = House()
    house.partition.ledger.clock = clock
    await house.keeping.go_live(house.partition)
    assert house.ticks() == 0


async def test_a_partition_that_is_not_read_to_its_end_gets_no_live_record() -> None:
    house = House()
    house.partition.ledger.clock = ClockRow(wall=True)
    house.logs.append(SOURCE, b"c", b"a purchase made before any worker ran")
    await house.keeping.go_live(house.partition)
    assert house.ticks() == 1


def test_purchases_without_a_live_record_are_a_warning_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.partition.ledger.clock = ClockRow(wall=True, watermark=1)
    for _ in range(3):
        house.keeping.look_for_live()
    assert caplog.text.count("Partition 0 holds purchases and no `live` record") == 1
    house.clock.at += WARN_SECONDS
    house.keeping.look_for_live()
    assert caplog.text.count("holds purchases and no `live` record") == 2


async def test_a_log_that_ends_with_a_marker_gets_its_tick() -> None:
    house = House()
    house.logs.append(SOURCE, b"c", b"a purchase")
    house.logs.mark(SOURCE)
    house.partition.expected = 1
    await house.ends.look(house.partition)
    await house.keeping.tick(house.partition)
    assert house.ticks() == 1, "its marker is not passed yet"
    house.consumer.positions[SOURCE] = 2
    await house.ends.look(house.partition)
    await house.keeping.tick(house.partition)
    assert house.ticks() == 2


async def test_a_partition_that_went_away_gets_no_tick() -> None:
    house = House()
    house.partition.epoch.end()
    await house.keeping.tick(house.partition)
    assert house.ticks() == 0


async def test_a_tick_that_may_not_be_sent_does_not_keep_the_house_waiting() -> None:
    house = House()
    house.clock.at += 1e9
    async with asyncio.timeout(5):
        await house.keeping.tick(house.partition)
    assert house.ticks() == 0
    house.partition.epoch.lease.renew(house.clock.elapsed())
    await house.keeping.tick(house.partition)
    assert house.ticks() == 1


async def test_nothing_is_written_when_nothing_is_due() -> None:
    house = House()
    house.partition.ledger.tick_due = lambda _: None
    await house.keeping.tick(house.partition)
    assert house.ticks() == 0


def test_an_owners_tick_is_the_same_event_as_a_sources() -> None:
    decoder = Decoder(SETTINGS)
    day = date(2017, 3, 5)
    both = [Raw(0, tick(DUE, SETTINGS), UNKNOWN_TIME), Raw(1, ticks.tick(day, SETTINGS).value, UNKNOWN_TIME)]
    records, _ = decoder.decode(both)
    assert records.event_ids[0] == records.event_ids[1]
    assert records.occurred_at[0] == records.occurred_at[1]


def test_misrouted_records_beyond_one_in_a_hundred_name_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.counts.add("applied", 990)
    house.counts.add("misrouted", 10)
    house.keeping.look_for_misrouted()
    assert not caplog.text
    house.counts.add("misrouted", 1)
    house.keeping.look_for_misrouted()
    assert "CARTPULSE_PARTITIONER=murmur2" in caplog.text


def test_the_report_has_the_counters_and_the_lag() -> None:
    house = House()
    house.counts.add("applied", 5)
    for _ in range(3):
        house.logs.append(SOURCE, None, b"")
    assert house.keeping.report() == {"applied": 5, "lag": 3, "history": 0}


def test_while_history_is_loaded_it_says_that_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.keeping.look_for_history()
    assert not caplog.text
    house.partition.ledger.standing.sending = False
    house.partition.ledger.clock = ClockRow(wall=True)
    house.counts.add("suppressed", 7)
    caplog.set_level("INFO")
    house.keeping.look_for_history()
    assert "Loading history, nothing is sent: 7 outputs so far" in caplog.text
    assert house.keeping.report()["history"] == 1


def test_once_live_it_says_no_more_though_nothing_later_has_come(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.partition.ledger.standing.sending = False
    house.partition.ledger.clock = ClockRow(wall=True, live_at=house.clock.now_ms() - 1)
    caplog.set_level("INFO")
    house.keeping.look_for_history()
    assert not caplog.text
    house.logs.append(SOURCE, None, b"")  # what is left of history
    house.keeping.look_for_history()
    assert "Loading history" in caplog.text


def test_a_partition_that_is_not_recovered_yet_is_not_asked_about_history() -> None:
    class PartitionOpener:
        reading = False

        @property
        def ledger(self) -> object:
            raise EngineFault("partition 0 is not recovered yet")

    house = House()
    house.partition = PartitionOpener()
    assert house.keeping.history() == 0
    house.keeping.look_for_history()
