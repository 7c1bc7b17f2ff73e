"""The load knows what it wrote: all that it says is in the log, and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.changelog.recovery import digest, read_to_end
from streams.kafka.options import consumer_options
from streams.kafka.topics import create_topics
from tests.verification.proof.load import Load
from tests.verification.proof.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.brokers.apache_kafka import ApacheKafka
    from streams.settings.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.end_to_end]


@pytest.mark.parametrize("transactions", [False, True])
async def test_the_log_holds_what_was_acknowledged_and_nothing_that_was_aborted(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings], *, transactions: bool
) -> None:
    settings = fresh_settings(apache_kafka, partitions=2)
    await create_topics(settings)
    load = Load(
        settings,
        Plan(settings, seed="1", events=1_500, days=2),
        rate=5_000,
        transactions=transactions,
    )
    load.start()
    await load.until_written(500)
    assert load.written >= 500
    await load.finish()
    assert load.over
    committed = await log_of(settings, committed=True)
    assert committed == load.copies
    assert load.written == committed.total() >= 1_500
    assert not load.in_doubt
    everything = await log_of(settings, committed=False)
    assert (everything.total() > committed.total()) == transactions


async def log_of(settings: Settings, *, committed: bool) -> Counter[tuple[int, int]]:
    """What a consumer finds, by partition and hash of the value."""
    consumer = AIOKafkaConsumer(**consumer_options(settings, committed=committed))
    await consumer.start()
    found = Counter[tuple[int, int]]()
    for partition in range(settings.partitions):
        async for raws in read_to_end(consumer, TopicPartition(settings.purchases_topic, partition), 0):
            found.update((partition, digest(raw.value)) for raw in raws)
    await consumer.stop()
    return found
