"""A release that cannot read the rows ends, and goes on once a reset in quiet made the state anew."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from models.memory.rows import CLOCK_KEY
from models.state.clock_row import ClockRow
from streams.kafka.options import producer_options
from streams.kafka.topics import create_topics
from streams.operations.reset import _delete_topic
from streams.process.exit_status import Status
from streams.settings.settings import variable
from tests.end_to_end.service.test_upgrades import REAL
from tests.support.data.purchases import produce, shop
from tests.support.kafka.cluster import Cluster
from tests.support.ledgers.earlier_rows import EARLIER_VERSION, earlier_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def service(tansu: Broker, fresh_settings: Callable[..., Settings]) -> Settings:
    """Two partitions."""
    return fresh_settings(tansu, partitions=2)


def reset(settings: Settings) -> subprocess.CompletedProcess[str]:
    """Run `cartpulse reset --quiet` as its operator does."""
    given = {variable(name): str(getattr(settings, name)) for name in settings.model_fields_set}
    return subprocess.run(
        [sys.executable, "-m", "cartpulse", "reset", "--yes", "--quiet"],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )


async def age(settings: Settings, cluster: Cluster) -> None:
    """Make the changelog that of the release before."""
    rows = [await cluster._rows(partition) for partition in range(settings.partitions)]
    await _delete_topic(settings)
    await create_topics(settings)
    async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
        for partition, held in enumerate(rows):
            for key, older in earlier_rows(held).items():
                await producer.send_and_wait(settings.changelog_topic, older, key=key, partition=partition)
    cluster._looked_at.clear()


async def test_a_release_with_other_rows_ends_and_goes_on_after_a_reset_in_quiet_that_repeats_nothing(
    service: Settings, tmp_path: Path
) -> None:
    events = list(shop(24, 120, seed=8))
    async with Cluster(service, tmp_path, REAL) as cluster:
        worker = cluster.start_worker()
        written = await produce(service, events[: len(events) // 2])
        await cluster.until_settled()
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 20) == 0
        sent = [len(await cluster._sent(partition)) for partition in range(2)]
        assert min(sent) > 20
        await age(service, cluster)

        worker = cluster.start_worker()
        assert await asyncio.to_thread(worker.wait, 30) == Status.REFUSED
        assert f"a row of format {EARLIER_VERSION} is an earlier release's" in cluster.logs()
        assert "`cartpulse reset --quiet`" in cluster.logs()

        told = await asyncio.to_thread(reset, service)
        assert told.returncode == 0, told.stderr
        assert "was sent, and is not sent again" in told.stdout
        worker = cluster.start_worker()
        cluster._looked_at.clear()
        await cluster.until_applied(written)
        assert [len(await cluster._sent(partition)) for partition in range(2)] == sent

        await produce(service, events[len(events) // 2 :])
        for partition in range(2):
            oracle = await cluster.replay(partition)
            done = ClockRow.decode(oracle.rows[CLOCK_KEY])
            await cluster.until(partial(finished, cluster, partition, done), 40, "the log is applied")
            rows = await cluster._rows(partition)
            assert rows | {CLOCK_KEY: b""} == oracle.rows | {CLOCK_KEY: b""}
            assert await cluster._outputs(partition) == oracle.outputs
            assert len(await cluster._sent(partition)) == len(oracle.outputs) > sent[partition]


async def finished(cluster: Cluster, partition: int, done: ClockRow) -> bool:
    """Whether a partition has come to where the replay is."""
    clock = ClockRow.decode((await cluster._rows(partition))[CLOCK_KEY])
    return (clock.offset, clock.finished) == (done.offset, done.finished)
