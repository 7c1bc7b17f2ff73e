"""What the service does with record batches that cannot be decoded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from models.contracts.events import DeadLetter
from streams.errors import CodecMissingError, LogUnreadableError
from streams.kafka.log.batches import BrokenBatch
from streams.process.exit_status import Status, status_of
from tests.support.kafka.fake_kafka import FakeLogs, until
from tests.support.kafka.raw_batches import batch, of_length, of_unknown_codec, of_wrong_checksum
from tests.support.partitions import SETTINGS, SOURCES, clocks, fill, running

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from streams.kafka.log.walk import Fetched


def letters(logs: FakeLogs) -> list[tuple[DeadLetter, Any]]:
    """The dead letters, with their records."""
    return [
        (DeadLetter.from_headers(record.headers), record)  # type: ignore[arg-type] # ours have values
        for place, records in logs.records.items()
        if place.topic == SETTINGS.dead_letters_topic
        for record in records
    ]


def with_a_broken_batch(before: int, after: int, *, source: TopicPartition = SOURCES[0]) -> FakeLogs:
    """A log that holds a batch of four offsets compressed with a codec that there is none of."""
    logs = fill(FakeLogs(), before, source=source)
    logs.append_broken(source, of_unknown_codec(batch(before, [b"x"] * 4)), 4)
    return fill(logs, after, source=source)


@pytest.mark.parametrize("before", [0, 5, 25])
async def test_it_goes_to_the_dead_letters_whole_and_the_records_around_it_are_applied_once(
    before: int,
) -> None:
    logs = with_a_broken_batch(before, 5)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) and clocks(logs)[-1] == before + 8)
        assert service.counts.applied == before + 5 + 1  # the letter is accounted for, too
        assert service.counts.broken_batches == service.counts.dead_letters["batch"] == 1
        assert service.reason is None
    ((told, record),) = letters(logs)
    assert (told.stage, told.error, told.partition) == ("decode", "batch", 0)
    assert (told.offset, told.last_offset) == (before, before + 3)
    assert f"{before} to {before + 3}, cannot be decoded: it is compressed with codec 6" in told.reason
    assert (record.key, record.value) == (None, of_unknown_codec(batch(before, [b"x"] * 4)))


async def test_a_restart_behind_it_goes_on_and_writes_no_second_letter() -> None:
    logs = with_a_broken_batch(3, 0)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) and clocks(logs)[-1] == 6)
    fill(logs, 2)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs)[-1] == 8)
        assert service.counts.applied == 2
    assert len(letters(logs)) == 1


async def test_one_partition_loses_nothing_by_what_another_holds() -> None:
    logs = with_a_broken_batch(5, 5, source=SOURCES[1])
    fill(logs, 30)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.counts.applied == 41)
        assert service.counts.broken_batches == 1
        assert service.reason is None


async def test_a_batch_that_arrives_damaged_is_fetched_again_before_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.log.salvage.PAUSE_SECONDS", 0)
    logs = fill(FakeLogs(), 5)
    good, failures = logs.fetch, [1, 2]

    async def fetch(place: TopicPartition, offset: int, most: int = 1 << 20) -> Fetched:
        fetched = await good(place, offset, most)
        if place == SOURCES[0] and failures:
            failures.pop()
            return type(fetched)(of_wrong_checksum(fetched.data[:70]) + fetched.data[70:], fetched.end)
        return fetched

    async with running(logs) as service:
        service.logs.fetch = fetch  # type: ignore[method-assign] # for this one
        once = service.kafka.group.getmany
        raised: list[int] = []

        async def getmany(*places: Any, **options: Any) -> Any:
            if places and not raised:
                raised.append(1)
                raise CorruptRecordException
            return await once(*places, **options)

        service.kafka.group.getmany = getmany  # type: ignore[method-assign] # for this one
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) == [4] or service.reason)
        assert (service.counts.applied, service.counts.broken_batches, failures) == (5, 0, [])


async def test_a_length_that_cannot_be_believed_ends_the_worker_and_names_the_way_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.log.salvage.PAUSE_SECONDS", 0)
    logs = fill(FakeLogs(), 5)
    logs.append_broken(SOURCES[0], of_length(batch(5, [b"x"] * 4), 1 << 30), 4)
    fill(logs, 3)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, LogUnreadableError)
        assert status_of(service.reason) == Status.REFUSED
        assert "purchases[0] cannot be read from offset 5 to 8" in str(service.reason)
        assert "`--accept-gap` goes on at offset 9" in str(service.reason)
    assert clocks(logs) == [4]
    async with running(logs, accept_gap=True) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs)[-1] == 11)
        assert (service.counts.gap_accepted, service.counts.applied) == (4, 3)
        assert service.reason is None
    assert letters(logs) == []


async def test_a_codec_that_is_not_installed_is_no_fault_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = fill(FakeLogs(), 2)
    logs.append_broken(SOURCES[0], batch(2, [b"x"] * 4, codec=4), 4)
    monkeypatch.setattr("aiokafka.codec.cramjam", None)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, CodecMissingError)
        assert status_of(service.reason) == Status.REFUSED
        assert "a batch compressed with zstd at offset 2" in str(service.reason)
    assert letters(logs) == []


async def test_offsets_that_no_batch_accounts_for_are_not_taken_for_markers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.log.salvage.PAUSE_SECONDS", 0)
    logs = fill(FakeLogs(), 8)
    del logs.records[SOURCES[0]][3:5]
    async with running(logs) as service:
        logs.marked = False
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, LogUnreadableError)
        assert "cannot be read from offset 3 to 4: the log does not hold them" in str(service.reason)


async def test_a_changelog_that_cannot_be_decoded_ends_the_worker_with_the_place_and_the_way_on() -> None:
    from tests.support.partitions import CHANGELOGS  # noqa: PLC0415 - of this test alone

    logs = fill(FakeLogs(), 3)
    logs.append_broken(CHANGELOGS[0], of_unknown_codec(batch(0, [b"x"] * 4)), 4)
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert status_of(service.reason or Exception()) == Status.REFUSED
        assert "[0] holds at offset 0 to 3 a batch that cannot be decoded" in str(service.reason)
        assert "`cartpulse reset`" in str(service.reason)


async def test_a_log_that_has_more_and_gives_nothing_is_read_by_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.engine.fetching.SILENCE_SECONDS", 0)
    logs = fill(FakeLogs(), 5)
    async with running(logs) as service:

        async def getmany(*_: Any, **__: Any) -> Any:
            await asyncio.sleep(0.01)  # a broker that finds nothing
            return {}

        service.kafka.group.getmany = getmany  # type: ignore[method-assign] # for this one
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) == [4])
        assert service.reason is None


async def test_a_consumer_that_a_batch_has_led_beyond_the_end_is_brought_back() -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs) as service:
        once, raised = service.kafka.group.getmany, list[int]()

        async def getmany(*places: Any, **options: Any) -> Any:
            if SOURCES[0] in places and not raised:
                raised.append(1)
                raise OffsetOutOfRangeError({SOURCES[0]: 1 << 40})
            return await once(*places, **options)

        service.kafka.group.getmany = getmany  # type: ignore[method-assign] # for this one
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) == [4] or service.reason)
        assert (service.counts.applied, service.reason) == (5, None)


def test_a_broken_batch_has_what_is_looked_at_in_a_record() -> None:
    broken = BrokenBatch("purchases", 0, 3, 5, b"bytes", "it is broken")
    assert broken.where == "purchases[0], offsets 3 to 5"
    assert (broken.key, broken.headers, broken.timestamp) == (None, (), -1)
