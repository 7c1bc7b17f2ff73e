"""Topics are made as the service needs them, and one that differs is refused with the way out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.brokers.embedded import free_port
from streams.errors import BrokerUnreachableError, TopicMismatchError, TopicsNotMadeError
from streams.kafka.options import connection
from streams.kafka.topics import OUTPUTS, create_topics, topic_specs
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.brokers.apache_kafka import ApacheKafka
    from streams.brokers.embedded import LocalBroker
    from tests.conftest import Broker


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def made_by_hand(settings: Settings, name: str, partitions: int, **config: str) -> None:
    async with administration(settings) as admin:
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dotted)])
        async with asyncio.timeout(10):
            while name not in await admin.list_topics():  # noqa: ASYNC110 (a broker sets no event)
                await asyncio.sleep(0.02)


async def names(settings: Settings) -> set[str]:
    async with administration(settings) as admin:
        return {name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)}


def test_every_topic_has_as_many_partitions_as_purchases() -> None:
    specs = topic_specs(Settings(partitions=7))
    assert {spec.partitions for spec in specs} == {7}
    assert {spec.name for spec in specs} == {
        "purchases",
        "replenishment-alerts",
        "recommendations",
        "segment-changes",
        "cluster-changes",
        "exposures",
        "dead-letters",
        "cartpulse-ledger-changelog",
        "cartpulse-commands",
    }


def test_the_changelog_is_compacted_and_purchases_are_kept_for_ever() -> None:
    config = {spec.name: spec.config for spec in topic_specs(Settings())}
    changelog = config["cartpulse-ledger-changelog"]
    assert changelog["cleanup.policy"] == "compact"
    assert changelog["min.compaction.lag.ms"] == str(24 * 3_600_000)
    assert changelog["max.message.bytes"] == str(8 * 1024 * 1024)
    assert config["purchases"]["retention.ms"] == "-1"
    assert config["segment-changes"]["retention.ms"] == str(30 * 86_400_000)
    kept = {spec.name: spec.config for spec in topic_specs(Settings(purchases_retention_days=7))}
    assert kept["purchases"]["retention.ms"] == str(7 * 86_400_000)


def test_a_dead_letter_may_be_twice_as_large_as_a_purchase() -> None:
    config = {spec.name: spec.config for spec in topic_specs(Settings())}
    sizes = {name: int(config[name]["max.message.bytes"]) for name in ("purchases", "dead-letters")}
    assert sizes["dead-letters"] == 2 * sizes["purchases"]


def test_purchases_carry_the_brokers_time_under_both_clocks() -> None:
    for clock in ("log", "wall"):
        purchases = topic_specs(Settings(clock=clock))[0]
        assert purchases.config["message.timestamp.type"] == "LogAppendTime"


def test_a_write_must_be_in_two_of_three_copies_and_in_the_only_one_of_fewer() -> None:
    for copies, least in ((1, None), (2, None), (3, "2"), (5, "2")):
        configs = [spec.config for spec in topic_specs(Settings(replication_factor=copies))]
        assert {config.get("min.insync.replicas") for config in configs} == {least}


async def test_missing_topics_are_made_and_a_second_run_finds_them_fitting(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker, partitions=3)
    first = await create_topics(settings)
    assert set(first.made) == {spec.name for spec in topic_specs(settings)} == await names(settings)
    assert first.found == ()
    second = await create_topics(settings)
    assert second.made == ()
    assert set(second.found) == set(first.made)
    async with administration(settings) as admin:
        topics = await admin.describe_topics(sorted(first.made))
    assert {len(topic["partitions"]) for topic in topics} == {3}


async def test_workers_that_start_at_once_make_the_topics_together(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker)
    reports = await asyncio.gather(*(create_topics(settings) for _ in range(4)))
    made = [name for report in reports for name in report.made]
    assert sorted(made) == sorted({spec.name for spec in topic_specs(settings)}), "each was made once"


async def test_another_partition_count_is_refused_and_nothing_is_made(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker, partitions=2)
    await made_by_hand(settings, settings.purchases_topic, 5)
    with pytest.raises(
        TopicMismatchError, match=r"it has 5 partitions and must have 2.*Set CARTPULSE_PARTITIONS=5"
    ):
        await create_topics(settings)
    assert await names(settings) == {settings.purchases_topic}


async def test_each_difference_is_named_with_the_command_that_settles_it(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker)
    await made_by_hand(
        settings,
        settings.changelog_topic,
        1,
        cleanup_policy="delete",
        max_message_bytes="1048588",
        message_timestamp_type="LogAppendTime",
    )
    with pytest.raises(TopicMismatchError) as caught:
        await create_topics(settings)
    policy, size = str(caught.value).splitlines()
    assert "cleanup.policy is delete and must be compact" in policy
    assert f"--entity-name {settings.changelog_topic} --add-config 'cleanup.policy=compact'" in policy
    assert "max.message.bytes is 1048588 and must be 8388608" in size


async def test_purchases_that_keep_their_producers_time_are_taken_as_they_are(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker)
    await create_topics(settings, producer_time=True)
    async with administration(settings) as admin:
        asked = [ConfigResource(ConfigResourceType.TOPIC, settings.purchases_topic)]
        (response,) = await admin.describe_configs(asked)
    stamped = {entry[0]: entry[1] for topic in response.resources for entry in topic[4]}
    assert stamped["message.timestamp.type"] == "CreateTime"
    assert settings.purchases_topic in (await create_topics(settings)).found


async def test_a_larger_message_size_is_no_difference(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(broker)
    await made_by_hand(
        settings,
        settings.purchases_topic,
        1,
        cleanup_policy="delete",
        max_message_bytes="10000000",
        message_timestamp_type="CreateTime",
    )
    assert settings.purchases_topic in (await create_topics(settings)).found


async def test_what_the_embedded_broker_does_not_report_is_a_note(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(tansu)
    await made_by_hand(settings, settings.purchases_topic, 1)
    notes = (await create_topics(settings)).notes
    assert (
        f"{settings.purchases_topic}: the broker does not report cleanup.policy; it should be delete."
        in notes
    )


@pytest.mark.kafka
async def test_apache_kafka_takes_every_setting_as_given_and_nothing_is_noted(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    settings = fresh_settings(apache_kafka, clock="wall", partitions=2)
    assert (await create_topics(settings)).notes == ()
    assert (await create_topics(settings)).notes == ()
    specs = topic_specs(settings)
    async with administration(settings) as admin:
        asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
        (response,) = await admin.describe_configs(asked)
    actual = {topic[3]: {entry[0]: entry[1] for entry in topic[4]} for topic in response.resources}
    for spec in specs:
        assert {key: actual[spec.name][key] for key in spec.config} == dict(spec.config)
    assert set(OUTPUTS) <= {spec.name.removeprefix(settings.topic_prefix) for spec in specs}


@pytest.mark.kafka
async def test_more_copies_than_brokers_is_the_brokers_refusal(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(TopicsNotMadeError, match="replication factor"):
        await create_topics(fresh_settings(apache_kafka, replication_factor=3))


async def test_no_broker_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(
        BrokerUnreachableError, match="correct KAFKA_BROKER, KAFKA_SECURITY_PROTOCOL or the login"
    ):
        await create_topics(Settings(kafka_broker=f"127.0.0.1:{free_port(0)}"))
