"""`cartpulse watch` on a broker: what is there, what comes, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from cartpulse.main import app
from streams.kafka.log.reading import follow, places_of, reader
from streams.kafka.options import producer_options
from streams.kafka.topics import create_topics
from streams.settings.settings import Settings, variable
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.brokers.embedded import LocalBroker
    from tests.conftest import Broker

TOPIC = "segment-changes"


@pytest.fixture
def settings(tansu: LocalBroker, fresh_settings: Callable[..., Settings]) -> Settings:
    return fresh_settings(tansu, partitions=2)


async def send(settings: Settings, *customers: str) -> None:
    """A segment change of each, in partitions in turn."""
    async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
        for number, customer in enumerate(customers):
            value = json.dumps({"customer_id": customer, "from": "Promising", "to": "At Risk"}).encode()
            headers = [("ce_type", b"io.cartpulse.segment-change.v1")]
            topic = settings.topic(TOPIC)
            await producer.send_and_wait(
                topic, value, key=customer.encode(), partition=number % 2, headers=headers
            )


def environment(settings: Settings) -> dict[str, str]:
    names = ("kafka_broker", "application", "topic_prefix")
    return {variable(name): str(getattr(settings, name)) for name in names}


def test_what_is_there_is_shown_filtered_and_up_to_a_limit(settings: Settings) -> None:
    async def fill() -> None:
        await create_topics(settings)
        await send(settings, "a", "b", "c", "a")

    asyncio.run(fill())

    def watch(*arguments: str) -> list[str]:
        command = ["watch", "--from-beginning", *arguments]
        ended = CliRunner().invoke(app, command, env=environment(settings))
        assert ended.exit_code == 0, ended.output
        return ended.stdout.splitlines()

    assert [text.split()[2] for text in watch("--customer", "a", "--limit", "2")] == ["a", "a"]
    told = [json.loads(text) for text in watch(TOPIC, "--segment", "at risk", "--limit", "4", "--json")]
    assert sorted(event["key"] for event in told) == ["a", "a", "b", "c"]


async def test_without_the_beginning_only_what_comes_is_shown(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker, partitions=2)
    await create_topics(settings)
    await send(settings, "old", "old", "old")
    places = await places_of(settings, [settings.topic(TOPIC)])
    ready = asyncio.Event()

    async def watch() -> list[bytes]:
        seen: list[bytes] = []
        async with (
            reader(settings) as consumer,
            aclosing(follow(consumer, places, from_beginning=False, started=ready.set)) as coming,
        ):
            async for records in coming:
                seen += [record.key for record in records]
                if len(seen) == 2:
                    break
        return seen

    async with asyncio.timeout(30):
        watching = asyncio.create_task(watch())
        await ready.wait()
        await send(settings, "new", "newer")
        assert sorted(await watching) == [b"new", b"newer"]


async def test_ctrl_c_ends_it_without_a_word(settings: Settings) -> None:
    await create_topics(settings)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cartpulse", "watch"),
        env=os.environ | environment(settings) | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        assert (await process.stderr.readline()).startswith(b"Watching ")
        process.send_signal(signal.SIGINT)
        told, errors = await process.communicate()
    assert (process.returncode, told, errors) == (130, b"", b"")


def test_a_segment_or_a_topic_that_there_is_not_is_named(settings: Settings) -> None:
    asyncio.run(create_topics(settings))
    wrong = CliRunner().invoke(app, ["watch", "--segment", "Winners"], env=environment(settings))
    assert wrong.exit_code == 2
    assert "Hibernating" in wrong.output
    gone = CliRunner().invoke(app, ["watch", "nothing"], env=environment(settings))
    assert gone.exit_code == 1
    assert f"{settings.topic(TOPIC)}" in gone.stderr
