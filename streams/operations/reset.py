"""Reset: deletion of the ledger's state, so that a worker reads `purchases` from its beginning."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupIdNotFound,
    GroupLoadInProgressError,
    KafkaError,
    for_code,
)
from aiokafka.protocol.admin import DeleteGroupsRequest, DescribeGroupsRequest

from streams.errors import BrokerUnreachableError, CartpulseError
from streams.kafka.opened import admin as opened_admin
from streams.kafka.opened import raw_client
from streams.kafka.options import abilities
from streams.kafka.topics import create_topics
from streams.operations.quiet import clocks_after, note, same_clock

if TYPE_CHECKING:
    from models.state.clock_row import ClockRow
    from streams.settings.settings import Settings

GONE_SECONDS = 30.0
"""Seconds that a broker may take to delete a topic: it does so in the background."""


class ResetRefusedError(CartpulseError):
    """The ledger's state could not be deleted, or not safely."""


async def forget(settings: Settings, *, quiet: bool) -> dict[int, ClockRow]:
    """Delete the state of the service and begin a new changelog.

    The consumer group is deleted last: while it exists, a worker that finds no clock row refuses to begin.

    Args:
        settings: Service settings.
        quiet: Send no output again that the old state had sent.

    Returns:
        Partition -> clock with which its state is made anew; empty unless `quiet`.

    Raises:
        ResetRefusedError: Workers run, or the broker did not delete the topic or the group.
        BrokerUnreachableError: No broker answers.
    """
    try:
        # The embedded broker, which has no idempotent producers, lists members that left long ago. There, the
        # person who resets must make sure that no worker runs.
        tells_members = (await abilities(settings)).idempotent
        async with raw_client(settings) as client:
            if tells_members:
                await _refuse_beside_workers(client, settings.group)
            clocks = await (clocks_after(settings) if quiet else same_clock(settings))
            await _delete_topic(settings)
            await create_topics(settings)
            await note(settings, clocks)
            await _delete_group(client, settings.group)
    except (KafkaError, OSError) as error:
        raise BrokerUnreachableError(
            f"The broker at {settings.kafka_broker} does not answer ({error or type(error).__name__}): "
            "see that it is up, or correct KAFKA_BROKER."
        ) from error
    return clocks if quiet else {}


async def _coordinator(client: AIOKafkaClient, group: str) -> Any:
    """Find the broker that coordinates the group; a new cluster needs a moment to name it."""
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        try:
            return await client.coordinator_lookup(CoordinationType.GROUP, group)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _refuse_beside_workers(client: AIOKafkaClient, group: str) -> None:
    node = await _coordinator(client, group)
    described = await client.send(node, DescribeGroupsRequest([group]))
    for _code, _name, _state, _kind, _protocol, members, *_ in described.groups:
        if members:
            raise ResetRefusedError(
                f"{len(members)} worker(s) of the group {group} run: end them first, and ask again when "
                "their session has run out."
            )


async def _delete_group(client: AIOKafkaClient, group: str) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    node = await _coordinator(client, group)
    while True:
        answer = await client.send(node, DeleteGroupsRequest([group]))
        ((_name, code),) = answer.results
        if not for_code(code).retriable or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    if code and for_code(code) is not GroupIdNotFound:
        raise ResetRefusedError(f"The broker did not delete the group {group}: {for_code(code).__name__}.")


async def _delete_topic(settings: Settings) -> None:
    async with opened_admin(settings) as admin:
        if settings.changelog_topic not in await admin.list_topics():
            return
        answer: Any = await admin.delete_topics([settings.changelog_topic])
        for name, code, *_ in answer.topic_error_codes:
            if code:
                raise ResetRefusedError(f"The broker did not delete {name}: {for_code(code).__name__}.")
        deadline = time.monotonic() + GONE_SECONDS
        while settings.changelog_topic in await admin.list_topics():
            if time.monotonic() > deadline:
                raise ResetRefusedError(
                    f"{settings.changelog_topic} is still there after {GONE_SECONDS:.0f} s: look at the "
                    "broker."
                )
            await asyncio.sleep(0.1)
