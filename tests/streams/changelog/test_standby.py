"""Standbys: copies that follow others' partitions, write nothing, and are taken over with what they know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.memory.rows import CLOCK_KEY, partition_row
from tests.streams.changelog.test_checkpoints import settled
from tests.support.kafka.fake_kafka import FakeLogs, until
from tests.support.partitions import CHANGELOGS, SOURCES, Service, clocks, fill, running

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def warm_at(service: Service, logs: FakeLogs) -> bool:
    """Whether the standby of the first partition has taken all rows."""
    warm = service.running.standbys._warm.get(0)
    return warm is not None and warm.position == logs.end(CHANGELOGS[0]) > 0 and warm.sound


async def test_a_takeover_reads_only_what_the_standby_has_not_taken() -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs, standby_partitions=1) as standby, running(logs) as owner:
        await standby.assigned(SOURCES[1])
        await owner.assigned(SOURCES[0])
        await settled(owner, 24)
        await until(lambda: warm_at(standby, logs))
        fill(logs, 5)
        await settled(owner, 29)
        await until(lambda: warm_at(standby, logs))
        read = standby.counts.rows_recovered
        await owner.kafka.group.listener.on_partitions_revoked(set())
        await standby.assigned(*SOURCES)
        assert standby.counts.rows_recovered == read
        assert standby.owned[0].ledger.clock.offset == 29
        assert standby.owned[0].ledger.describe(b"c0") == {"events": 10}
        assert not standby.running.standbys._warm
        fill(logs, 5)
        await settled(standby, 34)
        assert standby.counts.standby_rows > 0


async def test_a_standby_writes_nothing() -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs) as owner:
        await owner.assigned(SOURCES[0])
        await settled(owner, 24)
    rows = list(logs.records[CHANGELOGS[0]])
    async with running(logs, standby_partitions=2) as standby:
        await standby.assigned()
        await until(lambda: warm_at(standby, logs))
        assert not standby.kafka.rows.sent
        assert not standby.kafka.outputs.sent
    assert logs.records[CHANGELOGS[0]] == rows


async def test_what_a_zombie_wrote_last_is_written_again_at_the_takeover() -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs, standby_partitions=1) as standby:
        async with running(logs) as owner:
            await owner.assigned(SOURCES[0])
            await settled(owner, 24)
            await standby.assigned(SOURCES[1])
            await until(lambda: warm_at(standby, logs))
        good = {record.key: record.value for record in logs.records[CHANGELOGS[0]]}
        for record in logs.records[CHANGELOGS[0]][:2]:
            logs.append(CHANGELOGS[0], record.key, record.value)
        logs.append(CHANGELOGS[0], CLOCK_KEY, good[CLOCK_KEY])
        await until(lambda: warm_at(standby, logs))
        await standby.assigned(*SOURCES)
        await until(lambda: standby.owned[0].idle)
        assert {record.key: record.value for record in logs.records[CHANGELOGS[0]]} == good
        assert standby.counts.rows_corrected == 2


async def test_a_partition_that_cannot_be_read_is_followed_no_more_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs, standby_partitions=1) as standby:
        async with running(logs) as owner:
            await owner.assigned(SOURCES[0])
            await settled(owner, 4)
        await standby.assigned(SOURCES[1])
        await until(lambda: warm_at(standby, logs))
        logs.append(CHANGELOGS[0], b"c", b"\x63\0" + partition_row(b"", offset=9, boundary=0)[2:])
        await until(lambda: 0 in standby.running.standbys._given_up)
        assert standby.reason is None
    assert "is not followed any more" in caplog.text


async def test_a_ledger_kept_from_an_assignment_goes_on_as_a_standby() -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs, standby_partitions=1) as service:
        await service.assigned(*SOURCES)
        await settled(service, 24)
        ledger = service.owned[0].ledger
        await service.assigned(SOURCES[1])
        async with running(logs) as other:
            await other.assigned(SOURCES[0])
            fill(logs, 5)
            await settled(other, 29)
        await until(lambda: warm_at(service, logs))
        await service.assigned(*SOURCES)
        assert service.owned[0].ledger is ledger
        assert clocks(logs)[-1] == ledger.clock.offset == 29


async def test_a_standby_begins_with_the_checkpoint_if_there_is_one(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs, checkpoint_dir=tmp_path) as owner:
        await owner.assigned(SOURCES[0])
        await settled(owner, 24)
    async with running(logs, standby_partitions=1, checkpoint_dir=tmp_path) as standby:
        await standby.assigned(SOURCES[1])
        await until(lambda: 0 in standby.running.standbys._warm)
        assert standby.running.standbys._warm[0].ledger.clock.offset == 24


async def test_standbys_follow_as_many_of_the_others_as_they_are_told_always_the_same() -> None:
    async with running(partitions=9, standby_partitions=3, group_instance_id="one") as service:
        standbys = service.running.standbys
        assert standbys.wanted() == []
        standbys._owned = frozenset({1, 2})
        wanted = standbys.wanted()
        assert len(wanted) == 3
        assert not {1, 2} & set(wanted)
        standbys._owned = frozenset({1, 2, wanted[0]})
        assert standbys.wanted()[:2] == wanted[1:]
        standbys._owned = frozenset(range(8))
        assert standbys.wanted() == [8]
        standbys._owned = None
