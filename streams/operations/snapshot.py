"""Snapshots: the state of all customers and of their habits as Arrow tables, read from the changelog."""

from __future__ import annotations

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.contracts.timestamps import instant_of, text_of
from models.ledger.intake import LedgerConflictError
from models.ledger.snapshot import tables_of
from models.ledger.snapshot_columns import CUSTOMERS, HABITS
from models.memory.rows import RowError
from models.state.calendar import date_of
from streams.changelog.framing import LatestRows
from streams.clock import SystemClock
from streams.errors import CartpulseError, ChangelogUnreadableError
from streams.kafka.log.reading import places_among, read_now, reader, topics_of
from streams.operations.customer_rows import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from aiokafka import TopicPartition

    from models.ledger.snapshot import Tables, Values
    from models.ledger.snapshot_columns import Column, Kind
    from streams.kafka.log.reading import ReadProgress
    from streams.operations.customer_rows import Bar
    from streams.settings.settings import Settings

FORMAT: Final = "cartpulse-snapshot/1"
"""Version of the columns; it counts up when one is removed, renamed or given another meaning."""
_DAY_ZERO: Final = (date_of(0) - date_of(0).replace(year=1970, month=1, day=1)).days
"""Day 0 of business days, counted from 1970-01-01 as Arrow counts."""
_MONEY_DIGITS: Final = 19
"""Digits of the greatest 64-bit number."""


class NoStateError(CartpulseError):
    """The changelog holds no state yet."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a service at one read of its changelog, as two Arrow tables.

    `docs/snapshot.md` lists the columns; each field's metadata holds its `unit` and `description`, and the
    schema's metadata when the snapshot was taken, of which application, in which time zone.
    """

    customers: pa.Table
    """One row for each customer, ordered by partition and by id."""
    habits: pa.Table
    """One row for each customer and category, in the same order, categories by name."""


async def gather(settings: Settings, bar: Bar) -> Snapshot:
    """Read the changelog to the end that it has now, and decode the greatest row of every key.

    A worker writes the rows of a step whole, so each partition's customers fit together. Partitions go on
    independently, and `closed_day` tells how far each has come.

    Args:
        settings: The service's settings.
        bar: Shows the read's progress.

    Raises:
        NoSuchTopicError: There is no changelog.
        NoStateError: The changelog holds no state yet.
        ChangelogUnreadableError: A row is damaged, or rows are missing.
        NewerRowsError: A row is of a later release.
        BrokerUnreachableError: No broker answers.
    """
    places = places_among(await topics_of(settings), settings, [settings.changelog_topic])
    latest = {place: LatestRows() for place in places}
    with bar("Reading the changelog") as progress:
        async with (
            reader(settings) as consumer,
            aclosing(read_now(consumer, places, progress, meet=refuse)) as batches,
        ):
            async for place, records in batches:
                latest[place].take(records)
    taken_at = SystemClock().now_ms()
    decoded = [_decoded(place, latest.pop(place), len(places)) for place in places]
    tables = [tables for tables in decoded if tables is not None]
    if not tables:
        raise NoStateError(
            f"{settings.changelog_topic} at {settings.kafka_broker} holds no state yet. Has a worker run, "
            "and are CARTPULSE_APPLICATION and CARTPULSE_TOPIC_PREFIX those of the service?"
        )
    about = {
        "cartpulse.format": FORMAT,
        "cartpulse.application": settings.application,
        "cartpulse.taken_at": text_of(instant_of(taken_at)),
    }
    return Snapshot(
        _table(CUSTOMERS, [each.customers for each in tables], about),
        _table(HABITS, [each.habits for each in tables], about),
    )


def snapshot(settings: Settings) -> Snapshot:
    """Read the state of all customers and of their habits as Arrow tables.

    Usage::

        tables = snapshot(load_settings())
        tables.customers.to_pandas()

    It needs memory for the rows of all customers, up to 8.5 KB each, and reads a changelog that nobody has to
    stop writing to. It works inside of a running event loop too, as in Jupyter, which it blocks meanwhile.

    Args:
        settings: The service's settings; `load_settings` reads them from the environment.

    Returns:
        Two tables, whose columns `docs/snapshot.md` lists.

    Raises:
        CartpulseError: The changelog is not there, holds no state yet, or cannot be read; see `gather`.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, gather(settings, silent)).result()


def write(taken: Snapshot, folder: Path) -> tuple[Path, Path]:
    """Write a snapshot as `customers.parquet` and `habits.parquet`.

    Files that are there already are replaced, each whole: a reader sees the old one or the new one. Both hold
    the same `cartpulse.taken_at`, by which files that belong together are known.

    Args:
        taken: The snapshot.
        folder: Where to; `require_writable` makes it.

    Returns:
        The two files.

    Raises:
        OSError: A file cannot be written; those that were there are as they were.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - no worker needs it

    files = folder / "customers.parquet", folder / "habits.parquet"
    written: list[Path] = []
    try:
        for path, table in zip(files, (taken.customers, taken.habits), strict=True):
            written.append(path.with_name(f".{path.name}.{os.getpid()}.new"))
            with written[-1].open("wb") as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
        for new, path in zip(written, files, strict=True):
            new.replace(path)
    finally:
        for new in written:
            with suppress(OSError):
                new.unlink()
    return files


def require_writable(folder: Path) -> None:
    """Make a folder where there is none, and see that files can be made in it, before anything is read.

    Raises:
        OSError: No file can be made in it; the error names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _decoded(place: TopicPartition, latest: LatestRows, partitions: int) -> Tables | None:
    if not latest.rows:
        return None
    try:
        return tables_of(latest.rows.items(), partition=place.partition, partitions=partitions)
    except (RowError, LedgerConflictError) as error:
        raise ChangelogUnreadableError(
            f"{place.topic}[{place.partition}] holds rows that cannot be read: {error}."
        ) from error


def _table(columns: tuple[Column, ...], parts: list[dict[str, Values]], about: dict[str, str]) -> pa.Table:
    """Put the columns of all partitions into one table."""
    import pyarrow as pa  # noqa: PLC0415 - no worker needs it

    types = _types()
    schema = pa.schema(
        [
            pa.field(each.name, types[each.kind], metadata={"unit": each.unit, "description": each.about})
            for each in columns
        ],
        metadata=about,
    )
    return pa.concat_tables(
        [
            pa.Table.from_arrays([_array(each, part[each.name], types) for each in columns], schema=schema)
            for part in parts
        ]
    )


def _types() -> dict[Kind, Any]:
    import pyarrow as pa  # noqa: PLC0415 - no worker needs it

    return {
        "text": pa.string(),
        "count": pa.int64(),
        "score": pa.int8(),
        "flag": pa.bool_(),
        "number": pa.float64(),
        "money": pa.decimal128(_MONEY_DIGITS, 4),
        "day": pa.date32(),
        "instant": pa.timestamp("ms", "UTC"),
    }


def _array(column: Column, held: Values, types: Mapping[Kind, Any]) -> Any:
    """Turn a column's values into Arrow's."""
    import pyarrow as pa  # noqa: PLC0415 - no worker needs it

    values, missing = held.values, None if held.known is None else ~held.known
    if column.kind == "text":
        return pa.array(held.texts, pa.string()).take(pa.array(values.astype(np.int64), mask=missing))
    if column.kind == "money":
        # A decimal is a 128-bit number in two's complement, the low half first.
        whole = values.astype("<i8")
        halves = np.stack([whole, whole >> 63], axis=1).tobytes()
        return pa.Decimal128Array.from_buffers(types["money"], len(whole), [None, pa.py_buffer(halves)])
    if column.kind == "day":
        return pa.array(values.astype(np.int32) + _DAY_ZERO, pa.int32(), mask=missing).cast(types["day"])
    if column.kind in ("flag", "number"):
        return pa.array(values, types[column.kind], mask=missing)
    return pa.array(values.astype(np.int64), pa.int64(), mask=missing).cast(types[column.kind])


@contextmanager
def silent(_title: str) -> Iterator[ReadProgress]:
    """Show nothing of a read's progress, where there is no screen."""
    yield lambda _read, _of: None
