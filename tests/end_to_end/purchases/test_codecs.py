"""Every producer with every codec on every broker: what they write is applied once, and nothing is put by.

The embedded broker has no idempotent producer; all else of the table is sent through both.
"""

from __future__ import annotations

import asyncio
import struct
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from models.memory.rows import own_payload
from streams.brokers.artifacts import artifacts, java
from streams.kafka.log.batches import split
from streams.kafka.log.fetch import RawLog
from streams.kafka.options import idempotence, producer_options
from tests.support.data.purchases import purchase
from tests.support.kafka.cluster import Cluster
from tests.support.kafka.raw_batches import CODECS
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

TOOLS: Final = ROOT / "tests" / "support" / "kafka" / "kafka_tools.pom.xml"

MANY: Final = 1_500
"""Events of a batch of thousands, all in one or two of them; a batch of one has one."""
SINGLE: Final = 3


class Written:
    """Events by the customer who stands for how they were written; the ids of all differ."""

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()
        self._number = 0

    def events(self, customer: str, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values."""
        for _ in range(count):
            self._number += 1
            self.counts[customer.encode()] += 1
            yield customer.encode(), purchase(self._number, customer)


async def by_aiokafka(settings: Settings, written: Written, codec: str, *, idempotent: bool) -> None:
    options: dict[str, Any] = producer_options(settings, idempotent=idempotent) | {
        "compression_type": None if codec == "none" else codec,
    }
    name = f"aiokafka-{codec}-{idempotent}"
    producer = AIOKafkaProducer(**options, linger_ms=100)
    await producer.start()
    try:
        for key, value in written.events(f"{name}-one", SINGLE):
            await producer.send_and_wait(settings.purchases_topic, value, key=key, partition=0)
        for key, value in written.events(f"{name}-many", MANY):
            await producer.send(settings.purchases_topic, value, key=key, partition=0)
        await producer.flush()
    finally:
        await producer.stop()


def by_librdkafka(settings: Settings, written: Written, codec: str, *, idempotent: bool) -> None:
    failures: list[Any] = []
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": settings.kafka_broker,
            "compression.type": codec,
            "enable.idempotence": idempotent,
            "linger.ms": 100,
            "batch.num.messages": 10_000,
            "message.timeout.ms": 20_000,
        }
    )

    def send(key: bytes, value: bytes) -> None:
        producer.produce(
            settings.purchases_topic,
            value,
            key=key,
            partition=0,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )

    name = f"librdkafka-{codec}-{idempotent}"
    for key, value in written.events(f"{name}-one", SINGLE):
        send(key, value)
        producer.flush(20)
    for key, value in written.events(f"{name}-many", MANY):
        send(key, value)
    assert producer.flush(20) == 0
    assert failures == []


async def by_java(settings: Settings, written: Written, codec: str, *, idempotent: bool) -> None:
    lines = [b"%b\t%b\n" % event for event in written.events(f"java-{codec}-many", MANY)]
    properties = {
        "enable.idempotence": str(idempotent).lower(),
        "linger.ms": "100",
        "batch.size": "1000000",
        "partitioner.ignore.keys": "false",
    }
    command = [
        *(java(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp", f"{artifacts(TOOLS)}/*"),
        "org.apache.kafka.tools.ConsoleProducer",
        *("--bootstrap-server", settings.kafka_broker, "--topic", settings.purchases_topic),
        *("--compression-codec", codec),
        *(word for name, text in properties.items() for word in ("--command-property", f"{name}={text}")),
        *("--reader-property", "parse.key=true", "--reader-property", "key.separator=\t"),
    ]
    result = await asyncio.to_thread(
        subprocess.run, command, input=b"".join(lines), capture_output=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr.decode()
    assert b"ERROR" not in result.stderr, result.stderr.decode()


async def codecs_in(settings: Settings) -> dict[int, int]:
    """The codecs of the batches in the log, and the most records of one of each."""
    raw, found, at = RawLog(settings), dict[int, int](), 0
    try:
        while True:
            fetched = await raw.fetch(TopicPartition(settings.purchases_topic, 0), at)
            batches, _ = split(fetched.data)
            for batch in batches:
                found[batch.codec] = max(found.get(batch.codec, 0), batch.last - batch.base + 1)
            if not batches or batches[-1].last + 1 >= fetched.end:
                return found
            at = batches[-1].last + 1
    finally:
        await raw.close()


async def test_all_producers_with_all_codecs_are_applied_once(
    broker: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings, written = fresh_settings(broker, partitions=1), Written()
    able = await idempotence(settings)
    async with Cluster(settings, tmp_path) as cluster:
        cluster.start_worker()
        await asyncio.gather(*(by_java(settings, written, codec, idempotent=able) for codec in CODECS))
        for codec in CODECS:
            for idempotent in {able, False}:
                await by_aiokafka(settings, written, codec, idempotent=idempotent)
                await asyncio.to_thread(by_librdkafka, settings, written, codec, idempotent=idempotent)
        assert {codec for codec, most in (await codecs_in(settings)).items() if most > MANY / 2} == set(
            CODECS.values()
        )
        await cluster.until_applied(written.counts.total(), 40)
        rows = await cluster._rows(0)
        counted = {
            key: struct.unpack("<Q", own_payload(row))[0]
            for key, row in rows.items()
            if key in written.counts
        }
        assert counted == written.counts
        assert await cluster.dead_letters() == []
