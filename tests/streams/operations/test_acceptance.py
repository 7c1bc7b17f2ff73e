"""What workers made of what was just sent: counted by offsets, waited for while they get on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.events import DeadLetter
from streams.kafka.options import consumer_options, producer_options
from streams.kafka.topics import create_topics
from streams.operations import acceptance
from streams.operations.acceptance import Acceptance, Watch
from streams.sources.acknowledged import Sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings.settings import Settings
    from tests.conftest import Broker


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(0, 3)), max_size=30))
def test_runs_hold_exactly_the_offsets_that_were_acknowledged(batches: list[tuple[int, int, int]]) -> None:
    sent, offsets, ends = Sent(), set(), [0, 0, 0]
    for partition, count, between in batches:
        first = ends[partition] + between
        sent.note(partition, first, count)
        offsets |= {(partition, offset) for offset in range(first, first + count)}
        ends[partition] = first + count
    everything = {(partition, offset) for partition in range(4) for offset in range(-1, max(ends) + 2)}
    assert {place for place in everything if place in sent} == offsets
    assert sent.total == len(offsets)
    for end in range(max(ends) + 2):
        assert sent.before(dict.fromkeys(range(3), end)) == sum(offset < end for _, offset in offsets)
    assert sent.before({}) == 0


def test_adjoining_batches_are_one_run_and_an_offset_that_is_not_told_is_none() -> None:
    sent = Sent()
    for first, count in ((0, 5), (5, 5), (-1, 7), (20, 1)):
        sent.note(0, first, count)
    assert sent.runs == {0: [(0, 10), (20, 21)]}


@pytest.fixture
def settings(broker: Broker, fresh_settings: Callable[..., Settings]) -> Settings:
    """A service of its own with two partitions."""
    return fresh_settings(broker, partitions=2)


def letter(settings: Settings, partition: int, offset: int, error: str) -> list[tuple[str, bytes]]:
    described = DeadLetter(
        topic=settings.purchases_topic,
        partition=partition,
        offset=offset,
        stage="duplicate",
        error=error,
        field="",
        reason="why",
        size=None,
        sha256=None,
    )
    return list(described.headers(source="/test"))


class Service:
    """A stand-in for workers: writes letters, commits offsets."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def refuse(self, *letters: tuple[int, int, str]) -> None:
        """Write a letter for each (partition, offset, code)."""
        settings = self.settings
        async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
            for partition, offset, error in letters:
                headers = letter(settings, partition, offset, error)
                await producer.send_and_wait(
                    settings.dead_letters_topic, b"v", partition=partition, headers=headers
                )

    async def commit(self, *ends: int) -> None:
        """Commit an offset for each partition."""
        settings = self.settings
        places = [TopicPartition(settings.purchases_topic, number) for number in range(2)]
        consumer = AIOKafkaConsumer(**consumer_options(settings, group=settings.group))
        async with consumer:
            consumer.assign(places)
            await consumer.commit(dict(zip(places, ends, strict=True)))


async def test_letters_of_what_was_sent_are_counted_once_each_and_no_others(settings: Settings) -> None:
    await create_topics(settings)
    service, watch, sent = Service(settings), Watch(settings), Sent()
    await service.refuse((0, 3, "changed"), (1, 4, "changed"))
    await watch.begin()
    sent.note(0, 10, 5)
    sent.note(1, 7, 2)
    await service.refuse(
        (0, 9, "changed"), (0, 10, "changed"), (0, 10, "changed"), (0, 14, "changed"), (0, 15, "json")
    )
    await service.refuse((1, 7, "too-old"), (1, 10, "changed"))
    await service.commit(15, 9)
    assert await watch.look(sent) == Acceptance(7, 7, {"changed": 2, "too-old": 1})


async def test_where_no_worker_ever_was_nobody_waits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(settings)
    monkeypatch.setattr(acceptance, "STILL_SECONDS", 1_000.0)
    monkeypatch.setattr(acceptance, "WAIT_SECONDS", 1_000.0)
    watch, sent = Watch(settings), Sent()
    await watch.begin()
    sent.note(0, 0, 3)
    async with asyncio.timeout(60):
        assert await watch.look(sent) == Acceptance(3, 0, {})


async def test_workers_that_get_on_are_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(settings)
    monkeypatch.setattr(acceptance, "STILL_SECONDS", 60.0)
    monkeypatch.setattr(acceptance, "WAIT_SECONDS", 60.0)
    service, watch, sent = Service(settings), Watch(settings), Sent()
    await service.commit(0, 0)
    await watch.begin()
    sent.note(1, 0, 4)
    looking = asyncio.create_task(watch.look(sent))
    await service.commit(0, 2)
    assert not looking.done()
    await service.refuse((1, 3, "changed"))
    await service.commit(0, 4)
    assert await looking == Acceptance(4, 4, {"changed": 1})


async def test_workers_that_stand_still_are_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(settings)
    monkeypatch.setattr(acceptance, "STILL_SECONDS", 0.0)
    service, watch, sent = Service(settings), Watch(settings), Sent()
    await service.commit(2, 0)
    await watch.begin()
    sent.note(0, 0, 4)
    assert await watch.look(sent) == Acceptance(4, 2, {})


async def test_a_topic_of_letters_that_is_not_there_is_not_made(settings: Settings) -> None:
    watch, sent = Watch(settings), Sent()
    await watch.begin()
    sent.note(0, 0, 4)
    assert await watch.look(sent) == Acceptance(4, 0, {})
    async with AIOKafkaConsumer(**consumer_options(settings)) as consumer:
        assert settings.dead_letters_topic not in await consumer.topics()
