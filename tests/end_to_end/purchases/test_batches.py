"""What workers make of record batches that cannot be decoded, on brokers whose logs hold them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from models.contracts.events import DeadLetter
from models.memory.rows import own_payload
from streams.brokers.apache_kafka import ApacheKafka
from streams.brokers.node import Node
from streams.kafka.options import producer_options
from streams.process.exit_status import Status
from tests.support.data.purchases import purchase
from tests.support.kafka.cluster import Cluster
from tests.support.kafka.kafka_cluster import HEAP_MIB
from tests.support.kafka.raw_batches import (
    ATTRIBUTES,
    CODECS,
    batch,
    bomb,
    cut_short,
    moved,
    of_length,
    of_strange_header_names,
    of_unknown_codec,
    of_unknown_version,
    of_wrong_checksum,
    sealed,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

pytestmark = pytest.mark.end_to_end

RECORDS = 3
"""Of each batch."""


@dataclass
class Source:
    """A log that is written batch by batch."""

    settings: Settings
    offset: int = 0
    good: int = 0

    async def write(self, data: bytes) -> None:
        """Write a batch as it is; where it lies is counted."""
        place = TopicPartition(self.settings.purchases_topic, 0)
        assert await write(self.settings, place, data) == 0
        self.offset += RECORDS

    async def write_good(self, codec: str = "none") -> None:
        """Write a batch of purchases of one customer."""
        await self.write(batch(0, self.purchases(), codec=CODECS[codec], key=b"c"))
        self.good += RECORDS

    def purchases(self) -> list[bytes]:
        """Values for a batch, all ids new."""
        return [purchase(self.offset + at, "c") for at in range(RECORDS)]


async def letters_of(cluster: Cluster) -> dict[tuple[int, int], bytes]:
    """First and last offset of each broken batch that was put by, and its bytes."""
    found: dict[tuple[int, int], bytes] = {}
    for record in await cluster.dead_letters():
        told = DeadLetter.from_headers(record.headers)
        assert (told.stage, told.error, record.key) == ("decode", "batch", None)
        assert told.last_offset is not None
        assert (told.offset, told.last_offset) not in found, "a letter came twice"
        found[told.offset, told.last_offset] = record.value
    return found


async def test_the_embedded_brokers_log_may_hold_what_nobody_can_decode(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=1)
    source, wanted = Source(settings), dict[tuple[int, int], bytes]()
    async with Cluster(settings, tmp_path) as cluster:
        await source.write_good("zstd")
        makes: tuple[Callable[[], bytes], ...] = (
            lambda: of_wrong_checksum(batch(0, source.purchases())),
            lambda: of_unknown_version(batch(0, source.purchases())),
            lambda: of_strange_header_names(0, source.purchases()),
            lambda: cut_short(batch(0, source.purchases(), codec=CODECS["lz4"])),
            lambda: cut_short(batch(0, source.purchases())),
            lambda: bomb(0, RECORDS),
        )
        for make in makes:
            first = source.offset
            data = make()
            await source.write(data)
            wanted[first, first + RECORDS - 1] = moved(data, first)
            await source.write_good("snappy")
        worker = cluster.start_worker()
        await cluster.until_applied(source.offset)
        assert await letters_of(cluster) == wanted
        worker.terminate()
        assert worker.wait() == 0
        await source.write_good()
        cluster.start_worker()
        await cluster.until_applied(source.offset)
        assert await letters_of(cluster) == wanted
        assert source.good == 24


async def test_a_topic_of_commands_that_cannot_be_decoded_ends_a_worker_and_names_the_way_on(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=1)
    async with Cluster(settings, tmp_path) as cluster:
        worker = cluster.start_worker()
        broken = of_strange_header_names(0, [b"{}"])

        async def ended() -> bool:  # Faust hears what is written once it listens
            await write(settings, TopicPartition(settings.commands_topic, 0), broken)
            return worker.poll() is not None

        await cluster.until(ended, 30, "an end")
        assert worker.returncode == Status.REFUSED
        assert "commands holds a record batch that cannot be decoded" in cluster.logs()
        assert "`cartpulse topics`" in cluster.logs()


@pytest.mark.kafka
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_source_of_transactions_is_read_past_its_markers_and_not_past_its_records(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings], tmp_path: Path, guarantee: str
) -> None:
    settings = fresh_settings(apache_kafka, partitions=1, delivery_guarantee=guarantee)
    async with Cluster(settings, tmp_path) as cluster:
        worker = cluster.start_worker()
        options = producer_options(settings, idempotent=True) | {"transactional_id": settings.application}
        producer = AIOKafkaProducer(**options)
        await producer.start()
        good, last = 0, 0
        try:
            for number in range(60):
                await producer.begin_transaction()
                for at in range(3):
                    value = purchase(3 * number + at, "c" if number % 3 else "aborted")
                    sent = await producer.send_and_wait(
                        settings.purchases_topic, value, key=b"c", partition=0
                    )
                    last = sent.offset
                if number % 3:
                    await producer.commit_transaction()
                    good += 3
                else:
                    await producer.abort_transaction()
        finally:
            await producer.stop()
        await cluster.until_applied(last + 1)
        rows = await cluster._rows(0)
        assert struct.unpack("<Q", own_payload(rows[b"c"]))[0] == good
        assert b"aborted" not in rows
        assert worker.poll() is None
        assert await cluster.dead_letters() == []


def altered(path: Path, changes: dict[int, Callable[[bytes], bytes]]) -> dict[int, bytes]:
    """Alter batches in a log's file, by their first offset; the answer is what the file now holds of each."""
    content, at, done = path.read_bytes(), 0, dict[int, bytes]()
    pieces = []
    while at < len(content):
        base, length = struct.unpack_from(">qi", content, at)
        data = content[at : at + 12 + length]
        at += len(data)
        if base in changes:
            changed = changes[base](data)
            assert len(changed) == len(data)
            done[base] = data = changed
        pieces.append(data)
    path.write_bytes(b"".join(pieces))
    return done


def of_strange_names(data: bytes) -> bytes:
    """With names of headers that are no UTF-8."""
    return sealed(data.replace(b"trace", b"tr\xff\xfee"))


def of_broken_payload(data: bytes) -> bytes:
    """With a right checksum over a payload that no codec unpacks."""
    made = bytearray(data)
    made[70:80] = bytes(10)
    return sealed(made)


ALTERATIONS: dict[str, Callable[[bytes], bytes]] = {
    "unknown codec": of_unknown_codec,
    "wrong checksum": of_wrong_checksum,
    "unknown version": of_unknown_version,
    "no codec named": lambda data: sealed(data[: ATTRIBUTES + 1] + b"\x00" + data[ATTRIBUTES + 2 :]),
    "a codec's payload": of_broken_payload,
    "strange names": of_strange_names,
    "a higher offset": lambda data: moved(data, struct.unpack(">q", data[:8])[0] + (1 << 40)),
}


def log_file(broker: ApacheKafka, settings: Settings) -> Path:
    """The file of the only partition of the purchases."""
    return broker.folder / "data" / f"{settings.purchases_topic}-0" / f"{0:020}.log"


@pytest.mark.prove
@pytest.mark.kafka
async def test_a_log_of_apache_kafka_may_be_altered_and_costs_no_record_around_it(
    fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    broker = ApacheKafka(Node(), heap_mib=HEAP_MIB)
    try:
        await broker.start()
        services = [
            fresh_settings(broker, partitions=partitions, delivery_guarantee=guarantee)
            for partitions, guarantee in ((1, "at_least_once"), (1, "exactly_once"))
        ]
        sources, places = [], list[dict[int, str]]()
        for number, settings in enumerate(services):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with Cluster(settings, folder):
                source, place = Source(settings), dict[int, str]()
                await source.write_good()
                for name in ALTERATIONS:
                    place[source.offset] = name
                    codec = CODECS["zstd" if "codec" in name else "none"]
                    values, headers = source.purchases(), [("trace", b"v")]
                    await source.write(batch(0, values, codec=codec, headers=headers))
                    await source.write_good("lz4")
            sources.append(source)
            places.append(place)
        await broker.stop()
        wanted = []
        for settings, place in zip(services, places, strict=True):
            changes = {base: ALTERATIONS[name] for base, name in place.items()}
            done = altered(log_file(broker, settings), changes)
            wanted.append({(base, base + RECORDS - 1): data for base, data in done.items()})
        await broker.start()
        for number, (settings, source) in enumerate(zip(services, sources, strict=True)):
            async with Cluster(settings, tmp_path / str(number)) as cluster:
                worker = cluster.start_worker()
                await cluster.until_applied(source.offset)
                assert await letters_of(cluster) == wanted[number]
                worker.terminate()
                assert worker.wait() == 0
                await source.write_good()
                cluster.start_worker()
                await cluster.until_applied(source.offset)
                assert await letters_of(cluster) == wanted[number]
    finally:
        broker.close()


@pytest.mark.prove
@pytest.mark.kafka
async def test_what_a_broker_cannot_find_any_more_ends_the_worker_and_a_gap_that_is_accepted_goes_on(
    fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    broker = ApacheKafka(Node(), heap_mib=HEAP_MIB)
    try:
        await broker.start()
        settings = fresh_settings(broker, partitions=1)
        async with Cluster(settings, tmp_path) as cluster:
            source = Source(settings)
            for _ in range(24):  # the broker's index knows offsets behind the damage
                await source.write_good()
            await broker.stop()
            altered(log_file(broker, settings), {9: lambda data: of_length(data, 1 << 20)})
            await broker.start()
            worker = cluster.start_worker()
            await cluster.until(lambda: worker.poll() is not None, 60, "an end")
            said = cluster.logs()
            assert worker.returncode == Status.REFUSED, said
            assert "purchases[0] cannot be read from offset" in said
            assert "`--accept-gap` goes on at offset" in said
            cluster.start_worker(CARTPULSE_ACCEPT_GAP="true")
            await cluster.until(lambda: "are left out" in cluster.logs(), 60, "a gap left out")
            await source.write_good()
            await cluster.until_applied(source.offset, 60)
    finally:
        broker.close()
