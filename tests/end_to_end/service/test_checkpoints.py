"""A worker that is killed comes back from its checkpoint, or without one that is of no use, always right."""

from __future__ import annotations

import asyncio
import re
import resource
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.service.test_workers import REAL, baskets
from tests.support.data.purchases import produce
from tests.support.kafka.cluster import Cluster

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

EVENTS = 600
"""Purchases of each round."""


@pytest.fixture(
    params=[
        ("tansu", "at_least_once"),
        pytest.param(("apache_kafka", "at_least_once"), marks=pytest.mark.kafka),
        pytest.param(("apache_kafka", "exactly_once"), marks=pytest.mark.kafka),
    ],
    ids="-".join,
)
def service(
    request: pytest.FixtureRequest, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> Settings:
    """Two partitions with checkpoints every second."""
    name, guarantee = request.param
    broker: Broker = request.getfixturevalue(name)
    return fresh_settings(
        broker,
        partitions=2,
        batch_records=50,
        delivery_guarantee=guarantee,
        checkpoint_dir=tmp_path / "checkpoints",
        checkpoint_seconds=1,
    )


class Rounds(Cluster):
    """One worker after the other, each over some more purchases."""

    produced = 0

    @property
    def files(self) -> list[Path]:
        """The checkpoints that are there, by partition."""
        folder = self.settings.checkpoint_dir
        assert folder is not None
        return sorted(folder.glob("*.checkpoint"))

    async def purchases(self) -> None:
        """Some more of them, and wait until they are accounted for."""
        self.produced += EVENTS
        seed, customers = self.produced, 300
        named = ((who, event) for who, event in baskets(self.produced, customers=customers, seed=seed))
        await produce(self.settings, list(named)[-EVENTS:])
        await self.until_applied(self.produced, 90)

    async def checkpointed(self) -> None:
        """Wait until both partitions have a checkpoint later than now."""
        before = {path: path.stat().st_mtime_ns for path in self.files}
        await self.purchases()
        await self.until(
            lambda: len(self.files) == 2 and all(p.stat().st_mtime_ns > before.get(p, 0) for p in self.files),
            60,
            "checkpoints",
        )

    def recoveries(self) -> list[tuple[int, str]]:
        """Of the newest worker: rows read of each partition, and what spared it reading more."""
        said = self.log_of(len(self.workers) - 1).read_text()
        found = re.findall(r'goes on at offset \d+ after (\d+) rows([^"]*)', said)
        return [(int(rows), rest) for rows, rest in found]

    def said(self, words: str) -> int:
        """In how many lines the newest worker said so."""
        text = self.log_of(len(self.workers) - 1).read_text()
        return sum(words in line for line in text.splitlines())

    async def restart(self, meanwhile: Callable[[], object] = lambda: None) -> subprocess.Popen[bytes]:
        """SIGKILL of the worker, something done to its files, and another worker that has recovered."""
        self.workers[-1].kill()
        self.workers[-1].wait()
        meanwhile()
        worker = self.start_worker()
        await self.until(lambda: len(self.recoveries()) == 2, 90, "a worker that has recovered")
        return worker


async def test_a_killed_worker_comes_back_from_its_checkpoints_or_without_them(
    service: Settings, tmp_path: Path
) -> None:
    async with Rounds(service, tmp_path, REAL) as rounds:
        rounds.start_worker()
        await rounds.checkpointed()
        old = tmp_path / "old"
        shutil.copytree(rounds.files[0].parent, old)
        await rounds.checkpointed()

        await rounds.restart()
        assert all("on top of the checkpoint" in rest for _, rest in rounds.recoveries())
        assert max(rows for rows, _ in rounds.recoveries()) < EVENTS
        await rounds.checkpointed()

        def delete_one_and_cut_the_other() -> None:
            first, second = rounds.files
            first.unlink()
            second.write_bytes(second.read_bytes()[:10_000])

        await rounds.restart(delete_one_and_cut_the_other)
        assert [rest for _, rest in rounds.recoveries()] == ["", ""]
        assert rounds.said("is thrown away") == 1
        await rounds.checkpointed()

        def flip_a_bit_and_swap() -> None:
            first, second = rounds.files
            damaged = bytearray(first.read_bytes())
            damaged[len(damaged) // 2] ^= 16
            shutil.copy(first, second)
            first.write_bytes(damaged)

        await rounds.restart(flip_a_bit_and_swap)
        assert [rest for _, rest in rounds.recoveries()] == ["", ""]
        assert rounds.said("its checksum does not fit: it is damaged") == 1
        assert rounds.said("its partition is 0, not 1") == 1
        await rounds.checkpointed()

        def put_back_old_ones() -> None:
            for path in rounds.files:
                shutil.copy(old / path.name, path)

        await rounds.restart(put_back_old_ones)
        assert all("on top of the checkpoint" in rest for _, rest in rounds.recoveries())
        assert max(rows for rows, _ in rounds.recoveries()) > EVENTS
        await rounds.purchases()
        await rounds.until_settled(90)


async def test_a_full_disk_costs_a_line(service: Settings, tmp_path: Path) -> None:
    async with Rounds(service, tmp_path, REAL) as rounds:
        worker = rounds.start_worker()
        await rounds.checkpointed()
        whole = [path.read_bytes() for path in rounds.files]
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
        await rounds.purchases()
        await rounds.until(lambda: rounds.said("could be written") == 1, 60, "a line")
        await rounds.purchases()
        await asyncio.sleep(0)
        assert [path.read_bytes() for path in rounds.files] == whole
        assert rounds.said("could be written") == 1
        assert worker.poll() is None
        await rounds.restart()
        await rounds.checkpointed()
        await rounds.until_settled(90)


async def test_another_worker_takes_over_what_it_followed(service: Settings, tmp_path: Path) -> None:
    settings = service.model_copy(
        update={"checkpoint_dir": None, "standby_partitions": 2, "session_timeout_ms": 2_000}
    )
    async with Rounds(settings, tmp_path, REAL) as rounds:
        first = rounds.start_worker()
        await rounds.purchases()
        rounds.start_worker()
        await rounds.until(lambda: bool(rounds.recoveries()), 90, "a second worker with a partition")
        await rounds.purchases()
        await rounds.purchases()
        before = len(rounds.recoveries())
        first.kill()
        await rounds.until(lambda: len(rounds.recoveries()) >= before + 2, 90, "a takeover")
        assert any("on top of a standby's copy" in rest for _, rest in rounds.recoveries()[before:])
        assert max(rows for rows, _ in rounds.recoveries()[before:]) < EVENTS
        await rounds.purchases()
        await rounds.until_settled(90)
