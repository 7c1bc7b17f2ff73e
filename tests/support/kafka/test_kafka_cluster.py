"""Three nodes of Apache Kafka: topics in three copies, and what goes on when one of them is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka.options import producer_options
from streams.kafka.topics import create_topics
from tests.support.kafka.kafka_cluster import KafkaCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.brokers.apache_kafka import ApacheKafka
    from streams.settings.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.end_to_end]


async def test_writes_go_on_without_the_node_that_leads_everything_and_it_comes_back(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    del apache_kafka  # skips where there is none
    async with KafkaCluster() as cluster:
        settings = fresh_settings(cluster, partitions=3, replication_factor=3)
        topic = settings.purchases_topic
        await create_topics(settings)
        assert await cluster.in_sync(topic, 0) == {1, 2, 3}
        lost = cluster.controller()
        led = [part for part in range(3) if await cluster.leader(topic, part) == lost]
        assert led, "three partitions are led by three nodes"
        async with AIOKafkaProducer(**producer_options(settings, idempotent=True)) as producer:
            await producer.send_and_wait(topic, b"before", partition=led[0])
            cluster.kill(lost)
            assert await cluster.until_controlled(not_by=lost) != lost
            async with asyncio.timeout(60):
                await producer.send_and_wait(topic, b"after", partition=led[0])
        assert await cluster.leader(topic, led[0]) != lost
        await cluster.start_node(lost)
        assert sorted(cluster.running) == [1, 2, 3]
