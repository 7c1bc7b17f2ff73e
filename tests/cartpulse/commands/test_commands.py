"""The commands that talk to a broker, on a broker."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from typer.testing import CliRunner, Result

from cartpulse.main import app
from models.contracts.purchases import CatalogueUpdate, Erasure, read
from models.memory.rows import CLOCK_KEY, own_payload, partition_row
from models.state.clock_row import UNTIL_LIVE_MS, ClockRow
from streams.kafka.log.reading import read_all
from streams.kafka.options import consumer_options, producer_options
from streams.kafka.topics import create_topics, keeps_producer_time, topic_specs
from streams.operations.log_clock import log_clock
from streams.settings.environment import load_settings
from streams.settings.settings import Settings, variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Broker


@pytest.fixture
def settings(
    broker: Broker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a service of its own, in the environment too."""
    own = fresh_settings(broker, partitions=2, clock="wall")
    for name in ("kafka_broker", "application", "topic_prefix", "session_timeout_ms", "partitions", "clock"):
        monkeypatch.setenv(variable(name), str(getattr(own, name)))
    assert load_settings().topic_prefix == own.topic_prefix
    return own


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result


def held(settings: Settings, topic: str) -> list[Any]:
    async def read() -> list[Any]:
        return [record async for record in read_all(settings, topic)]

    return asyncio.run(read())


def written(settings: Settings) -> list[Any]:
    """What `purchases` holds besides the `live` records with which it begins."""
    records = held(settings, settings.purchases_topic)
    return [record for record in records if json.loads(record.value)["kind"] != "live"]


def write(
    settings: Settings,
    topic: str,
    *values: bytes,
    key: bytes = b"k",
    headers: list[tuple[str, bytes]] | None = None,
) -> None:
    async def send() -> None:
        await create_topics(settings)
        async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
            for number, value in enumerate(values):
                await producer.send_and_wait(
                    topic, value, key=key, partition=number % settings.partitions, headers=headers
                )

    asyncio.run(send())


def test_topics_are_made_and_then_found(settings: Settings) -> None:
    names = {spec.name for spec in topic_specs(settings)}
    for state in ("made", "found"):
        report = json.loads(run("topics", "--json").stdout)
        assert {row["topic"]: row["state"] for row in report["topics"]} == dict.fromkeys(names, state)
        assert {row["partitions"] for row in report["topics"]} == {2}


def test_a_service_on_the_wall_clock_is_live_from_the_moment_its_topics_are_made(settings: Settings) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    run("topics")
    run("topics")
    records = held(settings, settings.purchases_topic)
    assert sorted(record.partition for record in records) == [0, 1]
    (live,) = {record.value for record in records}
    signal = read(live)
    assert signal.kind == "live"
    assert before.timestamp() * 1_000 <= signal.occurred_ms <= datetime.now(UTC).timestamp() * 1_000


def test_history_may_be_loaded_first_on_the_wall_clock(settings: Settings) -> None:
    run("topics", "--until-live")
    (never,) = {record.value for record in held(settings, settings.purchases_topic)}
    assert read(never).occurred_ms == UNTIL_LIVE_MS
    run("go-live")
    found = asyncio.run(log_clock(settings))
    assert found.wall
    assert found.live_at is not None
    assert found.live_at < UNTIL_LIVE_MS


def test_topics_that_keep_their_producers_time_are_made_so_or_not_at_all(settings: Settings) -> None:
    run("topics", "--producer-time")
    assert asyncio.run(keeps_producer_time(settings))
    again = CliRunner().invoke(app, ["topics", "--producer-time"])
    assert (again.exit_code, "--producer-time is for new topics" in again.output) == (1, True)


def test_go_live_writes_one_record_to_every_partition(settings: Settings) -> None:
    told = json.loads(run("go-live", "--json").stdout)
    assert told["partitions"] == 2
    records = held(settings, settings.purchases_topic)
    assert sorted(record.partition for record in records) == [0, 1]
    assert {json.loads(record.value)["kind"] for record in records} == {"live"}


def test_an_erasure_goes_to_every_partition_once_it_is_confirmed(settings: Settings) -> None:
    for typed in ("n\n", ""):
        ended = CliRunner().invoke(app, ["erase", "Zoë"], input=typed)
        assert (ended.exit_code, "Erase customer 'Zoë' at" in ended.output) == (1, True)
    run("topics")
    assert written(settings) == []
    told = json.loads(run("erase", "Zoë", "--yes", "--json").stdout)
    records = written(settings)
    assert sorted(record.partition for record in records) == [0, 1]
    (erasure,) = {record.value for record in records}
    read_back = read(erasure)
    assert isinstance(read_back, Erasure)
    assert read_back.customer_id == told["customer_id"] == "Zoë"
    for no_key in ("x" * 300, "", "\udcff"):  # the last is what a byte that is no UTF-8 comes as
        refused = CliRunner().invoke(app, ["erase", no_key, "--yes"])
        assert (refused.exit_code, "1 to 256 bytes" in refused.output) == (1, True)


def test_a_catalogue_goes_to_every_partition_and_a_rehearsal_nowhere(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "products.csv"
    file.write_text("sku,name,stock\n7,Whole milk,3\n8,Rye,perhaps\n", encoding="utf-8")
    run("topics")
    rehearsed = run("catalogue", str(file), "--dry-run").stdout
    assert "'perhaps' is neither" in rehearsed
    assert "this was a rehearsal" in rehearsed
    assert written(settings) == []
    told = json.loads(run("catalogue", str(file), "--json").stdout)
    assert (told["products"], told["available"], told["sent"]) == (1, 1, True)
    assert [row["line"] for row in told["refused"]] == [3]
    records = written(settings)
    assert sorted(record.partition for record in records) == [0, 1]
    (value,) = {record.value for record in records}
    update = read(value)
    assert isinstance(update, CatalogueUpdate)
    assert [(one.product_id, one.category, one.name) for one in update.products] == [("7", "7", "Whole milk")]
    file.write_bytes("sku,name\n7,Müsli\n".encode("windows-1252"))
    assert "Is '7,Müsli' right?" in run("catalogue", str(file), "--dry-run").stdout
    file.write_bytes("sku,name\n7,Müsli\n".encode() + "8,Käse\n".encode("windows-1252"))
    assert "--fallback-encoding" in run("catalogue", str(file), "--dry-run").stdout
    named = run("catalogue", str(file), "--fallback-encoding", "windows-1252", "--json").stdout
    assert (json.loads(named)["products"], json.loads(named)["refused"]) == (2, [])
    file.write_text("sku,status\n,\n", encoding="utf-8")
    ended = CliRunner().invoke(app, ["catalogue", str(file)])
    assert (ended.exit_code, "Nothing was sent." in ended.output) == (1, True)


def test_an_export_tells_where_a_customer_is_named_even_in_what_was_refused(settings: Settings) -> None:
    run("topics", "--until-live")
    nothing = CliRunner().invoke(app, ["export", "Zoë"])
    assert (nothing.exit_code, "Nothing is known of customer 'Zoë'" in nothing.output) == (1, True)
    run("erase", "Zoë", "--yes")
    letters = [b'{"customer_id": "Zo\\u00eb", "items": 7}', '{"customer_id": "Zoë", '.encode(), b"\xff"]
    write(settings, settings.dead_letters_topic, *letters)
    told = json.loads(run("export", "Zoë").stdout)
    assert told["state"] == told["outputs"] == []
    assert [one["value"]["kind"] for one in told["purchases"]] == ["erase", "erase"]
    assert sorted(one.get("value", {}).get("items", 0) for one in told["dead_letters"]) == [0, 7]
    alone = CliRunner().invoke(app, ["export", "Zoë", "--state-only"])
    assert alone.exit_code == 1


def test_on_the_log_clock_topics_are_made_until_live_and_live_is_an_event_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTPULSE_CLOCK", "log")
    run("topics", "--until-live")
    again = CliRunner().invoke(app, ["topics", "--until-live"])
    assert (again.exit_code, "was there already" in again.output) == (1, True)
    missing = CliRunner().invoke(app, ["go-live"])
    assert (missing.exit_code, "--at" in missing.output) == (1, True)
    vague = CliRunner().invoke(app, ["go-live", "--at", "2017-10-01T00:00:00"])
    assert (vague.exit_code, "no time with an offset" in vague.output) == (1, True)
    run("go-live", "--at", "2017-10-01T00:00:00-04:00")
    moments = [json.loads(record.value)["occurred_at"] for record in held(settings, settings.purchases_topic)]
    assert sorted(moments) == ["2017-10-01T04:00:00Z"] * 2 + ["2100-12-31T00:00:00Z"] * 2


def test_dead_letters_are_listed_as_json_lines(settings: Settings) -> None:
    for number, value in enumerate((b"{bad", b"{worse", b"{worst", b"{worst")):
        headers = [
            ("topic", settings.purchases_topic.encode()),
            ("partition", b"1"),
            ("offset", b"%d" % min(number, 2)),  # the last one is a copy
            ("stage", b"decode"),
            ("error", b"json"),
            ("field", b""),
            ("reason", b"not JSON"),
        ]
        write(settings, settings.dead_letters_topic, value, headers=headers)
    letters = [json.loads(line) for line in run("dead-letters", "list", "--json").stdout.splitlines()]
    assert sorted(letter["first_bytes"] for letter in letters) == ["{bad", "{worse", "{worst"]
    assert {(letter["offset"], letter["error"]) for letter in letters} == {(n, "json") for n in range(3)}
    assert len(run("dead-letters", "list", "--json", "--limit", "2").stdout.splitlines()) == 2


def test_reset_forgets_the_changelog_and_leaves_the_purchases(settings: Settings) -> None:
    write(settings, settings.changelog_topic, b"row", b"row")
    write(settings, settings.purchases_topic, b"{}")
    run("reset", "--yes")
    assert held(settings, settings.changelog_topic) == []
    assert [record.value for record in held(settings, settings.purchases_topic)] == [b"{}"]
    assert {row["state"] for row in json.loads(run("topics", "--json").stdout)["topics"]} == {"found"}


def test_a_service_keeps_its_clock_through_a_reset(settings: Settings) -> None:
    state = ClockRow(offset=41, watermark=7, begun=9, finished=9, wall=False, partitions=2)
    write(settings, settings.changelog_topic, state.encode(), key=CLOCK_KEY)
    run("reset", "--yes")
    rows = held(settings, settings.changelog_topic)
    clocks = {record.partition: ClockRow.decode(record.value) for record in rows}
    blank = ClockRow(wall=False, partitions=2, fingerprint=settings.ledger.fingerprint)
    assert clocks == {0: blank, 1: blank}


def test_a_reset_in_quiet_of_a_state_that_nobody_knows_deletes_nothing(settings: Settings) -> None:
    write(settings, settings.changelog_topic, b"row", b"row")
    result = CliRunner().invoke(app, ["reset", "--yes", "--quiet"])
    assert result.exit_code == 1
    assert "nothing says how far the service had come" in result.stderr
    assert len(held(settings, settings.changelog_topic)) == 2


def test_a_reset_in_quiet_takes_the_greatest_whole_clock_row_of_each_partition(settings: Settings) -> None:
    rows = [partition_row(clock_payload(), offset=at, boundary=9) for at in (40, 7, 41, 8, 12)]
    write(settings, settings.changelog_topic, *rows, b"damaged", b"cut off", key=CLOCK_KEY)
    told = run("reset", "--yes", "--quiet").stdout
    assert "partition 0 up to offset 41 cause was sent" in told
    assert "partition 1 up to offset 8 cause was sent" in told
    for record in held(settings, settings.changelog_topic):
        clock = ClockRow.decode(record.value)
        assert (record.key, clock.offset, clock.quiet_boundary) == (CLOCK_KEY, -1, 9)
        assert clock.quiet_offset == (41 if record.partition == 0 else 8)
        assert clock.wall


def clock_payload() -> bytes:
    """What a clock row of a wall-clock service of two partitions holds."""
    return own_payload(ClockRow(wall=True, partitions=2).encode())


def test_a_reset_in_quiet_is_refused_where_customers_move_to_other_partitions(settings: Settings) -> None:
    row = ClockRow(offset=5, partitions=3).encode()
    write(settings, settings.changelog_topic, row, key=CLOCK_KEY)
    result = CliRunner().invoke(app, ["reset", "--yes", "--quiet"])
    assert result.exit_code == 1
    assert "written for 3 partitions" in result.stderr
    assert len(held(settings, settings.changelog_topic)) == 1


@pytest.mark.kafka
async def test_reset_is_refused_while_a_worker_runs(
    apache_kafka: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(apache_kafka)
    await create_topics(settings)
    environment = {
        variable(name): str(getattr(settings, name))
        for name in ("kafka_broker", "application", "topic_prefix")
    }
    async with AIOKafkaConsumer(
        settings.purchases_topic, **consumer_options(settings, group=settings.group)
    ) as member:
        async with asyncio.timeout(30):
            while not member.assignment():  # noqa: ASYNC110 - an assignment sets no event
                await asyncio.sleep(0.05)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cartpulse", "reset", "--yes"),
            env=os.environ | environment,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.startswith(b"cartpulse: 1 worker(s) of the group")


def test_a_topic_is_read_to_its_end_whatever_its_batches(settings: Settings) -> None:
    values = [str(number).encode() for number in range(25)]
    write(settings, settings.purchases_topic, *values)
    assert sorted(record.value for record in held(settings, settings.purchases_topic)) == sorted(values)
