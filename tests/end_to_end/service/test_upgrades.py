"""Deploys of releases: workers are replaced under load, and who cannot read the rows stops."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from models.ledger.ledger import Ledger
from models.memory.rows import ROW_VERSION, seal
from streams.kafka.options import producer_options
from streams.process.exit_status import Status
from tests.support.data.purchases import produce, shop
from tests.support.kafka.cluster import Cluster, Job

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


REAL = Job(program=("cartpulse", "worker"), ledger=real_ledger)


@pytest.fixture
def service(broker: Broker, fresh_settings: Callable[..., Settings]) -> Settings:
    """Two partitions, small batches."""
    return fresh_settings(broker, partitions=2, batch_records=50)


async def test_a_deploy_worker_by_worker_under_load_loses_nothing(service: Settings, tmp_path: Path) -> None:
    async with Cluster(service, tmp_path, REAL) as cluster:
        running = cluster.start_worker()
        producing = asyncio.create_task(produce(service, shop(30, 240, seed=6)))
        for number in (1, 2):
            await cluster.until_applied(number * 600)
            successor = cluster.start_worker()
            running.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.wait, 20) == 0
            running = successor
        await producing
        await cluster.until_settled()
        assert running.poll() is None


async def test_rows_of_a_later_release_stop_a_worker_that_then_has_written_nothing(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path, REAL) as cluster:
        later = seal((ROW_VERSION + 1).to_bytes(2, "little") + bytes(40))
        producer = AIOKafkaProducer(**producer_options(service, idempotent=False))
        async with producer:
            for partition in range(service.partitions):
                await producer.send_and_wait(service.changelog_topic, later, key=b"c", partition=partition)
        await produce(service, shop(2, 40, seed=7))
        worker = cluster.start_worker()
        assert await asyncio.to_thread(worker.wait, 30) == Status.NEWER_ROWS
        (line,) = [line for line in cluster.logs().splitlines() if "The worker ends:" in line]
        assert f"a row of format {ROW_VERSION + 1} needs a later release" in line
        assert "Traceback" not in cluster.logs()
        assert await cluster.changelog_ends() == [1, 1]
        assert await cluster.outputs() == 0
