"""What does bad input cost? A real worker on clean and on spoilt logs, in turns, in one run.

    python -m benchmarks.bad_input [--days 60] [--share 0.1] [--rounds 3]

Each round replays The Complete Journey, written beforehand to fresh topics of the embedded broker, once as
it is and once with malformed events between the purchases: the tables and mutations that the tests know.
Speed is records a second between the first and the last row of the changelog, so start-up does not count.
The promise: at 10 % bad input throughput falls by no more than a third.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import uuid
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.memory.rows import CLOCK_KEY, header
from streams.brokers.embedded import LocalBroker
from streams.changelog.recovery import read_to_end
from streams.kafka.options import consumer_options
from streams.settings.settings import Settings
from tests.end_to_end.purchases.test_bad_input import REAL, write
from tests.support.data.bad_input import Placed, journey, malformed, mixed
from tests.support.kafka.cluster import Cluster

LEAST_RATIO = 2 / 3


async def speed(broker: LocalBroker, records: list[Placed]) -> float:
    """Records a second of one worker over a log."""
    own = uuid.uuid4().hex[:12]
    settings = Settings(
        kafka_broker=broker.address,
        application=f"bench-{own}",
        topic_prefix=f"{own}.",
        session_timeout_ms=6_000,
        web_port=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        async with Cluster(settings, Path(folder), REAL) as cluster:
            await write(settings, records)
            cluster.start_worker()
            await cluster.until_applied(len(records), 300)
        marks: list[tuple[int, int]] = []
        reader = AIOKafkaConsumer(**consumer_options(settings))
        await reader.start()
        async for rows in read_to_end(reader, TopicPartition(settings.changelog_topic, 0), 0):
            marks += [(row.timestamp, header(row.value).offset) for row in rows if row.key == CLOCK_KEY]
        await reader.stop()
    (began, first), (ended, last) = marks[0], marks[-1]
    return (last - first) / (ended - began) * 1_000


async def compare(days: int, share: float, rounds: int) -> None:
    """Print each round and the ratio of the medians."""
    good = list(journey(days, Settings()))
    bad = malformed(round(len(good) * share / (1 - share)))
    spoilt = list(mixed(good, bad, 1, chance=random.Random(4)))  # noqa: S311 - seeded
    broker = LocalBroker()
    await broker.start()
    clean_speeds, spoilt_speeds = list[float](), list[float]()
    try:
        for number in range(rounds):
            clean_speeds.append(await speed(broker, good))
            spoilt_speeds.append(await speed(broker, spoilt))
            print(
                f"round {number + 1}: {clean_speeds[-1]:,.0f} records/s clean, "
                f"{spoilt_speeds[-1]:,.0f} with {share:.0%} bad ({spoilt_speeds[-1] / clean_speeds[-1]:.2f})"
            )
    finally:
        await broker.stop()
    ratio = statistics.median(spoilt_speeds) / statistics.median(clean_speeds)
    print(
        f"{len(good):,} purchases and ticks, {len(bad):,} malformed: ratio of the medians {ratio:.2f}, "
        f"of the good ones alone {ratio * (1 - share):.2f}; promised is {LEAST_RATIO:.2f} or more"
    )


def main() -> None:
    """Parse arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    asyncio.run(compare(given.days, given.share, given.rounds))


if __name__ == "__main__":
    main()
