"""The topics of a service: what they must be like, and how they are made or checked.

Timestamps. Outputs, dead letters and the changelog carry the broker's append time. Retention and compaction
lag count from a record's timestamp: with event times, a replay of last year would be deleted as soon as it is
written, and a changelog row be compacted away within minutes. Event time is in the events themselves.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code
from aiokafka.structs import TopicPartition

from streams.errors import NotAllowed, TopicMismatch, TopicsNotMade
from streams.kafka.options import MEBIBYTE, REACH_SECONDS, connection, consumer_options, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streams.settings.settings import Settings

DAY_MS: Final = 86_400_000
FOR_EVER: Final = "-1"

PURCHASES_BYTES: Final = 4 * MEBIBYTE
"""Largest record batch of `purchases`: three events of the contract's 1 MiB, or many small ones."""

OUTPUTS_BYTES: Final = 8 * MEBIBYTE
"""Largest record batch elsewhere: twice that of `purchases`, so that a refused event fits with its headers,
and the ledger's 6 MiB of rows with their framing. Hosted clusters rarely allow more."""

READY_SECONDS: Final = 30.0
"""How long a new topic may take to have a leader on every partition."""

TIMESTAMPS: Final = "message.timestamp.type"

SAFE_COPIES: Final = 3
"""From so many copies on, a write must be in two before it is acknowledged: one broker may then be lost with
all it held, and writes go on. With fewer copies, nothing could be written while one broker is away."""

OUTPUTS: Final = ("replenishment-alerts", "recommendations", "segment-changes", "exposures")
"""Contract names of the output topics; `exposures` has all outputs of the customers held out."""

CHECKED: Final = ("cleanup.policy", "max.message.bytes", TIMESTAMPS)
"""Settings of an existing topic that must fit; others, such as retention, are the operator's to change. So is
whose time the records of `purchases` carry: that of a mirror is the origin's, and a source that invents
purchases of the future says with the producer's that they are none."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as Cartpulse needs it."""

    name: str
    partitions: int
    config: Mapping[str, str]
    checked: Sequence[str] = CHECKED
    """Settings that must fit where the topic exists."""


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What `create_topics` did."""

    made: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    """Topics that were there and fit."""
    notes: tuple[str, ...] = field(default=())
    """Sentences on what could not be checked or had, for the log."""


@dataclass(frozen=True, slots=True)
class TopicsState:
    """How the topics of a service are, whoever made them."""

    missing: tuple[str, ...]
    faults: tuple[str, ...]
    """How those that are there differ from what is needed, in sentences."""
    notes: tuple[str, ...]
    """What could not be checked."""
    leaderless: tuple[str, ...]
    """Partitions without a leader: nothing can be read or written there."""
    thin: tuple[str, ...]
    """Partitions with fewer copies in step than they should have."""


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """All topics of the service; every one has as many partitions as `purchases`.

    The commands topic too: a command for every worker is written to every partition.
    """
    kept = settings.purchases_retention_days
    purchases = {
        "cleanup.policy": "delete",
        "retention.ms": FOR_EVER if kept is None else str(kept * DAY_MS),
        "max.message.bytes": str(PURCHASES_BYTES),
        TIMESTAMPS: "LogAppendTime",
        # Since version 4 a broker refuses by default what lies an hour ahead of it; here the ledger decides,
        # and says so in a dead letter.
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
    """Make the topics that are missing, and check those that exist.

    Args:
        settings: Service settings.
        producer_time: Make `purchases` keep the time of producers in place of the broker's, for a source that
            invents purchases of the future.

    Raises:
        TopicMismatch: a topic exists and differs; none was made then.
        TopicsNotMade: the broker refused to make one, or it had no leader after 30 s.
        NotAllowed: the login may neither see nor make one.
        BrokerUnreachable: no broker answers.
    """
    specs = topic_specs(settings)
    if producer_time:
        purchases, *others = specs
        specs = (replace(purchases, config={**purchases.config, TIMESTAMPS: "CreateTime"}), *others)
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await admin.start()
        present = set(await admin.list_topics())
        found = [spec for spec in specs if spec.name in present]
        notes = await _check(admin, found)
        made = await _make(admin, [spec for spec in specs if spec.name not in present], settings)
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await admin.close()
    return TopicsReport(tuple(made), tuple(spec.name for spec in found), tuple(notes))


async def remake_empty(settings: Settings) -> bool:
    """Delete empty topics of the service that differ from what is needed, and make them as needed.

    Returns:
        False where one that differs holds records; nothing was changed then.

    Raises:
        BrokerUnreachable: No broker answers.
    """
    specs = topic_specs(settings)
    admin = AIOKafkaAdminClient(**connection(settings))
    reader = AIOKafkaConsumer(**consumer_options(settings))
    try:
        await admin.start()
        await reader.start()
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
    except (KafkaError, OSError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await reader.stop()
        await admin.close()
    await create_topics(settings)
    return True


async def keeps_producer_time(settings: Settings) -> bool:
    """Tell whether records of `purchases`, which is there, keep their producers' timestamps.

    Raises:
        BrokerUnreachable: No broker answers.
    """
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await admin.start()
            configs = await _configs(admin, topic_specs(settings)[:1])
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await admin.close()
    return configs.get(settings.purchases_topic, {}).get(TIMESTAMPS) == "CreateTime"


async def require_purchases(settings: Settings) -> None:
    """Check the topic of purchases, or make all topics where it is missing.

    For whoever only sends: such a login need see no other topic.

    Raises:
        TopicMismatch: it has other partitions, or other settings.
        TopicsNotMade: as `create_topics`.
        NotAllowed: the login may neither see nor make it.
        BrokerUnreachable: no broker answers.
    """
    purchases = topic_specs(settings)[0]
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await admin.start()
        if purchases.name in await admin.list_topics():
            await _check(admin, [purchases])
            return
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await admin.close()
    await create_topics(settings)


async def check_topics(settings: Settings) -> None:
    """Check all topics of a service that has run, and make none.

    Raises:
        TopicMismatch: one differs, or is gone.
        KafkaError: the broker does not answer.
    """
    specs = topic_specs(settings)
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await admin.start()
        present = set(await admin.list_topics())
        await _check(admin, [spec for spec in specs if spec.name in present])
    finally:
        await admin.close()
    gone = [spec.name for spec in specs if spec.name not in present]
    if gone:
        raise TopicMismatch(
            f"Gone: {', '.join(gone)}. Bring them back as they were; or `cartpulse reset` makes the state "
            "anew from the log of purchases, if that is there."
        )


async def examine_topics(settings: Settings) -> TopicsState:
    """Look at all topics of a service, and make none.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    specs = topic_specs(settings)
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await admin.start()
            present = set(await admin.list_topics())
            found = [spec for spec in specs if spec.name in present]
            faults, notes = await _differences(admin, found)
            described = await admin.describe_topics([spec.name for spec in found]) if found else []
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await admin.close()
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
        raise NotAllowed(
            f"The login {settings.kafka_sasl_username!r} can neither see nor make {named}: "
            "deploy/kafka/acls.sh says which rights a login needs."
        )
    if faults:
        raise TopicsNotMade("\n".join(faults))
    await _leaders(admin, specs)
    # Another worker that started at the same moment made these.
    await _check(admin, [spec for spec in specs if spec.name in already])
    return [spec.name for spec in specs if spec.name not in already]


async def _leaders(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Wait until every partition has a leader: a broker answers before that."""
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
            raise TopicsNotMade(
                f"Made, but without a leader after {READY_SECONDS:.0f} s: {names}. Look at the broker."
            )
        await asyncio.sleep(0.05)


async def _check(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> list[str]:
    """Notes on what could not be checked; raises TopicMismatch with every difference."""
    faults, notes = await _differences(admin, specs)
    if faults:
        raise TopicMismatch("\n".join(faults))
    return notes


async def _differences(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> tuple[list[str], list[str]]:
    """How topics that exist differ, and what could not be checked."""
    if not specs:
        return [], []
    # Only names known to exist: brokers make a topic that is described, with partitions of their own choice.
    counts = {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics([spec.name for spec in specs])
    }
    configs = await _configs(admin, specs)
    faults: list[str] = []
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


def _partition_faults(spec: TopicSpec, actual: int) -> Iterator[str]:
    if actual != spec.partitions:
        yield (
            f"{spec.name}: it has {actual} partitions and must have {spec.partitions}, as all topics of a "
            f"service have the same number. Set CARTPULSE_PARTITIONS={actual} if all have {actual}, or name "
            "new topics with CARTPULSE_TOPIC_PREFIX: more partitions would part customers from their history."
        )


def _config_fault(name: str, key: str, actual: str, wanted: str) -> str:
    return (
        f"{name}: {key} is {actual} and must be {wanted}. Set it with: kafka-configs.sh --alter "
        f"--entity-type topics --entity-name {name} --add-config '{key}={wanted}'."
    )


def _fits(key: str, actual: str, wanted: str) -> bool:
    if key == "max.message.bytes":
        return int(actual) >= int(wanted)
    if key == "cleanup.policy":
        return set(actual.split(",")) == set(wanted.split(","))
    return actual == wanted
