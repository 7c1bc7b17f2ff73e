"""How soon does a worker go on? From the changelog, from a checkpoint, from a standby, on Apache Kafka.

    python -m benchmarks.recovery [--customers 20000] [--rounds 3] [--session 6]

First the net recovery of one partition: its ledger is made, its rows are written to a changelog and its
checkpoint to a file, and then it is recovered from the one and from the other, in turns. Then takeovers: two
workers share a service of as many customers under a light load, one is killed, and the time counts from the
SIGKILL to the first clock row of every partition after it, the group's session timeout included.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
import uuid
from collections import deque
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.ledger.ledger import Ledger
from models.ledger.storage import own_rows
from models.memory.rows import CLOCK_KEY, habits_key
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.replay.steps import advance_through, finish_sweep
from streams.brokers.apache_kafka import ApacheKafka
from streams.changelog.checkpoint_file import Heading, Memory, write
from streams.changelog.checkpoints import Checkpoints
from streams.changelog.framing import Witness, fill, runs_of
from streams.changelog.recovery import read_to_end, recover
from streams.clock import SystemClock
from streams.flow import purchases
from streams.kafka.clients import Connections
from streams.kafka.options import consumer_options
from streams.kafka.topics import create_topics
from streams.metrics import Counts
from streams.settings.settings import Settings
from streams.sources.ticks import tick
from tests.end_to_end.service.test_workers import REAL
from tests.support.data.purchases import produce, purchase
from tests.support.kafka.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VISITS = 4
"""Days on which every customer buys: enough for habits, and a row of about 2 KB."""
LINES = 12
CATEGORIES = 300
FIRST_DAY = date(2017, 1, 1)
LIGHT_LOAD = 100
"""Purchases a second while a worker is killed."""
AFTER_SECONDS = 0.3
"""Rows that a broker appends so soon after a SIGKILL may have been under way."""


def settings_of(broker: ApacheKafka, **given: Any) -> Settings:
    """A service of its own."""
    own = uuid.uuid4().hex[:12]
    named = {"application": f"bench-{own}", "topic_prefix": f"{own}.", "web_port": 0, "clock": "log"}
    return Settings.model_validate({"kafka_broker": broker.address, **named, **given})


def history(customers: int) -> Iterator[tuple[str | None, bytes]]:
    """Every customer's visits, day by day, each day closed."""
    chance, settings, number = random.Random(7), Settings(), 0  # noqa: S311 - seeded, no secret
    yield None, tick(FIRST_DAY - timedelta(days=1), settings).value
    for day in (FIRST_DAY + timedelta(days=3 * visit) for visit in range(VISITS)):
        for customer in range(customers):
            number += 1
            at = f"{day}T12:{number % 60:02}:00Z"
            lines = [f"CATEGORY {chance.randrange(CATEGORIES)}" for _ in range(LINES)]
            yield f"customer-{customer}", purchase(number, f"customer-{customer}", at, lines)
        yield None, tick(day, settings).value


def ledger_of(customers: int, settings: Settings) -> Ledger:
    """The ledger of one partition with such a history."""
    ledger, decoder = Ledger(settings.ledger), Decoder(settings.ledger)
    events = [value for _, value in history(customers)]
    for start in range(0, len(events), 2_000):
        raws = [
            Raw(start + at, value, UNKNOWN_TIME) for at, value in enumerate(events[start : start + 2_000])
        ]
        deque(advance_through(ledger, decoder.decode(raws)[0]), maxlen=0)
    deque(finish_sweep(ledger), maxlen=0)
    return ledger


async def net_recovery(broker: ApacheKafka, customers: int, rounds: int, folder: Path) -> None:
    """One partition, from its changelog and from its checkpoint, in turns."""
    settings = settings_of(broker, checkpoint_dir=folder / "net", delivery_guarantee="at_least_once")
    await create_topics(settings)
    ledger = ledger_of(customers, settings)
    flow = purchases(settings, ledgers=lambda *_: Ledger(settings.ledger), decoder=Decoder(settings.ledger))
    checkpoints = Checkpoints(flow, settings=settings, counts=Counts(), clock=SystemClock())
    changelog = TopicPartition(settings.changelog_topic, 0)
    size = await write_changelog(settings, ledger, changelog)
    began = time.perf_counter()
    content = Memory()
    ledger.save(content)
    first = time.perf_counter() - began
    content = Memory(content.size)
    began = time.perf_counter()
    ledger.save(content)
    copied = time.perf_counter() - began
    began = time.perf_counter()
    base, witness = size[0], size[1]
    heading = Heading(checkpoints.owner(0), base, witness, 0, content.size, content.checksum())
    write(checkpoints.path(0), heading, content, stopped=lambda: False)
    written = time.perf_counter() - began
    print(
        f"{customers:,} customers: {base:,} rows of {size[2] / 1e6:,.0f} MB in the changelog; a checkpoint "
        f"of {content.size / 1e6:,.0f} MB: the partition stands still for {copied * 1e3:,.0f} ms "
        f"({first * 1e3:,.0f} ms the first time), written beside the work in {written:.2f} s",
        flush=True,
    )
    found: dict[str, list[float]] = {"changelog": [], "checkpoint": []}
    connections = Connections(settings)
    for number in range(rounds):
        for way in found if number % 2 == 0 else reversed(found):
            reader = await connections.reader()
            began = time.perf_counter()
            recovered = await recover(
                reader,
                changelog,
                lambda: Ledger(settings.ledger),
                None,
                stored=(lambda: checkpoints.load(0, lambda: Ledger(settings.ledger)))
                if way == "checkpoint"
                else None,
            )
            found[way].append(time.perf_counter() - began)
            await reader.stop()
            if bool(recovered.origin) != (way == "checkpoint") or recovered.ledger.clock != ledger.clock:
                raise RuntimeError(f"that was no recovery from a {way}")
    whole, spared = (statistics.median(seconds) for seconds in found.values())
    print(
        f"net recovery: {whole:.2f} s from the changelog, {spared:.2f} s from the checkpoint: "
        f"{whole / spared:.1f} times as fast (medians of {rounds})",
        flush=True,
    )


async def write_changelog(
    settings: Settings, ledger: Ledger, changelog: TopicPartition
) -> tuple[int, Witness, int]:
    """Write every row once; the answer is the changelog's end, its last row, and its bytes."""
    ids = ledger._state.ids  # noqa: SLF001 - as a test, it looks inside
    rows = ledger.rows_of([*ids, *map(habits_key, ids), *own_rows(ledger._state)])  # noqa: SLF001
    producers = await Connections(settings).producers()
    for run in runs_of(rows):
        builder = fill(producers[1].create_batch(), run, 0)
        sent = await producers[1].send_batch(builder, changelog.topic, partition=changelog.partition)
        await sent
        last = run[-1]
    for producer in producers:
        await producer.stop()
    size = sum(len(row.key) + len(row.value) for row in rows)
    return len(rows), Witness.of(len(rows) - 1, last.key, last.value), size


WAYS: dict[str, dict[str, Any]] = {
    "without": {},
    "with a checkpoint": {"checkpoint_seconds": 2},
    "with a standby": {"standby_partitions": 2},
}


async def takeover(broker: ApacheKafka, customers: int, session: int, way: str, folder: Path) -> float:
    """Seconds from the SIGKILL of one of two workers until all partitions go on."""
    given = dict(WAYS[way])
    if way == "with a checkpoint":
        given["checkpoint_dir"] = folder / "checkpoints"
    settings = settings_of(broker, partitions=2, session_timeout_ms=session * 1_000, **given)
    async with Cluster(settings, folder, REAL) as cluster:
        victim = cluster.start_worker()
        written = await produce(settings, history(customers))
        await cluster.until_applied(written, 600)
        cluster.start_worker()
        await cluster.until(
            lambda: "goes on at offset" in cluster.log_of(1).read_text(), 120, "a second worker"
        )
        load = asyncio.create_task(light_load(settings, customers))
        try:
            await cluster.until_applied(written + 10 * LIGHT_LOAD, 120)
            await cluster.until(lambda: ready(settings), 120, "a checkpoint of each partition")
            victim.kill()
            killed = time.time()
            firsts = [await first_clock(settings, number, killed) for number in range(2)]
        finally:
            load.cancel()
            with suppress(asyncio.CancelledError):
                await load
        said = cluster.log_of(1).read_text()
        spared = "on top of the checkpoint" in said or "on top of a standby's copy" in said
        if spared != (way != "without"):
            raise RuntimeError(f"that was no takeover {way}:\n{said[-2_000:]}")
    return max(firsts)


def ready(settings: Settings) -> bool:
    """Whether what spares the takeover its work is there; a standby has been since its start."""
    folder = settings.checkpoint_dir
    return folder is None or len(list(folder.glob("*.checkpoint"))) == settings.partitions


async def light_load(settings: Settings, customers: int) -> None:
    """Purchases at a steady rate, of the day after the history's last."""
    start = datetime.combine(FIRST_DAY + timedelta(days=3 * VISITS), datetime.min.time(), UTC)
    chance, number = random.Random(8), 10_000_000  # noqa: S311 - seeded, no secret
    while True:
        began = time.monotonic()
        events = []
        for _ in range(LIGHT_LOAD // 5):
            number += 1
            at = (start + timedelta(milliseconds=number - 10_000_000)).isoformat().replace("+00:00", "Z")
            name = f"customer-{chance.randrange(customers)}"
            events.append((name, purchase(number, name, at)))
        await produce(settings, events)
        await asyncio.sleep(max(0.0, 0.2 - (time.monotonic() - began)))


async def first_clock(settings: Settings, number: int, killed: float) -> float:
    """Seconds from a moment to the first clock row that a partition's changelog got after it."""
    reader = AIOKafkaConsumer(**consumer_options(settings))
    await reader.start()
    changelog = TopicPartition(settings.changelog_topic, number)
    position = 0
    try:
        async with asyncio.timeout(180):
            while True:
                async for row in rows_from(reader, changelog, position):
                    position = row.offset + 1
                    if row.key == CLOCK_KEY and row.timestamp / 1_000 > killed + AFTER_SECONDS:
                        return float(row.timestamp / 1_000 - killed)
    finally:
        await reader.stop()


async def rows_from(reader: Any, changelog: TopicPartition, position: int) -> AsyncIterator[Any]:
    """The rows that are there by now."""
    async for rows in read_to_end(reader, changelog, position):
        for row in rows:
            yield row


async def compare(customers: int, rounds: int, session: int) -> None:
    """All of it; prints every figure."""
    broker = ApacheKafka()
    await broker.start()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    try:
        with tempfile.TemporaryDirectory() as folder:
            await net_recovery(broker, customers, rounds, Path(folder))
        for number in range(rounds):
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                with tempfile.TemporaryDirectory() as folder:
                    seconds = await takeover(broker, customers, session, way, Path(folder))
                found[way].append(seconds)
                print(
                    f"round {number + 1}, {way}: {seconds:.1f} s from SIGKILL to the first step", flush=True
                )
    finally:
        broker.close()
    medians = {way: statistics.median(seconds) for way, seconds in found.items()}
    print(f"session timeout {session} s, {customers:,} customers on two partitions, medians of {rounds}:")
    for way, median in medians.items():
        ratio = (median - session) / (medians["without"] - session) if medians["without"] > session else 1.0
        print(
            f"  {way}: {median:.1f} s, {median - session:.1f} s beyond the session ({ratio:.2f} of without)"
        )


def main() -> None:
    """Read the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--session", type=int, default=6, help="seconds")
    given = parser.parse_args()
    asyncio.run(compare(given.customers, given.rounds, given.session))


if __name__ == "__main__":
    main()
