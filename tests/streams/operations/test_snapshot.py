"""Snapshots as Arrow tables and as files: types, units, and files that are replaced whole."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.ledger.ledger import Ledger
from models.ledger.snapshot import Tables, Values, tables_of
from models.ledger.snapshot_columns import CUSTOMERS, HABITS
from models.settings import LedgerSettings
from streams.operations.snapshot import Snapshot, _array, _table, _types, require_writable, snapshot, write
from tests.cartpulse.commands.customers.test_customer import run_service
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, drive, records_of
from tests.support.paths import DOCS

if TYPE_CHECKING:
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)


@pytest.fixture(scope="module")
def taken() -> Snapshot:
    """Two partitions with one history."""
    replay = Replay()
    drive(Ledger(SETTINGS), records_of(a_log(3, days=30), SETTINGS), replay)
    parts = [tables_of(replay.rows.items(), partition=partition) for partition in (0, 1)]
    assert all(parts)
    tables = [part for part in parts if isinstance(part, Tables)]
    about = {"cartpulse.taken_at": "2017-02-01T00:00:00Z"}
    return Snapshot(
        _table(CUSTOMERS, [each.customers for each in tables], about),
        _table(HABITS, [each.habits for each in tables], about),
    )


def test_columns_have_their_types_and_tell_their_units(taken: Snapshot) -> None:
    for table, columns in ((taken.customers, CUSTOMERS), (taken.habits, HABITS)):
        assert table.column_names == [column.name for column in columns]
        for column in columns:
            about = {b"unit": column.unit.encode(), b"description": column.about.encode()}
            assert table.schema.field(column.name).metadata == about
    assert taken.customers.schema.field("spend").type == pa.decimal128(19, 4)
    assert taken.customers.schema.field("last_purchase_day").type == pa.date32()
    assert taken.habits.schema.field("raised_at").type == pa.timestamp("ms", "UTC")
    assert set(taken.customers["partition"].to_pylist()) == {0, 1}
    days = zip(
        *(taken.customers[name].to_pylist() for name in ("first_purchase_day", "first_purchase")), strict=True
    )
    assert all(day == at.date() for day, at in days if day is not None)


def test_money_is_exact_and_may_be_negative() -> None:
    steps = np.array([0, 1, -1, 123_456_789, -(1 << 62), (1 << 63) - 1], np.int64)
    spend = next(column for column in CUSTOMERS if column.name == "spend")
    told = _array(spend, Values(steps), _types()).to_pylist()
    assert told == [Decimal(step).scaleb(-4) for step in steps.tolist()]


def test_files_hold_what_the_tables_hold(taken: Snapshot, tmp_path: Path) -> None:
    customers, habits = write(taken, tmp_path)
    assert pq.read_table(customers).equals(taken.customers, check_metadata=True)
    assert pq.read_table(habits).equals(taken.habits, check_metadata=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["customers.parquet", "habits.parquet"]


def test_files_are_replaced_whole_or_not_at_all(
    taken: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in ("customers.parquet", "habits.parquet")]
    for file in files:
        file.write_text("before")
    whole = pq.write_table

    def full(table: Any, file: Any, **options: Any) -> None:
        whole(table, file, **options)
        if table is taken.habits:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(pq, "write_table", full)
        with pytest.raises(OSError, match="No space left"):
            write(taken, tmp_path)
    assert [file.read_text() for file in files] == ["before", "before"]
    assert sorted(tmp_path.iterdir()) == files
    write(taken, tmp_path)
    assert all(file.read_bytes()[:4] == b"PAR1" for file in files)


def test_a_folder_that_cannot_be_written_to_is_known_before_anything_is_read(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file") as told:
        require_writable(tmp_path / "file" / "folder")
    assert told.value.filename


def test_the_page_lists_every_column_as_it_is(taken: Snapshot) -> None:
    page = (DOCS / "snapshot.md").read_text(encoding="utf-8")
    for name, table, columns in (("customers", taken.customers, CUSTOMERS), ("habits", taken.habits, HABITS)):
        section = page.partition(f"## {name}.parquet\n")[2].partition("\n## ")[0]
        listed = [line for line in section.splitlines() if line.startswith("| `")]
        types = [table.schema.field(column.name).type for column in columns]
        assert listed == [
            f"| `{column.name}` | {type_} | {column.unit} | {column.about} |"
            for column, type_ in zip(columns, types, strict=True)
        ]


def test_a_service_s_state_comes_as_tables_inside_of_a_running_loop_too(tansu: LocalBroker) -> None:
    settings, kept = run_service(tansu, topic_prefix="tables.", partitions=1)

    async def inside() -> Snapshot:
        return snapshot(settings)

    tables = asyncio.run(inside())
    wanted = tables_of(kept.rows.items(), partitions=1)
    assert wanted is not None
    assert tables.customers["customer_id"].to_pylist() == [*wanted.customers["customer_id"].texts]
    assert tables.habits.num_rows == len(wanted.habits["category"].values)
    about = tables.habits.schema.metadata
    assert (about[b"cartpulse.format"], about[b"cartpulse.application"]) == (b"cartpulse-snapshot/1", b"shop")
    assert about == tables.customers.schema.metadata
