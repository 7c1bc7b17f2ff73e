"""The commands that talk to a broker, on a broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

from cartpulse.main import app
from cartpulse.reading import read_all
from streams.clients import producer_options
from streams.settings import Settings, load_settings, variable
from streams.topics import create_topics, topic_specs

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.broker import LocalBroker


@pytest.fixture
def settings(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a service of its own, in the environment too."""
    own = fresh_settings(tansu, partitions=2, clock="wall")
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


def write(
    settings: Settings, topic: str, *values: bytes, headers: list[tuple[str, bytes]] | None = None
) -> None:
    async def send() -> None:
        await create_topics(settings)
        async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
            for number, value in enumerate(values):
                await producer.send_and_wait(
                    topic, value, key=b"k", partition=number % settings.partitions, headers=headers
                )

    asyncio.run(send())


def test_topics_are_made_and_then_found(settings: Settings) -> None:
    names = {spec.name for spec in topic_specs(settings)}
    for state in ("made", "found"):
        report = json.loads(run("topics", "--json").stdout)
        assert {row["topic"]: row["state"] for row in report["topics"]} == dict.fromkeys(names, state)
        assert {row["partitions"] for row in report["topics"]} == {2}


def test_go_live_writes_one_record_to_every_partition(settings: Settings) -> None:
    told = json.loads(run("go-live", "--json").stdout)
    assert told["partitions"] == 2
    records = held(settings, settings.purchases_topic)
    assert sorted(record.partition for record in records) == [0, 1]
    assert {json.loads(record.value)["kind"] for record in records} == {"live"}


def test_dead_letters_are_listed_as_json_lines(settings: Settings) -> None:
    headers = [
        ("topic", settings.purchases_topic.encode()),
        ("partition", b"1"),
        ("offset", b"7"),
        ("stage", b"decode"),
        ("error", b"json"),
        ("field", b""),
        ("reason", b"not JSON"),
    ]
    write(settings, settings.dead_letters_topic, b"{bad", b"{worse", b"{worst", headers=headers)
    letters = [json.loads(line) for line in run("dead-letters", "list", "--json").stdout.splitlines()]
    assert sorted(letter["first_bytes"] for letter in letters) == ["{bad", "{worse", "{worst"]
    assert {(letter["offset"], letter["error"]) for letter in letters} == {(7, "json")}
    assert len(run("dead-letters", "list", "--json", "--limit", "2").stdout.splitlines()) == 2


def test_reset_forgets_the_changelog_and_leaves_the_purchases(settings: Settings) -> None:
    write(settings, settings.changelog_topic, b"row", b"row")
    write(settings, settings.purchases_topic, b"{}")
    run("reset", "--yes")
    assert held(settings, settings.changelog_topic) == []
    assert [record.value for record in held(settings, settings.purchases_topic)] == [b"{}"]
    assert {row["state"] for row in json.loads(run("topics", "--json").stdout)["topics"]} == {"found"}


def test_a_topic_is_read_to_its_end_whatever_its_batches(settings: Settings) -> None:
    values = [str(number).encode() for number in range(25)]
    write(settings, settings.purchases_topic, *values)
    assert sorted(record.value for record in held(settings, settings.purchases_topic)) == sorted(values)


@pytest.mark.end_to_end
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_broker_names_its_address_and_ends_with_a_signal(sent: signal.Signals, status: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cartpulse", "broker", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("KAFKA_BROKER=127.0.0.1:")
        process.send_signal(sent)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == status
    assert "Traceback" not in errors
