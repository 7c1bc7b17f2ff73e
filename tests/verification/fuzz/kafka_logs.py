"""Flips batches in the logs of Apache Kafka between a stop and a start, and accounts for every record then.

A worker that may leave gaps out reads on: each record that was written is applied, or in the range of a
batch's dead letter, or in a range that a line of the worker's log names.
"""

from __future__ import annotations

import random
import re
import struct
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer

from models.contracts.events import DeadLetter
from models.memory.rows import CLOCK_KEY, header, own_payload
from streams.brokers.apache_kafka import ApacheKafka
from streams.brokers.node import Node
from streams.kafka.options import producer_options
from streams.settings.settings import Settings
from tests.support.data.purchases import purchase
from tests.support.kafka.cluster import Cluster
from tests.support.kafka.kafka_cluster import HEAP_MIB
from tests.support.kafka.raw_batches import CODECS, sealed
from tests.verification.fuzz.flips import flipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARTITIONS: Final = 25
BATCHES: Final = 40
"""Of each partition; so many bytes that the broker's index knows offsets behind each flip."""
RECORDS: Final = 5
"""Of each batch."""
FLIPS: Final = (7, 14, 21, 28)
"""Which batches of a partition are flipped: the broker finds what lies behind them again."""

SETTLED_SECONDS: Final = 180

_NAMED: Final = re.compile(r"purchases\[(\d+)\]: offsets (\d+) to (\d+) cannot be read and are left out")


async def run(rounds: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Flip a hundred batches in each round; the answer is what became of records, and what is at fault."""
    outcomes, faults = Counter[str](), list[str]()
    for number in range(rounds):
        broker = ApacheKafka(Node(), heap_mib=HEAP_MIB)
        try:
            await broker.start()
            with tempfile.TemporaryDirectory() as folder:
                await _round(broker, Path(folder), random.Random(seed + number), outcomes, faults)
        finally:
            broker.close()
    return outcomes, faults


async def _round(
    broker: ApacheKafka, folder: Path, chance: random.Random, outcomes: Counter[str], faults: list[str]
) -> None:
    own = uuid.uuid4().hex[:8]
    settings = Settings(
        kafka_broker=broker.address,
        application=f"fuzz-{own}",
        topic_prefix=f"{own}.",
        partitions=PARTITIONS,
        session_timeout_ms=6_000,
        web_port=0,
        delivery_guarantee=chance.choice(("at_least_once", "exactly_once")),
    )
    async with Cluster(settings, folder) as cluster:
        await _write(settings, chance)
        await broker.stop()
        for partition in range(PARTITIONS):
            log = broker.folder / "data" / f"{settings.purchases_topic}-{partition}" / f"{0:020}.log"
            log.write_bytes(_altered(log.read_bytes(), chance))
        await broker.start()
        worker = cluster.start_worker(CARTPULSE_ACCEPT_GAP="true")

        async def settled() -> bool:
            rows = [await cluster._rows(partition) for partition in range(PARTITIONS)]
            ends = [header(row[CLOCK_KEY]).offset + 1 if CLOCK_KEY in row else 0 for row in rows]
            return worker.poll() is not None or all(end == BATCHES * RECORDS for end in ends)

        try:
            await cluster.until(settled, SETTLED_SECONDS, "every partition read to its end")
        except AssertionError as error:
            faults.append(str(error)[-1_500:])
        if worker.poll() is not None:
            faults.append(f"the worker ended with status {worker.returncode}: {cluster.logs()[-600:]}")
        await _account(cluster, outcomes, faults)


async def _write(settings: Settings, chance: random.Random) -> None:
    """One batch after the other to each partition; a customer of its own for each record."""
    for codec in CODECS:
        kind = None if codec == "none" else codec
        producer = AIOKafkaProducer(**producer_options(settings, idempotent=False), compression_type=kind)
        await producer.start()
        try:
            for partition in range(PARTITIONS):
                for at in range(BATCHES // len(CODECS)):
                    batch = producer.create_batch()
                    first = (list(CODECS).index(codec) * (BATCHES // len(CODECS)) + at) * RECORDS
                    for offset in range(first, first + RECORDS):
                        name = f"{partition}-{offset}"
                        value = purchase(
                            chance.randrange(1 << 40), name, categories=("MILK", "BREAD", "OATS")
                        )
                        batch.append(key=name.encode(), value=value, timestamp=None)
                    await (await producer.send_batch(batch, settings.purchases_topic, partition=partition))
        finally:
            await producer.stop()


def _altered(content: bytes, chance: random.Random) -> bytes:
    pieces, at = list[bytes](), 0
    while at < len(content):
        (length,) = struct.unpack_from(">i", content, at + 8)
        data = content[at : at + 12 + length]
        at += len(data)
        if len(pieces) in FLIPS:
            data = flipped(data, chance)
            data = sealed(data) if chance.random() < 0.3 else data
        pieces.append(data)
    return b"".join(pieces)


def _counted(rows: Mapping[bytes, bytes]) -> int:
    """How many records the counting ledger has applied to customers."""
    return sum(
        struct.unpack("<Q", own_payload(row))[0] for key, row in rows.items() if not key.startswith(b"\0")
    )


async def _account(cluster: Cluster, outcomes: Counter[str], faults: list[str]) -> None:
    put_by: dict[int, set[int]] = {}
    events = dict[int, set[int]]()
    for record in await cluster.dead_letters():
        told = DeadLetter.from_headers(record.headers)
        last = told.offset if told.last_offset is None else told.last_offset
        into = events if told.last_offset is None else put_by
        into.setdefault(told.partition, set()).update(range(told.offset, last + 1))
        outcomes["letters of batches"] += told.last_offset is not None
    named: dict[int, set[int]] = {}
    for partition, first, last_ in _NAMED.findall(cluster.logs_whole()):
        named.setdefault(int(partition), set()).update(range(int(first), int(last_) + 1))
        outcomes["gaps named"] += 1
    for partition in range(PARTITIONS):
        rows = await cluster._rows(partition)
        accounted: Sequence[tuple[str, set[int]]] = (
            ("applied", {at for at in range(BATCHES * RECORDS) if f"{partition}-{at}".encode() in rows}),
            ("in a batch's letter", put_by.get(partition, set())),
            ("in an event's letter", events.get(partition, set())),
            ("in a gap that is named", named.get(partition, set())),
        )
        # Under a right checksum a customer's name is what it says, flipped or not.
        renamed = _counted(rows) - len(accounted[0][1])
        for offset in range(BATCHES * RECORDS):
            how = next((name for name, offsets in accounted if offset in offsets), "passed over")
            if how == "passed over" and renamed > 0 and offset // RECORDS in FLIPS:
                how, renamed = "applied to the customer that flipped bits named", renamed - 1
            outcomes[f"records {how}"] += 1
            if how == "passed over":
                faults.append(
                    f"{cluster.settings.purchases_topic}[{partition}], offset {offset}: passed over"
                )
