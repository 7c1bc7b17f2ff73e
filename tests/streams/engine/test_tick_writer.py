"""The records of the wall clock: when they are written, and when not."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from models.records.columns import UNKNOWN_TIME, Kind
from models.records.control import tick
from models.records.decoder import Decoder, Raw
from models.state.clock_row import ClockRow
from streams.engine.tick_writer import TICK_AGAIN_SECONDS
from streams.sources import ticks
from tests.support.house import DUE, SETTINGS, SOURCE, House


async def test_a_tick_that_is_due_is_written_once_to_the_partition() -> None:
    house = House()
    await house.writer.tick(house.partition)
    house.partition.expected = 1
    await house.writer.tick(house.partition)
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
    await house.writer.tick(house.partition)
    house.partition.expected, house.partition.drained = 1, False
    await house.writer.tick(house.partition)
    assert house.ticks() == 1


async def test_a_tick_that_the_ledger_refused_is_written_again_when_its_time_may_have_come() -> None:
    house = House()
    await house.writer.tick(house.partition)
    house.partition.expected = 1
    house.clock.at += TICK_AGAIN_SECONDS - 1
    await house.writer.tick(house.partition)
    assert house.ticks() == 1
    house.clock.at += 1
    await house.writer.tick(house.partition)
    assert house.ticks() == 2


async def test_an_empty_partition_on_the_wall_clock_goes_live_once() -> None:
    house = House()
    house.partition.ledger.clock = ClockRow(wall=True)
    house.clock.at = 1_500_000_000.25
    house.partition.epoch.lease.renew(house.clock.elapsed())
    await house.writer.go_live(house.partition)
    house.partition.expected = 1
    await house.writer.go_live(house.partition)
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
    await house.writer.go_live(house.partition)
    assert house.ticks() == 0


async def test_a_partition_that_is_not_read_to_its_end_gets_no_live_record() -> None:
    house = House()
    house.partition.ledger.clock = ClockRow(wall=True)
    house.logs.append(SOURCE, b"c", b"a purchase made before any worker ran")
    await house.writer.go_live(house.partition)
    assert house.ticks() == 1


async def test_a_log_that_ends_with_a_marker_gets_its_tick() -> None:
    house = House()
    house.logs.append(SOURCE, b"c", b"a purchase")
    house.logs.mark(SOURCE)
    house.partition.expected = 1
    await house.lag.look(house.partition)
    await house.writer.tick(house.partition)
    assert house.ticks() == 1, "its marker is not passed yet"
    house.consumer.positions[SOURCE] = 2
    await house.lag.look(house.partition)
    await house.writer.tick(house.partition)
    assert house.ticks() == 2


async def test_a_partition_that_went_away_gets_no_tick() -> None:
    house = House()
    house.partition.epoch.end()
    await house.writer.tick(house.partition)
    assert house.ticks() == 0


async def test_a_tick_that_may_not_be_sent_does_not_keep_the_house_waiting() -> None:
    house = House()
    house.clock.at += 1e9
    async with asyncio.timeout(5):
        await house.writer.tick(house.partition)
    assert house.ticks() == 0
    house.partition.epoch.lease.renew(house.clock.elapsed())
    await house.writer.tick(house.partition)
    assert house.ticks() == 1


async def test_nothing_is_written_when_nothing_is_due() -> None:
    house = House()
    house.partition.ledger.tick_due = lambda _: None
    await house.writer.tick(house.partition)
    assert house.ticks() == 0


def test_an_owners_tick_is_the_same_event_as_a_sources() -> None:
    decoder = Decoder(SETTINGS)
    day = date(2017, 3, 5)
    both = [Raw(0, tick(DUE, SETTINGS), UNKNOWN_TIME), Raw(1, ticks.tick(day, SETTINGS).value, UNKNOWN_TIME)]
    records, _ = decoder.decode(both)
    assert records.event_ids[0] == records.event_ids[1]
    assert records.occurred_at[0] == records.occurred_at[1]
