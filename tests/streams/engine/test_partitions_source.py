"""What the service does when its source has jumped, has holes, or repeats itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import (
    EngineError,
    LogUnreadableError,
    SourceJumpedError,
)
from tests.support.kafka.fake_kafka import FakeConsumer, FakeLogs, until
from tests.support.partitions import SOURCES, clocks, fill, running

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition


async def test_a_source_that_jumped_ends_the_worker_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    logs = fill(FakeLogs(), 5)
    logs.committed[SOURCES[0]] = 3
    async with running(logs) as service:
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, SourceJumpedError)
        assert [
            record.levelname for record in caplog.records if record.name == "streams.process.shutdown"
        ] == ["CRITICAL"]


async def test_what_another_owner_commits_while_the_changelog_is_read_is_no_jump() -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs) as service:

        class Overtaken(FakeConsumer):
            """Another owner applies everything once the changelog is read."""

            async def stop(self) -> None:
                """End."""

            async def getmany(self, *partitions: TopicPartition, **options: Any) -> Any:
                """Fetch what is there, and let the other go on."""
                found = await super().getmany(*partitions, **options)
                logs.committed[SOURCES[0]] = 5
                return found

        async def reader() -> FakeConsumer:
            return Overtaken(logs)

        service.kafka.reader = reader  # type: ignore[method-assign] # for this one
        await service.assigned(SOURCES[0])
        assert service.reason is None


async def test_purchases_that_go_while_the_worker_runs_are_counted_and_end_it() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.hold(paused=True)
        await asyncio.sleep(0.1)
        fill(service.logs, 5)
        service.logs.cut(SOURCES[0], 8)
        service.hold(paused=False)
        await until(lambda: service.reason)
        assert "the purchases from 5 to 7 (3 of them) are gone unread" in str(service.reason)


async def test_a_gap_that_is_accepted_is_counted_and_left_out() -> None:
    async with running(fill(FakeLogs(), 5), accept_gap=True) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.hold(paused=True)
        await asyncio.sleep(0.1)
        fill(service.logs, 5)
        service.logs.cut(SOURCES[0], 8)
        service.hold(paused=False)
        await until(lambda: clocks(service.logs)[-1] == 9)
        assert service.counts.gap_accepted == 3


async def test_offsets_that_hold_no_record_are_no_gap() -> None:
    logs = fill(FakeLogs(), 5)
    del logs.records[SOURCES[0]][0]  # a marker, or compacted: the log still starts at 0
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) == [4])
        assert service.reason is None


@pytest.mark.parametrize("late", [slice(0, 3), slice(4, 6)], ids=["at the front", "in the middle"])
async def test_a_batch_that_shows_late_is_waited_for_where_logs_have_no_holes(late: slice) -> None:
    logs = fill(FakeLogs(), 8)
    whole = list(logs.records[SOURCES[0]])
    del logs.records[SOURCES[0]][late]  # appended by one producer, shown after another's
    async with running(logs, holes=False) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.counts.read_again > 0)
        assert all(offset < late.start for offset in clocks(logs))
        logs.records[SOURCES[0]] = whole
        await until(lambda: clocks(logs) and clocks(logs)[-1] == 7)
        assert service.counts.applied == 8
        assert service.reason is None


async def test_a_hole_that_never_fills_ends_the_worker_where_logs_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.engine.gaps.MOST_LOOKS", 3)
    logs = fill(FakeLogs(), 8)
    del logs.records[SOURCES[0]][4]
    async with running(logs, holes=False) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, LogUnreadableError)
        assert "cannot be read from offset 4 to 4: the log does not hold them" in str(service.reason)
        assert all(offset < 4 for offset in clocks(logs))


async def test_records_that_come_again_end_the_worker() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.kafka.group.positions[SOURCES[0]] = 2
        service.logs.changed.set()
        await until(lambda: service.reason)
        assert isinstance(service.reason, EngineError)
