"""A newcomer's own purchases: typed by hand, loaded from a file, on either clock, on a real worker."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer

from models.memory.rows import CLOCK_KEY
from models.state.clock_row import ClockRow
from streams.kafka.log.reading import read_all
from streams.kafka.options import producer_options
from streams.kafka.topics import OUTPUTS, create_topics
from streams.operations.log_clock import log_clock
from streams.settings.settings import variable
from tests.end_to_end.purchases.test_bad_input import REAL
from tests.support.kafka.cluster import Cluster
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

pytestmark = pytest.mark.end_to_end

WEEKS = (
    "2026-11-01",
    "2026-11-08",
    "2026-11-09",
    "2026-11-10",
    "2026-11-15",
    "2026-11-22",
    "2026-11-29",
)
"""Days of seven purchases of one customer, with gaps of a week."""


def typed(day: str, number: int) -> bytes:
    """A purchase as a person types it."""
    oats = {"product_id": "S1", "category": "OAT", "quantity": 1, "unit_price": 2.5}
    event = {"event_id": f"e{number}", "customer_id": "A", "occurred_at": f"{day}T10:00:00Z"}
    return json.dumps(event | {"currency": "USD", "kind": "purchase", "items": [oats]}).encode()


async def send(settings: Settings, days: tuple[str, ...], **stamp: int) -> None:
    async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
        for number, day in enumerate(days):
            value = typed(day, number)
            await producer.send_and_wait(settings.purchases_topic, value, key=b"A", **stamp)


async def clock_row(settings: Settings) -> ClockRow | None:
    rows = [row async for row in read_all(settings, settings.changelog_topic) if row.key == CLOCK_KEY]
    return ClockRow.decode(rows[-1].value) if rows else None


async def outputs(settings: Settings) -> list[Any]:
    found = [record for name in OUTPUTS async for record in read_all(settings, settings.topic(name))]
    return [json.loads(record.value) for record in found]


async def until_applied(cluster: Cluster, offset: int) -> ClockRow:
    """The clock row, once the record at this offset is applied."""
    async with asyncio.timeout(60):
        while (clock := await clock_row(cluster.settings)) is None or clock.offset < offset:
            assert cluster.workers[-1].poll() is None, cluster.logs()
            await asyncio.sleep(0.1)
    return clock


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as a user gives it, with the service's names in the environment and the clock left alone."""
    named = settings.model_dump(exclude_defaults=True, mode="json", exclude={"clock"})
    given = {variable(name): str(value) for name, value in named.items()}
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("CARTPULSE_", "KAFKA_"))}
    return subprocess.run(
        [sys.executable, "-m", "cartpulse", *arguments],
        env=kept | given | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_seven_purchases_typed_over_four_weeks_all_count_and_something_comes_out(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu)
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await create_topics(settings)
        await send(settings, WEEKS)
        cluster.start_worker()
        clock = await until_applied(cluster, len(WEEKS) - 1)
        assert not clock.wall
        assert [record async for record in read_all(settings, settings.dead_letters_topic)] == []
        assert len(await outputs(settings)) >= 3


async def test_a_service_on_the_wall_clock_opens_itself_and_sends_what_happens_from_then_on(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, clock="wall")
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await create_topics(settings)
        cluster.start_worker()
        opened = await until_applied(cluster, 0)
        assert opened.wall
        assert opened.live_at is not None
        await send(settings, WEEKS[:-1])
        history = await until_applied(cluster, len(WEEKS) - 1)
        assert history.live_at == opened.live_at
        assert await outputs(settings) == []
        told = await asyncio.to_thread(command, settings, "doctor")
        assert "no `live` record" not in told.stdout
        now = datetime.now(UTC) + timedelta(seconds=1)
        today = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
            value = typed("2026-01-01", 99).replace(b"2026-01-01T10:00:00Z", today.encode())
            await producer.send_and_wait(settings.purchases_topic, value, key=b"A")
        await until_applied(cluster, len(WEEKS))
        sent = await outputs(settings)
        assert sent
        assert {event["occurred_at"][:19] for event in sent} == {today[:19]}


async def test_a_file_loaded_into_fresh_topics_is_on_the_log_clock_and_one_behind_go_live_is_history(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    file = tmp_path / "sales.csv"
    rows = "\n".join(f"{number},A,{day} 10:00,S1,1,2.50" for number, day in enumerate(WEEKS))
    file.write_text(f"order_id,customer_id,date,sku,quantity,price\n{rows}\n", encoding="utf-8")
    fresh = fresh_settings(tansu, clock="wall")
    sent = await asyncio.to_thread(command, fresh, "produce", str(file))
    assert (sent.returncode, "ticks" in sent.stdout) == (0, True), sent.stdout + sent.stderr
    assert "count as history" not in sent.stdout
    assert (await log_clock(fresh)).wall is False
    async with Cluster(fresh, tmp_path, REAL) as cluster:
        cluster.start_worker()
        last = sum([1 async for _ in read_all(fresh, fresh.purchases_topic)]) - 1
        clock = await until_applied(cluster, last)
        assert not clock.wall
        assert await outputs(fresh)

    own = fresh_settings(tansu, clock="wall")
    assert (await asyncio.to_thread(command, own, "topics")).returncode == 0
    history = await asyncio.to_thread(command, own, "produce", str(file), "--restart")
    assert history.returncode == 0, history.stdout + history.stderr
    assert "7 purchases are older than go-live" in history.stdout
    assert "and 0 ticks" in history.stdout
    found = await log_clock(own)
    assert (found.wall, found.there, found.history) == (True, True, len(WEEKS))
    replayed = await asyncio.to_thread(command, own, "replay", "--days", "1")
    assert (replayed.returncode, "follows the wall clock" in replayed.stderr) == (1, True)


async def test_timestamps_that_are_none_are_counted_and_named_and_lose_nothing(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu)
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await create_topics(settings)
        await send(settings, WEEKS, timestamp_ms=1_706_781_600)  # seconds, taken for milliseconds
        cluster.start_worker()
        await until_applied(cluster, len(WEEKS) - 1)
        counts = (await cluster.command({"command": "counts"}))["counts"]
        assert (counts["applied"], counts["timeless"]) == (len(WEEKS), len(WEEKS))
        told = await asyncio.to_thread(command, settings, "doctor")
        assert told.stdout.count("carry a timestamp of -1 or outside") == 1
