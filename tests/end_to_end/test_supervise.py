"""`cartpulse worker --supervise 2` on a real broker: what it keeps running, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from models.ledger.ledger import Ledger
from streams.process.exit_status import Status
from tests.support.cluster import Cluster, Job
from tests.support.purchases import produce, shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.settings import LedgerSettings
    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end


def real_ledger(settings: LedgerSettings, partition: int, partitions: int) -> Ledger:
    """The ledger of this release."""
    return Ledger(settings, partition=partition, partitions=partitions)


REJOINED_SECONDS = 120
"""The embedded broker holds each join and each sync for 3 s, and two members that ask in turns start each
other's anew: their phases meet after a minute or more. Apache Kafka needs a few seconds."""

TWO = Job(program=("cartpulse", "worker", "--supervise", "2"), ledger=real_ledger)


@pytest.fixture
def service(broker: Broker, fresh_settings: Callable[..., Settings]) -> Settings:
    """Two partitions, small batches, lines that a test can read, workers that keep their partitions."""
    return fresh_settings(
        broker, partitions=2, batch_records=50, log_format="json", group_instance_id="till", accept_gap=False
    )


def pids(cluster: Cluster) -> dict[str, list[int]]:
    """The process ids of each worker, in order of their starts."""
    started: dict[str, list[int]] = {}
    for line in cluster.log_of(0).read_text().splitlines():
        said = json.loads(line)
        if said["event"] == "A worker runs":
            started.setdefault(said["worker"], []).append(said["pid"])
    return started


async def test_a_killed_worker_is_replaced_and_all_end_together_when_told_to(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path, TWO) as cluster:
        supervisor = cluster.start_worker()
        producing = asyncio.create_task(produce(service, shop(30, 240, seed=8)))
        await cluster.until_applied(300, seconds=60)
        os.kill(pids(cluster)["worker-1"][0], signal.SIGKILL)
        await cluster.until(lambda: len(pids(cluster)["worker-1"]) == 2, 20, "another worker")
        await producing
        await cluster.until_settled(REJOINED_SECONDS)
        assert {len(started) for started in pids(cluster).values()} == {1, 2}
        supervisor.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(supervisor.wait, 10) == 0


async def test_an_end_that_does_not_heal_ends_all_with_its_status(service: Settings, tmp_path: Path) -> None:
    async with Cluster(service, tmp_path, TWO) as cluster:
        worker = cluster.start_worker(CARTPULSE_CLOCK="log")
        await produce(service, shop(10, 80, seed=9))
        await cluster.until_settled(60)
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 10) == 0
        other = cluster.start_worker(CARTPULSE_PARTITIONS="3")
        assert await asyncio.to_thread(other.wait, 30) == Status.REFUSED
        said = [json.loads(line) for line in cluster.log_of(1).read_text().splitlines()]
        (end,) = [line["event"] for line in said if line["event"].startswith("The worker ends:")]
        assert "it has 2 partitions and must have 3" in end
