"""Faults of the logs themselves: deleted, made anew, cut, or of more partitions than before.

Nothing can be right after them, so the promise is another: every worker stops, with one line that says what
happened and what can be done, with the status of an end that will not heal, and nothing is committed beyond
what was applied.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition

from streams.kafka.options import connection
from streams.kafka.topics import topic_specs
from streams.process.exit_status import Status
from tests.verification.proof.scenario import scenario

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from streams.settings.settings import Settings
    from tests.verification.proof.stage import Stage, Worker

STOP = int(Status.REFUSED)
QUICK = {"send_deadline_seconds": 4, "session_timeout_ms": 3_000}
"""What a worker waits for is told after twice the deadline."""
NO_TOPICS_BY_ACCIDENT = {"auto.create.topics.enable": "false"}
SECONDS = 60.0


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that may do anything."""
    client = AIOKafkaAdminClient(**connection(settings))
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def delete(stage: Stage, topic: str) -> None:
    """Delete a topic."""
    async with admin(stage.settings) as client:
        await client.delete_topics([topic])


async def make_anew(stage: Stage, topic: str) -> None:
    """Delete a topic and make it as it was, empty, as soon as the broker lets us."""
    spec = next(spec for spec in topic_specs(stage.settings) if spec.name == topic)
    wanted = NewTopic(spec.name, spec.partitions, 1, topic_configs=dict(spec.config))
    async with admin(stage.settings) as client:
        await client.delete_topics([topic])
        async with asyncio.timeout(20):
            while (code := (await client.create_topics([wanted])).topic_errors[0][1]) != 0:
                assert for_code(code) is TopicAlreadyExistsError, for_code(code)
                await asyncio.sleep(0.02)


async def two_at_work(stage: Stage, chance: random.Random) -> list[Worker]:
    """Two workers, some way into the load, which then ends."""
    stage.judged = False
    workers = [stage.start(), stage.start()]
    stage.load.start()
    await stage.until_applied(chance.randrange(500, stage.load.events // 2))
    return workers


async def all_at_rest(stage: Stage, chance: random.Random) -> None:
    """Two workers that applied a part of the load, and were told to end."""
    for worker in await two_at_work(stage, chance):
        await stage.term(worker)
    stage.load.stop()
    await stage.load.finish()


async def all_stop(stage: Stage, workers: list[Worker], line: str = "") -> None:
    """Every worker ends for good."""
    for worker in workers:
        await stage.ends(worker, STOP, line, seconds=SECONDS)
    assert not stage.running


@scenario("changelog deleted while workers run", runs=1, settings=QUICK, stall=None, seconds=40)
async def changelog_deleted(stage: Stage, chance: random.Random) -> None:
    """The broker makes it anew when it is next asked for it, with one partition and no compaction."""
    workers = await two_at_work(stage, chance)
    stage.fault("the changelog is deleted")
    await delete(stage, stage.settings.changelog_topic)
    await all_stop(stage, workers)
    await all_stop(stage, [stage.start()])


@scenario(
    "changelog made anew while workers run",
    runs=1,
    settings=QUICK,
    stall=None,
    seconds=40,
    broker="own",
    properties=NO_TOPICS_BY_ACCIDENT,
)
async def changelog_anew(stage: Stage, chance: random.Random) -> None:
    """By an operator, as it should be: what a worker writes next is all that it holds."""
    workers = await two_at_work(stage, chance)
    stage.fault("the changelog is made anew")
    await make_anew(stage, stage.settings.changelog_topic)
    await all_stop(stage, workers)
    await all_stop(stage, [stage.start()])


@scenario("changelog deleted before a start", runs=1, settings=QUICK, stall=None, seconds=40)
async def changelog_missing(stage: Stage, chance: random.Random) -> None:
    """The group knows how far it was."""
    await all_at_rest(stage, chance)
    stage.fault("the changelog is deleted")
    await delete(stage, stage.settings.changelog_topic)
    await all_stop(stage, [stage.start(), stage.start()], "changelog")


@scenario(
    "source made anew while workers run",
    runs=1,
    settings=QUICK,
    stall=None,
    seconds=40,
    broker="own",
    properties=NO_TOPICS_BY_ACCIDENT,
)
async def source_anew(stage: Stage, chance: random.Random) -> None:
    """With fewer records, or as many and others."""
    workers = await two_at_work(stage, chance)
    stage.fault("the topic of purchases is made anew")
    await make_anew(stage, stage.settings.purchases_topic)
    await all_stop(stage, workers)
    await all_stop(stage, [stage.start()], "purchases")


@scenario(
    "source made anew before a start",
    runs=1,
    settings=QUICK,
    stall=None,
    seconds=40,
    broker="own",
    properties=NO_TOPICS_BY_ACCIDENT,
)
async def source_anew_at_rest(stage: Stage, chance: random.Random) -> None:
    """The record that was applied last is not there any more."""
    await all_at_rest(stage, chance)
    stage.fault("the topic of purchases is made anew")
    await make_anew(stage, stage.settings.purchases_topic)
    await all_stop(stage, [stage.start(), stage.start()], "purchases")


async def cut(stage: Stage) -> None:
    """Remove everything that was written."""
    ends = {
        TopicPartition(stage.settings.purchases_topic, number): RecordsToDelete(end)
        for number, end in stage.load.ends.items()
    }
    async with admin(stage.settings) as client:
        await client.delete_records(ends)


@scenario(
    "retention passed the workers by while they ran",
    runs=1,
    settings=QUICK | {"fetch_max_bytes": 65_536, "batch_records": 50},
    stall=None,
    seconds=40,
)
async def cut_while_they_run(stage: Stage, chance: random.Random) -> None:
    """They were paused by an operator meanwhile, with little fetched ahead."""
    stage.judged = False
    workers = [stage.start(), stage.start()]
    stage.load.start()
    await stage.until_applied(chance.randrange(100, 500))
    await stage.command({"command": "pause"}, answers=False)
    await stage.until(lambda: stage.logs().count("Told to pause") == len(workers), 20, "the pause")
    await stage.load.finish()
    stage.fault("purchases that are not applied yet are removed")
    await cut(stage)
    await stage.command({"command": "resume"}, answers=False)
    await all_stop(stage, workers, "gone unread")


@scenario("retention passed the workers by before a start", runs=1, settings=QUICK, stall=None, seconds=40)
async def cut_at_rest(stage: Stage, chance: random.Random) -> None:
    """More purchases came after the last worker ended."""
    workers = await two_at_work(stage, chance)
    for worker in workers:
        await stage.term(worker)
    await stage.load.finish()
    stage.fault("purchases that are not applied yet are removed")
    await cut(stage)
    await all_stop(stage, [stage.start(), stage.start()], "gone unread")


@scenario("more partitions than before, while workers run", runs=1, settings=QUICK, stall=None, seconds=50)
async def more_partitions(stage: Stage, chance: random.Random) -> None:
    """It is noticed when the group next asks which there are."""
    workers = await two_at_work(stage, chance)
    stage.fault("purchases get another partition")
    async with admin(stage.settings) as client:
        wanted = {stage.settings.purchases_topic: NewPartitions(stage.settings.partitions + 1)}
        await client.create_partitions(wanted)
    await all_stop(stage, workers, "partitions")
    await all_stop(stage, [stage.start()], "partitions")


@scenario("the group's offsets are gone", runs=1, settings={"session_timeout_ms": 3_000})
async def offsets_gone(stage: Stage, chance: random.Random) -> None:
    """Nothing is lost by that: the clock row knows the position."""
    workers = [stage.start(), stage.start()]
    stage.load.start()
    await stage.until_applied(chance.randrange(500, stage.load.events // 2))
    for worker in workers:
        await stage.term(worker)
    stage.away("the group's offsets are deleted")
    await delete_group(stage)
    stage.start()
    stage.mended("a worker starts")


async def delete_group(stage: Stage) -> None:
    """Delete the group with all that it has committed."""
    from aiokafka.protocol.admin import DeleteGroupsRequest  # noqa: PLC0415 - needed here alone

    async with admin(stage.settings) as client:
        coordinator = await client.find_coordinator(stage.settings.group)
        request = DeleteGroupsRequest([stage.settings.group])
        response = await client._send_request_to_node(coordinator, request)
        assert response.results[0][1] == 0, response
