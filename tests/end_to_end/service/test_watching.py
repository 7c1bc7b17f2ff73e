"""What an operator sees of a worker over HTTP, from its start over a stop in mid-air to a recovery."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client.parser import text_string_to_metric_families

from models.ledger.ledger import Ledger
from streams.brokers.embedded import free_port
from streams.kafka.topics import OUTPUTS
from tests.support.data.purchases import produce, shop
from tests.support.kafka.cluster import Cluster, Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.settings import LedgerSettings
    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

PATIENCE = ClientTimeout(total=10)
"""With a worker that is busy on a machine that is."""


def real_ledger(settings: LedgerSettings, partition: int, partitions: int) -> Ledger:
    """The ledger of this release."""
    return Ledger(settings, partition=partition, partitions=partitions)


WORKER = Job(program=("cartpulse", "worker"), ledger=real_ledger)


class Operator:
    """Asks a worker's port, and remembers what it said about being ready."""

    def __init__(self, client: ClientSession) -> None:
        self._client = client
        self.reasons: list[str] = []

    async def alive(self, seconds: float = 10) -> bool:
        """Whether it answers within so many seconds."""
        try:
            async with self._client.get("/health/live", timeout=ClientTimeout(total=seconds)) as answer:
                return answer.status == 200
        except (ClientError, TimeoutError):
            return False

    async def ready(self) -> bool:
        """Whether it says that it is ready; its reasons are kept."""
        try:
            async with self._client.get("/health/ready") as answer:
                told: dict[str, Any] = await answer.json()
        except (ClientError, TimeoutError):
            return False
        assert answer.status == (200 if told["ready"] else 503)
        self.reasons += told["reasons"]
        return answer.status == 200

    async def metric(self, name: str, **labels: str) -> float | None:
        """A sample as it is now."""
        async with self._client.get("/metrics") as answer:
            text = await answer.text()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"cartpulse_{name}" and labels.items() <= sample.labels.items():
                    return sample.value
        return None

    async def is_(self, wanted: float, name: str, **labels: str) -> bool:
        """Whether a sample has a value."""
        return await self.metric(name, **labels) == wanted


async def test_curl_shows_a_start_a_load_a_stop_and_a_recovery(
    tansu: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, web_port=free_port(0), batch_records=50, log_format="json")
    events = shop(30, 240, seed=8)
    async with (
        ClientSession(f"http://127.0.0.1:{settings.web_port}", timeout=PATIENCE) as client,
        Cluster(settings, tmp_path, WORKER) as cluster,
    ):
        operator = Operator(client)
        worker = cluster.start_worker()
        await cluster.until(operator.alive, 20, "an answer of /health/live")
        assert not await operator.ready()
        await cluster.until(operator.ready, 20, "readiness")
        assert operator.reasons[0] == "the group has not assigned partitions yet"
        assert await operator.metric("partitions_assigned") == 1

        await produce(settings, events)
        await cluster.until_settled()
        records = await cluster.applied()
        await cluster.until(lambda: operator.is_(records, "records_total"), 10, "all records counted")
        assert await operator.metric("lag_records", partition="0") == 0
        assert (await operator.metric("baskets_total") or 0) > 200
        assert (await operator.metric("customers", partition="0") or 0) > 20
        batches = await operator.metric("batches_total")
        assert batches == await operator.metric("apply_seconds_count")
        await cluster.until(lambda: operator.is_(batches or 0, "batch_seconds_count"), 5, "acknowledgements")
        assert (await operator.metric("changelog_rows_total") or 0) > records / 50
        sent = [await operator.metric("outputs_total", type=topic) or 0 for topic in OUTPUTS]
        assert sum(sent) == await cluster.outputs()

        worker.send_signal(signal.SIGSTOP)
        assert not await operator.alive(seconds=1)
        worker.send_signal(signal.SIGCONT)
        await cluster.until(operator.ready, 20, "readiness after a stop")
        assert await operator.metric("records_total") == records

        worker.kill()
        await asyncio.to_thread(worker.wait)
        assert not await operator.alive()
        operator.reasons.clear()
        cluster.start_worker()
        await cluster.until(operator.alive, 20, "an answer of the next worker")
        assert not await operator.ready()
        await cluster.until(operator.ready, 30, "readiness after a recovery")
        assert operator.reasons
        assert await operator.metric("recoveries_total") == 1
        assert (await operator.metric("recovered_rows_total") or 0) > 20
        assert await operator.metric("partition_recovered", partition="0") == 1
        assert await operator.metric("records_total") == 0
