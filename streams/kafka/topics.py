"""Topics of a service: their required configuration, and how they are made and checked.

Outputs, dead letters and the changelog carry the broker's append time, because retention and compaction lag
count from a record's timestamp. With event times, a replay of last year would be deleted as soon as it is
written, and a changelog row be compacted away within minutes. The events themselves hold their event time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code
from aiokafka.structs import TopicPartition

from streams.errors import NotAllowedError, TopicMismatchError, TopicsNotMadeError
from streams.kafka.opened import admin as opened_admin
from streams.kafka.opened import opened, reaching
from streams.kafka.options import MEBIBYTE, REACH_SECONDS, consumer_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streams.settings.settings import Settings

DAY_MS: Final = 86_400_000
FOR_EVER: Final = "-1"

PURCHASES_BYTES: Final = 4 * MEBIBYTE
"""Largest record batch of `purchases`: three events of the contract's 1 MiB, or many small ones."""

OUTPUTS_BYTES: Final = 8 * MEBIBYTE
"""Largest record batch of the other topics: twice that of `purchases`. So a refused event fits with its
headers, and so do the ledger's 6 MiB of rows with their framing. Hosted clusters rarely allow more."""

READY_SECONDS: Final = 30.0
"""Seconds that a new topic may take until every partition has a leader."""

TIMESTAMPS: Final = "message.timestamp.type"

SAFE_COPIES: Final = 3
"""Number of copies from which on a write must be in two copies before it is acknowledged. One broker may then
be lost with all its data, and writes go on. With fewer copies, nothing could be written while one broker is
away."""

OUTPUTS: Final = (
    "replenishment-alerts",
    "recommendations",
    "segment-changes",
    "cluster-changes",
    "exposures",
)
"""Contract names of the output topics. `exposures` holds all outputs of hold-out customers."""

CHECKED: Final = ("cleanup.policy", "max.message.bytes", TIMESTAMPS)
"""Settings of an existing topic that must fit. Others, such as retention, are the operator's to change. So is
the timestamp type of `purchases`: a mirror's records carry the origin's time, and a source that invents
purchases of the future dates its records itself, so that the purchases are not refused."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """Name, partition count and configuration that Cartpulse needs of one topic."""

    name: str
    partitions: int
    config: Mapping[str, str]
    checked: Sequence[str] = CHECKED
    """Settings that must fit if the topic exists."""


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """Result of `create_topics`."""

    made: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    """Existing topics that fit."""
    notes: tuple[str, ...] = field(default=())
    """Sentences for the log on what could not be checked or provided."""


class TopicFault(NamedTuple):
    """Difference of an existing topic from what is needed."""

    said: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.said} {self.remedy}"


@dataclass(frozen=True, slots=True)
class TopicsState:
    """State of a service's topics, whoever made them."""

    missing: tuple[str, ...]
    faults: tuple[TopicFault, ...]
    notes: tuple[str, ...]
    """Sentences on what could not be checked."""
    leaderless: tuple[str, ...]
    """Partitions without a leader: nothing can be read or written there."""
    thin: tuple[str, ...]
    """Partitions with fewer in-sync copies than they should have."""


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """List all topics of the service. Every topic has as many partitions as `purchases`.

    The commands topic does too: a command for every worker is written to every partition.
    """
    # Configuration per kind of topic.
    kept = settings.purchases_retention_days
    purchases = {
        "cleanup.policy": "delete",
        "retention.ms": FOR_EVER if kept is None else str(kept * DAY_MS),
        "max.message.bytes": str(PURCHASES_BYTES),
        TIMESTAMPS: "LogAppendTime",
        # Since version 4 a broker by default refuses records dated more than an hour ahead. Here the ledger
        # decides, and its refusal is a dead letter.
        "message.timestamp.after.max.ms": str(2**63 - 1),
    }
    outputs = {
        "cleanup.policy": "delete",
        "retention.ms": str(settings.outputs_retention_days * DAY_MS),
        "max.message.bytes": str(OUTPUTS_BYTES),
        TIMESTAMPS: "LogAppendTime",
    }
    changelog = {
        "cleanup.policy": "compact",
        "max.message.bytes": str(OUTPUTS_BYTES),
        TIMESTAMPS: "LogAppendTime",
        "min.compaction.lag.ms": str(DAY_MS),
        "min.cleanable.dirty.ratio": "0.2",
        "segment.bytes": str(128 * MEBIBYTE),
    }
    commands = {"cleanup.policy": "delete", "retention.ms": str(DAY_MS)}
    # Topic names, each with its configuration, and safety settings for all.
    named = {
        settings.purchases_topic: purchases,
        **{settings.topic(name): outputs for name in OUTPUTS},
        settings.dead_letters_topic: outputs,
        settings.changelog_topic: changelog,
        settings.commands_topic: commands,
    }
    safety = {"min.insync.replicas": "2"} if settings.replication_factor >= SAFE_COPIES else {}
    return tuple(
        TopicSpec(
            name,
            settings.partitions,
            config | safety,
            [key for key in CHECKED if key != TIMESTAMPS] if name == settings.purchases_topic else CHECKED,
        )
        for name, config in named.items()
    )


async def create_topics(settings: Settings, *, producer_time: bool = False) -> TopicsReport:
    """Make the missing topics, and check the existing ones.

    Args:
        settings: Service settings.
        producer_time: True to make `purchases` keep the producers' time in place of the broker's, for a
            source that invents purchases of the future.

    Raises:
        TopicMismatchError: A topic exists and differs; no topic was made then.
        TopicsNotMadeError: The broker refused to make a topic, or the topic had no leader after 30 s.
        NotAllowedError: The login may neither see nor make a topic.
        BrokerUnreachableError: No broker answers.
    """
    specs = topic_specs(settings)
    if producer_time:
        purchases, *others = specs
        specs = (replace(purchases, config={**purchases.config, TIMESTAMPS: "CreateTime"}), *others)
    async with reaching(settings), opened_admin(settings) as admin:
        present = set(await admin.list_topics())
        found = [spec for spec in specs if spec.name in present]
        notes = await _check(admin, found)
        made = await _make(admin, [spec for spec in specs if spec.name not in present], settings)
    return TopicsReport(tuple(made), tuple(spec.name for spec in found), tuple(notes))


async def remake_empty(settings: Settings) -> bool:
    """Delete the service's empty topics that differ from what is needed, and make them as needed.

    Returns:
        False if a differing topic holds records; nothing was changed then.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    specs = topic_specs(settings)
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    async with reaching(settings), opened_admin(settings) as admin, opened(consumer) as reader:
        present = set(await admin.list_topics())
        found = [spec for spec in specs if spec.name in present]
        differ = [spec.name for spec in found if (await _differences(admin, [spec]))[0]]
        places = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(differ)
            for partition in topic["partitions"]
        ]
        if any((await reader.end_offsets(places)).values()):
            return False
        await admin.delete_topics(differ)
    await create_topics(settings)
    return True


async def keeps_producer_time(settings: Settings) -> bool:
    """Return True if records of the existing topic `purchases` keep their producers' timestamps.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    async with reaching(settings), opened_admin(settings) as admin, asyncio.timeout(REACH_SECONDS):
        configs = await _configs(admin, topic_specs(settings)[:1])
    return configs.get(settings.purchases_topic, {}).get(TIMESTAMPS) == "CreateTime"


async def require_purchases(settings: Settings) -> None:
    """Check the topic of purchases, or make all topics if it is missing.

    Callers that only send use this function: their login need not see any other topic.

    Raises:
        TopicMismatchError: The topic has another partition count or other settings.
        TopicsNotMadeError: The topics could not be made, as in `create_topics`.
        NotAllowedError: The login may neither see nor make the topic.
        BrokerUnreachableError: No broker answers.
    """
    purchases = topic_specs(settings)[0]
    async with reaching(settings), opened_admin(settings) as admin:
        if purchases.name in await admin.list_topics():
            await _check(admin, [purchases])
            return
    await create_topics(settings)


async def check_topics(settings: Settings) -> None:
    """Check all topics of a service that has run before; make none.

    Raises:
        TopicMismatchError: A topic differs, or is gone.
        KafkaError: The broker does not answer.
    """
    specs = topic_specs(settings)
    async with opened_admin(settings) as admin:
        present = set(await admin.list_topics())
        await _check(admin, [spec for spec in specs if spec.name in present])
    gone = [spec.name for spec in specs if spec.name not in present]
    if gone:
        raise TopicMismatchError(
            f"Gone: {', '.join(gone)}. Bring them back as they were; or `cartpulse reset` makes the state "
            "anew from the log of purchases, if that is there."
        )


async def examine_topics(settings: Settings) -> TopicsState:
    """Return the state of all topics of a service; make none.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    specs = topic_specs(settings)
    async with reaching(settings), opened_admin(settings) as admin, asyncio.timeout(REACH_SECONDS):
        present = set(await admin.list_topics())
        found = [spec for spec in specs if spec.name in present]
        faults, notes = await _differences(admin, found)
        described = await admin.describe_topics([spec.name for spec in found]) if found else []
    partitions = {
        f"{topic['topic']}[{partition['partition']}]": partition
        for topic in described
        for partition in topic["partitions"]
    }
    return TopicsState(
        missing=tuple(spec.name for spec in specs if spec.name not in present),
        faults=tuple(faults),
        notes=tuple(notes),
        leaderless=tuple(name for name, each in partitions.items() if each["leader"] < 0),
        thin=tuple(name for name, each in partitions.items() if len(each["isr"]) < len(each["replicas"])),
    )


async def _make(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], settings: Settings) -> list[str]:
    if not specs:
        return []
    wanted = [
        NewTopic(spec.name, spec.partitions, settings.replication_factor, topic_configs=dict(spec.config))
        for spec in specs
    ]
    response = await admin.create_topics(wanted, timeout_ms=int(READY_SECONDS * 1_000))
    faults = []
    already = set()
    hidden = []
    for name, code, message in ((error[0], error[1], error[2]) for error in response.topic_errors):
        kind = for_code(code)
        if kind is TopicAlreadyExistsError:
            already.add(name)
        elif kind is TopicAuthorizationFailedError:
            hidden.append(name)
        elif code:
            faults.append(f"The broker did not make {name!r}: {message or kind.description}")
    if hidden:
        named = ", ".join(spec.name for spec in specs if spec.name in hidden)
        raise NotAllowedError(
            f"The login {settings.kafka_sasl_username!r} can neither see nor make {named}",
            remedy="deploy/kafka/acls.sh says which rights a login needs.",
        )
    if faults:
        raise TopicsNotMadeError("\n".join(faults))
    await _leaders(admin, specs)
    # Topics that existed already were made by another worker that started at the same moment: check them.
    await _check(admin, [spec for spec in specs if spec.name in already])
    return [spec.name for spec in specs if spec.name not in already]


async def _leaders(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Wait until every partition has a leader: a broker answers the creation before that."""
    deadline = time.monotonic() + READY_SECONDS
    waiting = {spec.name for spec in specs}
    while True:
        present = set(await admin.list_topics())
        for topic in await admin.describe_topics(sorted(waiting & present)) if waiting & present else []:
            partitions = topic["partitions"]
            if partitions and all(partition["leader"] >= 0 for partition in partitions):
                waiting.discard(topic["topic"])
        if not waiting:
            return
        if time.monotonic() > deadline:
            names = ", ".join(sorted(waiting))
            raise TopicsNotMadeError(
                f"Made, but without a leader after {READY_SECONDS:.0f} s: {names}. Look at the broker."
            )
        await asyncio.sleep(0.05)


async def _check(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> list[str]:
    """Return notes on what could not be checked; raise TopicMismatchError with every difference."""
    faults, notes = await _differences(admin, specs)
    if faults:
        raise TopicMismatchError("\n".join(map(str, faults)))
    return notes


async def _differences(
    admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]
) -> tuple[list[TopicFault], list[str]]:
    """Return how existing topics differ, and what could not be checked."""
    if not specs:
        return [], []
    # Describe existing topics only: a broker makes a topic that is described, with a partition count of its
    # own.
    counts = {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics([spec.name for spec in specs])
    }
    configs = await _configs(admin, specs)
    faults: list[TopicFault] = []
    notes: list[str] = []
    for spec in specs:
        faults += _partition_faults(spec, counts[spec.name])
        for key, wanted in ((key, spec.config[key]) for key in spec.checked if key in spec.config):
            if (actual := configs.get(spec.name, {}).get(key)) is None:
                notes.append(f"{spec.name}: the broker does not report {key}; it should be {wanted}.")
            elif not _fits(key, actual, wanted):
                faults.append(_config_fault(spec.name, key, actual, wanted))
    return faults, notes


async def _configs(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(asked):
        for code, _, _, name, entries in response.resources:
            if not code:
                configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _partition_faults(spec: TopicSpec, actual: int) -> Iterator[TopicFault]:
    if actual != spec.partitions:
        yield TopicFault(
            f"{spec.name}: it has {actual} partitions and must have {spec.partitions}, as all topics of a "
            "service have the same number.",
            f"Set CARTPULSE_PARTITIONS={actual} if all have {actual}, or name new topics with "
            "CARTPULSE_TOPIC_PREFIX: more partitions would part customers from their history.",
        )


def _config_fault(name: str, key: str, actual: str, wanted: str) -> TopicFault:
    return TopicFault(
        f"{name}: {key} is {actual} and must be {wanted}.",
        f"Set it with: kafka-configs.sh --alter --entity-type topics --entity-name {name} "
        f"--add-config '{key}={wanted}'.",
    )


def _fits(key: str, actual: str, wanted: str) -> bool:
    if key == "max.message.bytes":
        return int(actual) >= int(wanted)
    if key == "cleanup.policy":
        return set(actual.split(",")) == set(wanted.split(","))
    return actual == wanted
