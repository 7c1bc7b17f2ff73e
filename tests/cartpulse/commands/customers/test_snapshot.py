"""`cartpulse snapshot`: files for analysts, and what is said where there can be none."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

from cartpulse.main import app
from models.memory.rows import CLOCK_KEY, ROW_VERSION
from streams.kafka.options import producer_options
from streams.kafka.topics import create_topics
from streams.settings.settings import variable
from tests.cartpulse.commands.customers.test_customer import ZOE, run_service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings


@pytest.fixture(scope="module")
def service(tansu: LocalBroker) -> Settings:
    """A service of one partition that has run."""
    return run_service(tansu, topic_prefix="snapped.", partitions=1)[0]


@pytest.fixture
def take(service: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `cartpulse snapshot` on the service."""
    for name in ("kafka_broker", "application", "topic_prefix"):
        monkeypatch.setenv(variable(name), str(getattr(service, name)))
    return lambda *arguments: CliRunner().invoke(app, ["snapshot", *arguments])


def test_the_files_tell_of_a_customer_what_the_page_tells(
    take: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    told = json.loads(take("--parquet", str(folder), "--json").stdout)
    customers, habits = (pq.read_table(file).to_pylist() for file in told["files"])
    assert (told["customers"], told["habits"]) == (len(customers), len(habits)) == (10, 10)
    known = json.loads(CliRunner().invoke(app, ["customer", ZOE, "--json"]).stdout)
    (row,) = (row for row in customers if row["customer_id"] == ZOE)
    (habit,) = (habit for habit in habits if habit["customer_id"] == ZOE)
    for name in ("baskets", "purchase_days", "segment", "label", "currency", "source_offset", "new"):
        assert row[name] == known[name]
    assert float(row["spend"]) == known["spend"]
    assert row["last_purchase"].isoformat() == known["last_purchase"]
    assert str(row["closed_day"]) == known["as_of"]["closed_day"]
    (wanted,) = known["habits"]
    for name in ("category", "alert", "typical_interval_days", "usual_quantity", "probability_7_days"):
        assert habit[name] == wanted[name]
    for name in ("best_date", "expected_date", "interval_low", "interval_high"):
        assert (habit[name] and str(habit[name])) == wanted[name]


def test_people_are_told_what_they_hold(take: Callable[..., Result], tmp_path: Path) -> None:
    told = take("--parquet", str(tmp_path))
    assert told.exit_code == 0
    assert told.stdout.startswith(f"10 customers in {tmp_path}/customers.parquet, 10 habits in ")
    assert "does not reach them" in told.stdout


def test_topics_that_are_not_there_are_named(
    take: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARTPULSE_TOPIC_PREFIX", "nowhere.")
    told = take("--parquet", str(tmp_path))
    assert told.exit_code == 1
    assert "no topic nowhere.shop-ledger-changelog" in told.stderr
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_is_named(take: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = take("--parquet", str(tmp_path / "file" / "state"))
    assert told.exit_code == 1
    assert f"{tmp_path}/file/state: Not a directory" in told.stderr


def test_a_changelog_without_rows_and_one_with_rows_of_a_later_release_are_told(
    take: Callable[..., Result], service: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = service.model_copy(update={"topic_prefix": "newer."})
    monkeypatch.setenv("CARTPULSE_TOPIC_PREFIX", "newer.")

    async def forge() -> None:
        row = (ROW_VERSION + 1).to_bytes(2, "little") + bytes(20)
        async with AIOKafkaProducer(**producer_options(other, idempotent=False)) as producer:
            await producer.send_and_wait(other.changelog_topic, row, key=CLOCK_KEY, partition=0)

    asyncio.run(create_topics(other))
    told = take("--parquet", str(tmp_path))
    assert (told.exit_code, "holds no state yet" in told.stderr) == (1, True)
    asyncio.run(forge())
    told = take("--parquet", str(tmp_path))
    assert told.exit_code == 4
    assert "needs a later release" in told.stderr
