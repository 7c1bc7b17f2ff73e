"""The embedded broker, and what is relied upon with both brokers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.brokers.embedded import PROBE_TOPIC, LocalBroker
from streams.errors import LocalBrokerError
from streams.kafka.options import abilities, consumer_options, producer_options
from streams.kafka.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.conftest import Broker


def listens(address: str) -> bool:
    host, port = address.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.5):
            return True
    except OSError:
        return False


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_started_broker_can_be_written_and_a_stopped_one_is_gone() -> None:
    async with LocalBroker() as local:
        assert local.running
        assert listens(local.address)
        address, pid = local.address, local.pid
    assert not local.running
    assert not listens(address)
    assert gone(pid)


async def test_the_probe_leaves_no_topic_behind(tansu: LocalBroker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=tansu.address)
    await admin.start()
    try:
        assert PROBE_TOPIC not in await admin.list_topics()
    finally:
        await admin.close()


async def test_it_listens_on_the_loopback_address_alone(tansu: LocalBroker) -> None:
    assert tansu.address.startswith("127.0.0.1:")
    assert not listens(tansu.address.replace("127.0.0.1", "127.0.0.2"))


async def test_a_taken_port_is_refused_with_a_sentence(tansu: LocalBroker) -> None:
    port = int(tansu.address.split(":")[1])
    with pytest.raises(LocalBrokerError, match=f"Port {port} of 127.0.0.1 is taken: choose another"):
        await LocalBroker(port).start()


async def test_a_platform_without_the_broker_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/nowhere/tansu")
    with pytest.raises(LocalBrokerError, match="name it in KAFKA_BROKER"):
        await LocalBroker().start()


async def test_a_program_that_ends_at_once_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho no memory left\nexit 3\n")
    program.chmod(0o700)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(LocalBrokerError, match="no memory left"):
        await LocalBroker().start()


async def test_a_broker_that_was_killed_is_noticed() -> None:
    async with LocalBroker() as local:
        os.kill(local.pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert await local.wait() == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_broker_does_not_outlive_a_killed_parent() -> None:
    program = (
        "import asyncio\n"
        "from streams.brokers.embedded import LocalBroker\n"
        "async def main():\n"
        "    async with LocalBroker() as local:\n"
        "        print(local.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while not gone(pid):
        assert time.monotonic() < deadline, "the broker lives on"


async def test_only_the_embedded_broker_lacks_idempotent_producers(
    broker: Broker, tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    can = await abilities(fresh_settings(broker))
    embedded = broker.address == tansu.address
    assert can.idempotent is not embedded
    assert can.append_time is not embedded


async def test_a_group_reads_what_a_producer_wrote_and_finds_its_commit_again(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker, partitions=2)
    await create_topics(settings)
    topic = settings.purchases_topic
    able = (await abilities(settings)).idempotent
    async with AIOKafkaProducer(**producer_options(settings, idempotent=able)) as producer:
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, key=b"%d" % number)
    read: set[bytes] = set()
    options = consumer_options(settings, group=settings.group) | {"auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(topic, **options) as consumer, asyncio.timeout(20):
        while len(read) < 10:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                read |= {record.value for record in records}
        await consumer.commit()
    assert read == {b"%d" % number for number in range(10)}
    async with AIOKafkaConsumer(**consumer_options(settings, group=settings.group)) as again:
        again.subscribe([topic])
        async with asyncio.timeout(20):
            while not again.assignment():
                await again.getmany(timeout_ms=50)
        committed = [await again.committed(partition) for partition in again.assignment()]
    assert sum(offset or 0 for offset in committed) == 10


async def test_a_record_batch_of_seven_mebibytes_reaches_the_changelog(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker)
    await create_topics(settings)
    options = producer_options(settings, idempotent=False, batch_bytes=7 * 1024 * 1024)
    async with AIOKafkaProducer(**options) as producer:
        batch = producer.create_batch()
        rows = 0
        while batch.append(key=b"%d" % rows, value=os.urandom(8_192), timestamp=None) is not None:
            rows += 1
        batch.close()
        appended = await (await producer.send_batch(batch, settings.changelog_topic, partition=0))
    assert rows > 800
    assert appended.offset == 0
