"""How long a snapshot takes: `python -m benchmarks.snapshot --customers 20000`.

A ledger's rows are written to the changelog of the embedded broker, read to the end, decoded into columns and
written as Parquet. Rows are those of `benchmarks.recovery`: 44 habits and 3.4 KB a customer.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from benchmarks.recovery import ledger_of
from models.ledger import storage
from models.memory.rows import habits_key
from streams.brokers.embedded import LocalBroker
from streams.changelog.framing import fill, runs_of
from streams.kafka.options import ROWS_BATCH_BYTES, producer_options
from streams.kafka.topics import create_topics
from streams.operations.snapshot import gather, silent, write
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from models.contracts.changes import Row


def rows_of(customers: int, settings: Settings) -> list[Row]:
    """Make the rows of a ledger with so many customers."""
    state = ledger_of(customers, settings)._state  # noqa: SLF001 - as a test, it looks inside
    keys = [*state.ids, *map(habits_key, state.ids), *storage.own_rows(state)]
    return storage.rows_of(state, keys)


async def fill_changelog(settings: Settings, rows: list[Row]) -> None:
    """Write rows as a worker does, in batches that fit."""
    await create_topics(settings)
    options = producer_options(settings, idempotent=False, batch_bytes=ROWS_BATCH_BYTES)
    async with AIOKafkaProducer(**options) as producer:
        for run in runs_of(rows):
            batch = fill(producer.create_batch(), run, int(time.time() * 1000))
            await (await producer.send_batch(batch, settings.changelog_topic, partition=0))


async def measure(customers: int, rounds: int) -> None:
    """Print the seconds of each round."""
    async with LocalBroker() as broker:
        settings = Settings.model_validate({"kafka_broker": broker.address, "clock": "log", "partitions": 1})
        rows = rows_of(customers, settings)
        await fill_changelog(settings, rows)
        print(f"{customers:,} customers, {sum(len(row.value) for row in rows) / 1e6:.0f} MB of rows")
        for _ in range(rounds):
            begun = time.perf_counter()
            taken = await gather(settings, silent)
            read = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                write(taken, Path(folder))
            ended = time.perf_counter()
            print(
                f"read and decoded in {read - begun:.1f} s, written in {ended - read:.1f} s: "
                f"{customers / (ended - begun):,.0f} customers a second, {taken.habits.num_rows:,} habits"
            )


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    asyncio.run(measure(told.customers, told.rounds))


if __name__ == "__main__":
    main()
