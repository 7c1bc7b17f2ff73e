"""Checkpoints of a worker: written beside its work, taken up at a restart, thrown away if they do not fit."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from streams.changelog.recovery import PositionedLedger
from tests.support.kafka.fake_kafka import FakeLogs, until
from tests.support.partitions import CHANGELOGS, SOURCES, Service, clocks, fill, running

if TYPE_CHECKING:
    from pathlib import Path


async def settled(service: Service, offset: int) -> None:
    """Wait until the purchases up to an offset are applied and acknowledged."""
    await until(lambda: clocks(service.logs) and clocks(service.logs)[-1] == offset)
    await until(lambda: service.owned[0].idle)


def end_abruptly(service: Service) -> None:
    """Let no checkpoint be written at the stop, as after a kill."""
    service.running.checkpoints._folder = None


def files(folder: Path) -> list[Path]:
    """What is in a folder."""
    return list(folder.iterdir())


async def checkpointed(logs: FakeLogs, folder: Path, count: int = 25) -> None:
    """Run a worker over new purchases, write a checkpoint, and end it as a kill would."""
    fill(logs, count)
    async with running(logs, checkpoint_dir=folder) as service:
        await service.assigned(SOURCES[0])
        await settled(service, logs.end(SOURCES[0]) - 1)
        await service.running.checkpoint_writer.write(service.owned[0])
        end_abruptly(service)


async def restarted(logs: FakeLogs, folder: Path | None) -> tuple[dict[str, Any], int, dict[str, int]]:
    """What a worker knows after a restart, how many rows it read, and what it counted."""
    async with running(logs, checkpoint_dir=folder) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: service.owned[0].reading)
        ledger = service.owned[0].ledger
        state = {"counts": dict(ledger._counts), "clock": ledger.clock}  # type: ignore[attr-defined]
        return state, service.counts.rows_recovered, service.counts.snapshot()


async def test_a_restart_reads_the_changelog_s_tail_alone(tmp_path: Path) -> None:
    logs = FakeLogs()
    await checkpointed(logs, tmp_path)
    rows = logs.end(CHANGELOGS[0])
    fill(logs, 10)
    async with running(logs) as service:  # another worker, which has no folder
        await service.assigned(SOURCES[0])
        await settled(service, 34)
    whole, read_all, _ = await restarted(logs, None)
    state, read, _ = await restarted(logs, tmp_path)
    assert read_all == logs.end(CHANGELOGS[0])
    assert read == logs.end(CHANGELOGS[0]) - rows
    assert state == whole


async def test_a_clean_stop_writes_one(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs, checkpoint_dir=tmp_path) as service:
        await service.assigned(SOURCES[0])
        await settled(service, 24)
    assert (await restarted(logs, tmp_path))[1] == 0


async def test_they_are_written_again_and_again_while_there_is_something_new(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 25)
    async with running(logs, checkpoint_dir=tmp_path, checkpoint_seconds=1) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.counts.checkpoints_written == 1)
        service.time.at += 10
        await asyncio.sleep(0.7)
        assert service.counts.checkpoints_written == 1
        fill(logs, 1)
        service.time.at += 10
        await until(lambda: service.counts.checkpoints_written == 2)


async def test_rows_that_are_not_acknowledged_are_in_no_checkpoint(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs, checkpoint_dir=tmp_path) as service:
        await service.assigned(SOURCES[0])
        await settled(service, 4)
        service.kafka.rows.at_once = False
        fill(logs, 5)
        await until(service.kafka.rows.waiting)
        writing = asyncio.create_task(service.running.checkpoint_writer.write(service.owned[0]))
        await asyncio.sleep(0.1)
        assert not writing.done()
        assert not files(tmp_path)
        service.kafka.rows.at_once = True
        for sent in service.kafka.rows.waiting():
            service.kafka.rows.acknowledge(sent)
        assert await writing
        end_abruptly(service)
    state, read, _ = await restarted(logs, tmp_path)
    assert state == (await restarted(logs, None))[0]
    assert read > 0  # what was under way when the memory was copied is read again


async def test_a_partition_that_goes_away_meanwhile_gets_none(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs, checkpoint_dir=tmp_path) as service:
        await service.assigned(SOURCES[0])
        await settled(service, 4)
        service.kafka.rows.at_once = False
        fill(logs, 5)
        await until(service.kafka.rows.waiting)
        writing = asyncio.create_task(service.running.checkpoint_writer.write(service.owned[0]))
        await asyncio.sleep(0.05)
        service.owned[0].close()
        assert not await writing
    assert not files(tmp_path)


async def test_a_batch_with_the_agent_is_waited_for(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs, agent=False, checkpoint_dir=tmp_path) as service:
        await service.assigned(SOURCES[0])
        first = await service.batches.get()
        async with first:
            await first.deliver(first.ledger.advance(first.records))
        await settled(service, 4)
        fill(logs, 5)
        batch = await service.batches.get()
        async with batch:
            changes = batch.ledger.advance(batch.records)  # the ledger is ahead of all that is delivered
            writing = asyncio.create_task(service.running.checkpoint_writer.write(service.owned[0]))
            await asyncio.sleep(0.05)
            assert not writing.done()
            await batch.deliver(changes)
        assert await writing
        await until(lambda: service.owned[0].idle)
        end_abruptly(service)
    assert (await restarted(logs, tmp_path))[0] == (await restarted(logs, None))[0]


async def test_an_agent_that_fails_behind_the_ledger_s_advance_leaves_none(tmp_path: Path) -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs, agent=False, checkpoint_dir=tmp_path) as service:
        await service.assigned(SOURCES[0])
        first = await service.batches.get()
        async with first:
            await first.deliver(first.ledger.advance(first.records))
        await settled(service, 4)
        fill(logs, 5)
        batch = await service.batches.get()
        with contextlib.suppress(ValueError):
            async with batch:
                batch.ledger.advance(batch.records)
                raise ValueError("afterwards")
        assert not await service.running.checkpoint_writer.write(service.owned[0])
        assert service.owned[0].close() is None
    assert not files(tmp_path)


def damage(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    if kind == "deleted":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "a bit flipped":
        content[-5] ^= 4
        path.write_bytes(content)
    elif kind == "another partition's":
        path.write_bytes(content.replace(b'"partition":0', b'"partition":1'))


@pytest.mark.parametrize("kind", ["deleted", "truncated", "a bit flipped", "another partition's"])
async def test_a_file_that_is_none_of_ours_costs_a_line_and_the_changelog_serves(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    logs = FakeLogs()
    await checkpointed(logs, tmp_path)
    (path,) = files(tmp_path)
    damage(path, kind)
    state, read, counts = await restarted(logs, tmp_path)
    assert state == (await restarted(logs, None))[0]
    assert read == logs.end(CHANGELOGS[0])
    said = [message for message in caplog.messages if "thrown away" in message]
    assert len(said) == (kind != "deleted")
    assert counts.get("checkpoints_unusable", 0) == len(said)


async def test_another_partition_s_file_under_this_one_s_name_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logs = FakeLogs()
    await checkpointed(logs, tmp_path)
    (path,) = files(tmp_path)
    shutil.copy(path, path.with_name(path.name.replace("-0.", "-1.")))
    async with running(logs, checkpoint_dir=tmp_path) as service:
        await service.assigned(SOURCES[1])
        await until(lambda: service.owned[1].reading)
        assert service.owned[1].ledger.clock.offset == -1
    assert "its partition is 0, not 1" in caplog.text


async def test_a_folder_that_cannot_be_written_costs_a_line_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    logs = fill(FakeLogs(), 5)
    async with running(logs, checkpoint_dir=tmp_path / "file") as service:
        await service.assigned(SOURCES[0])
        await settled(service, 4)
        for _ in range(3):
            assert not await service.running.checkpoint_writer.write(service.owned[0])
        fill(logs, 5)
        await settled(service, 9)
        assert service.reason is None
        assert service.counts.checkpoints_failed == 3
    assert len([message for message in caplog.messages if "could be written" in message]) == 1


async def test_a_ledger_without_a_row_leaves_none(tmp_path: Path) -> None:
    async with running(FakeLogs(), checkpoint_dir=tmp_path) as service:
        await service.assigned(*SOURCES)
        assert not await service.running.checkpoint_writer.write(service.owned[0])
        await service.running.checkpoints.write_last({0: PositionedLedger(service.owned[0].ledger, 0)})
    assert not files(tmp_path)


async def test_the_changelog_made_anew_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logs = FakeLogs()
    await checkpointed(logs, tmp_path)
    anew = FakeLogs()
    fill(anew, 40)
    async with running(anew, batch_records=3) as service:
        await service.assigned(SOURCES[0])
        await settled(service, 39)
    state, read, _ = await restarted(anew, tmp_path)
    assert state == (await restarted(anew, None))[0]
    assert read == anew.end(CHANGELOGS[0])
    assert "thrown away" in caplog.text
