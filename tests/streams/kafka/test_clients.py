"""The clients of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.changelog.recovery import read_to_end
from streams.delivery.exactly_once import FENCED
from streams.errors import DeliveryFailedError, SettingsError, TopicMismatchError
from streams.kafka.clients import NEVER_MS, Connections
from streams.kafka.closing import close
from streams.kafka.options import producer_options
from streams.kafka.topics import create_topics
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.brokers.apache_kafka import ApacheKafka
    from streams.brokers.embedded import LocalBroker


async def test_the_member_never_leaves_for_want_of_fetches_and_the_reader_has_no_group(
    monkeypatch: pytest.MonkeyPatch, tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    made: list[dict[str, Any]] = []

    class Recorded:
        def __init__(self, **options: Any) -> None:
            made.append(options)

        async def start(self) -> None:
            """Do nothing."""

    monkeypatch.setattr("streams.kafka.clients.AIOKafkaConsumer", Recorded)
    settings = fresh_settings(tansu)
    connections = Connections(settings)
    await connections.consumer()
    await connections.reader()
    member, reader = made
    assert (member["group_id"], member["max_poll_interval_ms"]) == (settings.group, NEVER_MS)
    assert member["auto_offset_reset"] == "none"
    assert not member["enable_auto_commit"]
    assert reader.get("group_id") is None


async def test_the_embedded_broker_has_no_transactions_and_auto_does_without(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    assert not await Connections(fresh_settings(tansu, delivery_guarantee="auto")).exactly_once()
    asked = Connections(fresh_settings(tansu, delivery_guarantee="exactly_once"))
    with pytest.raises(SettingsError, match="CARTPULSE_DELIVERY_GUARANTEE"):
        await asked.exactly_once()


@pytest.mark.kafka
async def test_auto_is_exactly_once_where_the_broker_has_transactions(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    assert await Connections(fresh_settings(apache_kafka, delivery_guarantee="auto")).exactly_once()
    assert not await Connections(fresh_settings(apache_kafka)).exactly_once()


@pytest.mark.kafka
async def test_the_next_owners_producer_aborts_what_the_last_one_left_open_and_fences_it_off(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(apache_kafka)
    await create_topics(settings)
    changelog = TopicPartition(settings.changelog_topic, 0)
    connections = Connections(settings)
    last = await connections.transactional(0)
    await last.begin_transaction()
    await last.send_and_wait(changelog.topic, b"left open", b"k", partition=0)
    following = await connections.transactional(0)
    reader = await connections.reader()
    try:
        assert [records async for records in read_to_end(reader, changelog, 0)] == []
        with pytest.raises(FENCED):
            await last.commit_transaction()
        await following.begin_transaction()
        await following.send_and_wait(changelog.topic, b"counts", b"k", partition=0)
        await following.commit_transaction()
        found = [record async for records in read_to_end(reader, changelog, 0) for record in records]
        assert [(record.offset, record.value) for record in found] == [(2, b"counts")]
        assert await reader.position(changelog) == 4
    finally:
        for client in (last, following, reader):
            await close(client)


async def test_rows_have_a_producer_of_their_own(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    outputs, rows = await Connections(fresh_settings(tansu)).producers()
    assert outputs is not rows
    for producer in (outputs, rows):
        await producer.stop()


async def test_a_topic_that_is_gone_is_the_reason_of_a_send_that_failed(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    settings, failed = fresh_settings(tansu), DeliveryFailedError("not acknowledged")
    connections = Connections(settings)
    why = await connections.why(failed)
    assert isinstance(why, TopicMismatchError)
    assert settings.changelog_topic in str(why)
    await create_topics(settings)
    assert await connections.why(failed) is failed


async def test_a_broker_that_is_away_gives_no_other_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka.clients.WHY_SECONDS", 0.5)
    failed = DeliveryFailedError("not acknowledged")
    assert await Connections(Settings(kafka_broker="127.0.0.1:1")).why(failed) is failed


async def test_how_far_a_log_is_read_can_be_seen_by_those_who_do_not_read_it(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(tansu)
    await create_topics(settings)
    async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
        for number in range(5):
            await producer.send_and_wait(settings.changelog_topic, b"row", key=b"%d" % number, partition=0)
    connections, log = Connections(settings), TopicPartition(settings.changelog_topic, 0)
    assert await connections.read(log) is None
    reader = await connections.reader()
    reader.assign([log])
    reader.seek(log, 0)
    assert await connections.read(log) is None
    while not await reader.getmany(log, timeout_ms=1_000, max_records=2):
        pass
    assert await connections.read(log) == (2, 5)
    assert await connections.read(TopicPartition(settings.changelog_topic, 1)) is None
    await reader.stop()
