"""What does exactly once cost? A real worker under both guarantees on Apache Kafka, in turns, in one run.

    python -m benchmarks.guarantees [--days 60] [--rounds 3] [--seconds 15]

Each round replays The Complete Journey, written beforehand to fresh topics, and then sends 1,000 purchases a
second to the same worker, whose events a plain consumer that reads committed waits for. Speed is records a
second between the first and the last clock row of the changelog, so start-up does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from cartpulse.demo.latency import measure
from models.memory.rows import CLOCK_KEY, header
from streams.brokers.apache_kafka import ApacheKafka
from streams.changelog.recovery import read_to_end
from streams.kafka.options import consumer_options
from streams.settings.settings import Settings
from tests.end_to_end.purchases.test_bad_input import REAL, write
from tests.support.data.bad_input import Placed, journey
from tests.support.kafka.cluster import Cluster

GUARANTEES = ("at_least_once", "exactly_once")
DAY_MS = 86_400_000
FIRST_DAY_MS = 1_483_228_800_000  # 2017-01-01
MOST_COST = 0.15
MOST_P99_MS = 80.0


class Figures(NamedTuple):
    """One worker's."""

    speed: float
    """Records a second."""
    p50: float
    """Milliseconds at 1,000 purchases a second."""
    p99: float
    cost: float
    """The worker's own processor time for the replay and its start, microseconds a record."""


async def run(
    broker: ApacheKafka, records: list[Placed], guarantee: str, *, days: int, seconds: float
) -> Figures:
    """One worker over a log, and then at a steady rate."""
    own = uuid.uuid4().hex[:12]
    settings = Settings.model_validate(
        {
            "kafka_broker": broker.address,
            "application": f"bench-{own}",
            "topic_prefix": f"{own}.",
            "session_timeout_ms": 6_000,
            "web_port": 0,
            "clock": "log",
            "delivery_guarantee": guarantee,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        async with Cluster(settings, Path(folder), REAL) as cluster:
            await write(settings, records)
            worker = cluster.start_worker()
            await cluster.until_applied(len(records), 300)
            cost = processor_seconds(worker.pid) / len(records) * 1e6
            reader = AIOKafkaConsumer(**consumer_options(settings))
            await reader.start()
            marks = [
                (row.timestamp, header(row.value).offset)
                async for rows in read_to_end(reader, TopicPartition(settings.changelog_topic, 0), 0)
                for row in rows
                if row.key == CLOCK_KEY
            ]
            changes = TopicPartition(settings.topic("segment-changes"), 0)
            end = (await reader.end_offsets([changes]))[changes]
            await reader.stop()
            start = FIRST_DAY_MS + (days + 2) * DAY_MS  # behind the last tick
            latency = await measure(settings, start=start, positions={changes: end}, seconds=seconds)
    (began, first), (ended, final) = marks[0], marks[-1]
    speed = (final - first) / (ended - began) * 1_000
    if latency.p50 is None or latency.p99 is None or latency.unanswered:
        raise RuntimeError(f"{latency.unanswered} of {latency.purchases} purchases were not answered")
    return Figures(speed, latency.p50, latency.p99, cost)


async def compare(days: int, rounds: int, seconds: float) -> None:
    """Both, in turns; prints every round and the medians."""
    records = list(journey(days, Settings()))
    broker = ApacheKafka()
    await broker.start()
    found: dict[str, list[Figures]] = {guarantee: [] for guarantee in GUARANTEES}
    try:
        for number in range(rounds):
            for guarantee in GUARANTEES if number % 2 == 0 else reversed(GUARANTEES):
                figures = await run(broker, records, guarantee, days=days, seconds=seconds)
                found[guarantee].append(figures)
                print(
                    f"round {number + 1}, {guarantee}: {figures.speed:,.0f} records/s, "
                    f"{figures.cost:.0f} us of processor a record, p50 {figures.p50:.0f} ms, "
                    f"p99 {figures.p99:.0f} ms",
                    flush=True,
                )
    finally:
        broker.close()
    once, exactly = (found[guarantee] for guarantee in GUARANTEES)
    ratios = [mine.speed / theirs.speed for mine, theirs in zip(exactly, once, strict=True)]
    ratio, p99 = statistics.median(ratios), statistics.median(figures.p99 for figures in exactly)
    print(f"exactly once at {ratio:.2f} of the speed of at least once (rounds: {_list(ratios)})")
    costs = [theirs.cost / mine.cost for mine, theirs in zip(exactly, once, strict=True)]
    print(f"by the worker's processor time: {statistics.median(costs):.2f} (rounds: {_list(costs)})")
    print(f"promise: at least {1 - MOST_COST:.2f}, and p99 below {MOST_P99_MS:.0f} ms; it was {p99:.0f} ms")
    print("kept" if ratio >= 1 - MOST_COST and p99 < MOST_P99_MS else "not kept")


def processor_seconds(pid: int) -> float:
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _list(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    """Read the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    asyncio.run(compare(given.days, given.rounds, given.seconds))


if __name__ == "__main__":
    main()
