"""What brokers tell of themselves and of a login's rights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from aiokafka.client import AIOKafkaClient

from streams.brokers.artifacts import POM
from streams.kafka.options import connection
from streams.kafka.protocol import Operation, metadata_level, operations, release_of
from streams.kafka.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings.settings import Settings
    from tests.conftest import Broker


@pytest.mark.parametrize(
    ("level", "release"),
    [(None, None), (21, None), (25, "4.0"), (27, "4.1"), (29, "4.2"), (30, "4.3"), (33, "4.4")],
)
def test_the_level_that_a_release_supports_names_it(level: int | None, release: str | None) -> None:
    assert release_of(level) == release


@pytest.mark.kafka
async def test_apache_kafka_tells_its_release_and_what_a_login_may_do(
    apache_kafka: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(apache_kafka)
    await create_topics(settings)
    client = AIOKafkaClient(**connection(settings))
    await client.bootstrap()
    try:
        (node,) = client.cluster.brokers()
        release = release_of(await metadata_level(client, node.nodeId))
        allowed = await operations(client, [settings.purchases_topic, "not-there"])
    finally:
        await client.close()
    started = re.search(r"kafka_2.13</artifactId>.*?<version>(\d+\.\d+)", POM.read_text(), re.DOTALL)
    assert started is not None
    assert release == started[1]
    assert allowed == {settings.purchases_topic: set(Operation)}


async def test_the_embedded_broker_tells_neither(
    tansu: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(tansu)
    await create_topics(settings)
    client = AIOKafkaClient(**connection(settings))
    await client.bootstrap()
    try:
        (node,) = client.cluster.brokers()
        assert await metadata_level(client, node.nodeId) is None
        assert await operations(client, [settings.purchases_topic]) == {settings.purchases_topic: None}
    finally:
        await client.close()
