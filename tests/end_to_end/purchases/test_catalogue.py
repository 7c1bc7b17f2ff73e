"""A catalogue reaches every worker by the log, and outlives the worker that read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.structs import TopicPartition

from models.contracts.purchases import Listing
from streams.changelog.recovery import read_to_end
from streams.sources.control import write_signals
from streams.sources.files.catalogue_file import updates
from tests.end_to_end.service.test_workers import REAL
from tests.support.data.purchases import produce, purchase, shop
from tests.support.kafka.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

GONE = "CATEGORY 3"
NAMED = Listing(product_id="CATEGORY 4 1", category="CATEGORY 4", name="Käse, mild")


@pytest.fixture(
    params=[
        ("tansu", "at_least_once"),
        pytest.param(("apache_kafka", "exactly_once"), marks=pytest.mark.kafka),
    ],
    ids="-".join,
)
def service(request: pytest.FixtureRequest, fresh_settings: Callable[..., Settings]) -> Settings:
    """Two partitions."""
    name, guarantee = request.param
    broker: Broker = request.getfixturevalue(name)
    return fresh_settings(broker, partitions=2, delivery_guarantee=guarantee)


async def last_items(cluster: Cluster) -> dict[str, dict[str, dict[str, Any]]]:
    """What each customer was recommended last, by category."""
    newest: dict[str, dict[str, dict[str, Any]]] = {}
    topic = cluster.settings.topic("recommendations")
    for partition in range(cluster.settings.partitions):
        async for records in read_to_end(cluster._reader, TopicPartition(topic, partition), 0):
            for record in records:
                items = json.loads(record.value)["items"]
                newest[record.key.decode()] = {item["category"]: item for item in items}
    return newest


async def test_what_is_gone_is_not_recommended_and_names_are_told_by_whoever_has_the_partition(
    service: Settings, tmp_path: Path
) -> None:
    customers = [f"customer-{number}" for number in range(12)]

    async def visit(day: int, categories: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
        at = f"2017-01-{day}T09:00:00Z"
        visits = [
            (name, purchase(1_000 * day + place, name, at, categories))
            for place, name in enumerate(customers)
        ]
        await produce(service, visits)
        await cluster.until_settled()
        return await last_items(cluster)

    async with Cluster(service, tmp_path, REAL) as cluster:
        worker = cluster.start_worker()
        await produce(service, shop(20, 60, seed=8))
        before = await visit(22, [GONE, NAMED.category])
        assert all(before[name].keys() >= {GONE, NAMED.category} for name in customers)
        assert {before[name][NAMED.category]["product_name"] for name in customers} == {None}

        gone = Listing(product_id=f"{GONE} 1", category=GONE, status="withdrawn")
        await write_signals(service, updates([gone, NAMED], datetime.now(UTC)))
        await cluster.until_settled()
        worker.kill()
        worker.wait()
        cluster.start_worker()
        after = await visit(23, [GONE, NAMED.category])
        for name in customers:
            assert GONE not in after[name]
            assert after[name][NAMED.category]["product_name"] == NAMED.name

        back = gone.model_copy(update={"status": "available"})
        await write_signals(service, updates([back], datetime.now(UTC)))
        again = await visit(24, [GONE])
        assert all(GONE in again[name] for name in customers)
        assert (await cluster.dead_letters()) == []
