"""`cartpulse broker`: a broker in the foreground that says where it is, and what is missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.brokers.embedded import free_port
from streams.kafka.options import consumer_options, producer_options
from streams.kafka.topics import remake_empty, topic_specs
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.brokers.apache_kafka import ApacheKafka
    from streams.brokers.embedded import LocalBroker


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cartpulse", "broker", *arguments]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command in the foreground of nobody, and the address that its first line names."""
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert process.stderr is not None
            assert first.startswith("KAFKA_BROKER=127.0.0.1:"), process.stderr.read()
            yield first.split()[0].removeprefix("KAFKA_BROKER="), process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], sent: signal.Signals) -> str:
    process.send_signal(sent)
    _, errors = process.communicate(timeout=40)
    assert "Traceback" not in errors
    return errors


@pytest.mark.end_to_end
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_embedded_broker_names_its_address_and_ends_with_a_signal(
    sent: signal.Signals, status: int
) -> None:
    with running("--port", "0") as (_, process):
        ended(process, sent)
    assert process.returncode == status


async def partitions_of(address: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        described = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


@pytest.mark.end_to_end
def test_the_embedded_broker_has_the_topics_of_the_service_when_it_says_that_it_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CARTPULSE_PARTITIONS", "3")
    monkeypatch.setenv("CARTPULSE_TOPIC_PREFIX", "shop.")
    with running("--port", "0") as (address, process):
        made = asyncio.run(partitions_of(address))
        ended(process, signal.SIGINT)
    settings = Settings(topic_prefix="shop.", partitions=3)
    assert {spec.name: made.get(spec.name) for spec in topic_specs(settings)} == dict.fromkeys(
        [spec.name for spec in topic_specs(settings)], 3
    )


async def test_a_topic_that_a_client_made_first_is_made_anew_unless_it_holds_something(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    named, used = fresh_settings(tansu), fresh_settings(tansu)
    for settings in (named, used):
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_broker) as producer:
            await producer.partitions_for(settings.purchases_topic)  # naming it makes it, with four
            if settings is used:
                await producer.send_and_wait(settings.purchases_topic, b"a purchase")
    assert await remake_empty(named)
    assert (await partitions_of(named.kafka_broker))[named.purchases_topic] == 1
    assert not await remake_empty(used)
    assert (await partitions_of(used.kafka_broker))[used.purchases_topic] == 4


async def write(address: str) -> None:
    options = producer_options(Settings(kafka_broker=address), idempotent=True)
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait("baskets", b"milk")


async def first_value(address: str) -> bytes:
    partition = TopicPartition("baskets", 0)
    async with AIOKafkaConsumer(**consumer_options(Settings(kafka_broker=address))) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        async with asyncio.timeout(20):
            value: bytes = (await consumer.getone()).value
    return value


@pytest.mark.kafka
@pytest.mark.end_to_end
def test_apache_kafka_keeps_its_data_in_the_folder_it_is_given(
    apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    del apache_kafka  # skips where there is none
    folder = tmp_path / "kept"
    arguments = ("--kafka", "--data", str(folder), "--port")
    with running(*arguments, "0") as (address, process):
        asyncio.run(write(address))
        assert f"Its data is kept in {folder}" in ended(process, signal.SIGINT)
    assert process.returncode == 130
    port = free_port(0)
    with running(*arguments, str(port)) as (address, process):
        assert address == f"127.0.0.1:{port}"
        assert asyncio.run(first_value(address)) == b"milk"
        second = subprocess.run(command(*arguments, "0"), capture_output=True, text=True, check=False)
        ended(process, signal.SIGTERM)
    assert process.returncode == 143
    assert second.returncode == 1
    assert second.stderr.startswith(f"cartpulse: {folder} is in use by a broker that runs")


@pytest.mark.kafka
@pytest.mark.end_to_end
def test_apache_kafka_without_a_folder_says_that_its_data_goes_with_it_and_takes_it_along(
    apache_kafka: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del apache_kafka
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running("--kafka", "--port", "0") as (_, process):
        assert len(list(tmp_path.glob("cartpulse-kafka-*"))) == 1
        assert "temporary folder and goes with it; --data DIR keeps it" in ended(process, signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_without_java_apache_kafka_is_refused_in_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": str(tmp_path)}
    result = subprocess.run(
        command("--kafka"), env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("cartpulse: Apache Kafka runs on Java, and there is no `java`: install")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_without_maven_apache_kafka_is_refused_in_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    java = shutil.which("java")
    assert java is not None
    (tmp_path / "java").symlink_to(java)
    elsewhere = f"import sys; sys.prefix = {str(tmp_path)!r}; from cartpulse.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", elsewhere, "broker", "--kafka"],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert "cartpulse: Apache Kafka is fetched by Maven, and there is no `mvn`: install" in result.stderr


def test_a_folder_for_the_embedded_broker_is_the_callers_mistake(tmp_path: Path) -> None:
    result = subprocess.run(
        command("--data", str(tmp_path)), capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 2
    assert "the embedded broker keeps nothing; add --kafka" in result.stderr


@pytest.mark.kafka
def test_a_taken_port_is_refused_in_one_line(apache_kafka: ApacheKafka) -> None:
    port = apache_kafka.address.rpartition(":")[2]
    result = subprocess.run(
        command("--kafka", "--port", port), capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 1
    assert f"cartpulse: Port {port} of 127.0.0.1 is taken" in result.stderr
