"""Apache Kafka as a process: it starts, comes back with its data, and keeps it in a folder."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.brokers.apache_kafka import ApacheKafka
from streams.errors import LocalBrokerError
from streams.kafka.options import consumer_options, producer_options
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.kafka


async def write(address: str, topic: str, value: bytes) -> None:
    settings = Settings(kafka_broker=address)
    async with AIOKafkaProducer(**producer_options(settings, idempotent=True)) as producer:
        await producer.send_and_wait(topic, value)


async def read(address: str, topic: str) -> bytes:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(**consumer_options(Settings(kafka_broker=address))) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        async with asyncio.timeout(20):
            value: bytes = (await consumer.getone()).value
    return value


async def test_what_was_written_is_there_after_a_kill_an_orderly_end_and_on_another_port(
    apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    del apache_kafka  # skips where there is none
    folder = tmp_path / "kept"
    node = ApacheKafka(folder=folder)
    await node.start()
    await write(node.address, "baskets", b"milk")
    node.kill()
    assert not node.running
    await node.start()
    assert await read(node.address, "baskets") == b"milk"
    await node.stop()
    async with ApacheKafka(folder=folder) as again:
        assert again.address != node.address
        assert await read(again.address, "baskets") == b"milk"
    assert folder.is_dir()


async def test_a_folder_in_use_is_refused_and_left_alone(apache_kafka: ApacheKafka) -> None:
    configured = (apache_kafka.folder / "server.properties").read_text()
    with pytest.raises(LocalBrokerError, match="is in use by a broker that runs: name another folder"):
        await ApacheKafka(folder=apache_kafka.folder).start()
    assert (apache_kafka.folder / "server.properties").read_text() == configured


async def test_a_process_that_was_killed_is_noticed_and_its_folder_removed(apache_kafka: ApacheKafka) -> None:
    del apache_kafka
    node = ApacheKafka()
    await node.launch()
    os.kill(node.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        assert await node.wait() == -signal.SIGKILL
    node.close()
    assert not node.folder.exists()
    with pytest.raises(LocalBrokerError, match="was not started"):
        _ = node.pid


async def test_a_folder_that_cannot_be_prepared_is_an_error_with_the_reason(
    apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    del apache_kafka
    node = ApacheKafka(folder=tmp_path, cluster_id="no id")
    (tmp_path / "data").write_text("a file, where a folder has to be")
    with pytest.raises(LocalBrokerError, match="Apache Kafka's folder cannot be prepared"):
        await node.start()
