"""Diagnosis of a service from outside: its brokers, topics, logs and rights. Each finding says what to do.

The diagnosis writes nothing and joins no group: it may run beside workers, and before the first worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.errors import BrokerUnreachableError, CartpulseError, CodecMissingError, NotAllowedError
from streams.kafka.opened import admin as opened_admin
from streams.kafka.options import REACH_SECONDS, abilities, connection, unreachable
from streams.kafka.permissions import check_groups
from streams.kafka.protocol import Operation, metadata_level, operations, release_of
from streams.kafka.topics import OUTPUTS, SAFE_COPIES, TopicsState, examine_topics
from streams.operations.diagnosis.batches import batch_findings, without_codec
from streams.operations.diagnosis.findings import Finding, Level
from streams.operations.diagnosis.logs import log_findings, read_logs
from streams.process.version import versions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from streams.clock import Clock
    from streams.kafka.options import Abilities
    from streams.settings.settings import Settings

FAULTY_RELEASES: Final = ("4.3", "4.4")
"""Releases of Apache Kafka of which some have the fault KAFKA-20734 (docs/reliability.md). The protocol
reveals no more of a broker's version than major and minor number."""

RIGHTS: Final = "deploy/kafka/acls.sh gives each login its rights."


async def diagnose(settings: Settings, clock: Clock) -> list[Finding]:
    """Examine everything, as far as the service can be reached.

    Args:
        settings: Service settings.
        clock: Source of the wall time.
    """
    told = ", ".join(f"{name} {version}" for name, version in versions().items())
    return [Finding("versions", Level.OK, f"{told}."), *await Diagnosis(settings, clock).run()]


class Diagnosis:
    """One run of the diagnosis.

    Args:
        settings: Service settings.
        clock: Source of the wall time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._releases: set[str | None] = set()
        self._nodes = 0

    async def run(self) -> list[Finding]:
        """Return the findings in the order to read them.

        Checks that a fault makes pointless are left out.
        """
        findings = self._checkpoints() + await self._addresses()
        if all(finding.level is Level.FAULT for finding in findings if finding.subject == "broker"):
            return findings
        try:
            findings += await self._cluster()
            able = await abilities(self._settings)
            topics = await examine_topics(self._settings)
        except (KafkaError, CartpulseError) as reason:
            return [*findings, _unknown("broker", reason)]
        findings += self._guarantee(able) + self._topics(topics, able) + await self._rights(topics)
        if not (topics.faults or topics.missing or topics.leaderless):
            findings += await self._logs(able) + await self._workers(able)
        return findings

    # --- the brokers ----------------------------------------------------------------------------------------

    async def _addresses(self) -> list[Finding]:
        """Report for each address of KAFKA_BROKER if a broker answers there."""
        addresses = self._settings.kafka_broker.split(",")
        failures = dict(zip(addresses, await asyncio.gather(*map(self._failure, addresses)), strict=True))
        away = {address: why for address, why in failures.items() if why is not None}
        protocol = self._settings.kafka_security_protocol
        if len(away) == len(addresses):
            remedy = (
                "Start one (`cartpulse broker` runs a local one), or correct KAFKA_BROKER, "
                "KAFKA_SECURITY_PROTOCOL or the login."
            )
            return [Finding("broker", Level.FAULT, why, remedy) for why in away.values()]
        found = [
            Finding("broker", Level.OK, f"{address} answers over {protocol}.")
            for address in addresses
            if address not in away
        ]
        found += [
            Finding(
                "broker",
                Level.WARNING,
                why,
                "Start it, or take it out of KAFKA_BROKER: a worker that finds none of them cannot start.",
            )
            for why in away.values()
        ]
        return found

    async def _failure(self, address: str) -> str | None:
        alone = self._settings.model_copy(update={"kafka_broker": address})
        with _overheard() as said:
            try:
                async with _connected(alone):
                    return None
            except BrokerUnreachableError:
                why = next((line for line in said if address in line), "")
        protocol = self._settings.kafka_security_protocol
        return f"{address} does not answer over {protocol}{f' ({why})' if why else ''}."

    async def _cluster(self) -> list[Finding]:
        """Report the number of brokers and their releases."""
        async with _connected(self._settings) as client:
            nodes = client.cluster.brokers()
            self._nodes = len(nodes)
            for node in nodes:
                async with asyncio.timeout(REACH_SECONDS):
                    self._releases.add(release_of(await metadata_level(client, node.nodeId)))
        known = sorted(release for release in self._releases if release is not None)
        what = f"Apache Kafka {' and '.join(known)}" if known else "a release that it does not tell"
        found = [Finding("cluster", Level.OK, f"{_count(self._nodes, 'broker')}, of {what}.")]
        copies = self._settings.replication_factor
        if copies > self._nodes:
            found.append(
                Finding(
                    "copies",
                    Level.FAULT,
                    f"CARTPULSE_REPLICATION_FACTOR={copies} asks for more copies than there are brokers.",
                    f"Set it to {min(self._nodes, SAFE_COPIES)}, or add brokers.",
                )
            )
        elif copies < SAFE_COPIES <= self._nodes:
            found.append(
                Finding(
                    "copies",
                    Level.WARNING,
                    f"New topics get {_count(copies, 'copy', 'copies')}: one lost broker takes data along.",
                    f"Set CARTPULSE_REPLICATION_FACTOR={SAFE_COPIES} before topics are made.",
                )
            )
        return found

    def _guarantee(self, able: Abilities) -> list[Finding]:
        wanted = self._settings.delivery_guarantee
        exactly_once = wanted == "exactly_once" or (wanted == "auto" and able.idempotent)
        if exactly_once and not able.idempotent:
            return [
                Finding(
                    "guarantee",
                    Level.FAULT,
                    "CARTPULSE_DELIVERY_GUARANTEE=exactly_once, and this broker has no transactions.",
                    "Set it to auto or at_least_once, or use Apache Kafka.",
                )
            ]
        meant = "exactly once" if exactly_once else "at least once"
        found = [Finding("guarantee", Level.OK, f"Outputs are delivered {meant} ({wanted}).")]
        faulty = sorted(release for release in self._releases if release in FAULTY_RELEASES)
        if exactly_once and faulty:
            found.append(
                Finding(
                    "guarantee",
                    Level.WARNING,
                    f"A broker is of Apache Kafka {' and '.join(faulty)}: 4.3.0, 4.3.1 and 4.4.0 can lose a "
                    "part of a transaction when one comes back from a crash (KAFKA-20734).",
                    "Use 4.2.2 or a version that has the repair, or at_least_once, which is not concerned.",
                )
            )
        return found

    # --- topics and rights ----------------------------------------------------------------------------------

    def _topics(self, topics: TopicsState, able: Abilities) -> list[Finding]:
        found = [Finding("topics", Level.FAULT, *fault) for fault in topics.faults]
        found += [
            Finding(
                "topics", Level.FAULT, f"{each} has no leader.", "Start the brokers that hold its copies."
            )
            for each in topics.leaderless
        ]
        if topics.thin:
            named = ", ".join(topics.thin[:4]) + (" and more" if len(topics.thin) > 4 else "")
            found.append(
                Finding(
                    "topics",
                    Level.WARNING,
                    f"{_count(len(topics.thin), 'partition')} with copies that are not in step: {named}.",
                    "Look after the brokers that hold them.",
                )
            )
        if topics.missing:
            found.append(
                Finding(
                    "topics",
                    Level.WARNING,
                    f"Not there, or hidden from this login: {', '.join(topics.missing)}.",
                    "`cartpulse topics` makes them; so does a worker whose login may.",
                )
            )
        found += [Finding("topics", Level.NOTE, note) for note in topics.notes]
        fits = f"All topics are there and fit, with {_count(self._settings.partitions, 'partition')} each."
        found = found or [Finding("topics", Level.OK, fits)]
        if not able.append_time:
            found.append(
                Finding(
                    "topics",
                    Level.NOTE,
                    "This broker stamps no record with its own time: whether an event is from the future "
                    "goes by its producer's clock.",
                )
            )
        return found

    async def _rights(self, topics: TopicsState) -> list[Finding]:
        """Report the rights of a worker that this login lacks."""
        settings, both = self._settings, {Operation.READ, Operation.WRITE}
        needed = {settings.topic(name): {Operation.WRITE} for name in OUTPUTS}
        needed |= {
            settings.dead_letters_topic: {Operation.WRITE},
            settings.purchases_topic: both,
            settings.changelog_topic: both,
            settings.commands_topic: both,
        }
        there = [name for name in needed if name not in topics.missing]
        if not there:
            return []
        try:
            await check_groups(settings, settings.group)
            async with _connected(settings) as client, asyncio.timeout(REACH_SECONDS):
                allowed = await operations(client, there)
        except NotAllowedError as reason:
            return [Finding("rights", Level.FAULT, f"{reason.said}.", RIGHTS)]
        except (KafkaError, CartpulseError, TimeoutError) as reason:
            return [_unknown("rights", reason)]
        if any(may is None for may in allowed.values()):
            return [Finding("rights", Level.NOTE, "This broker does not tell what a login may do.")]
        lacking = [
            f"{right.name.lower()} {name}"
            for name in there
            for right in sorted(needed[name] - (allowed.get(name) or set()))
        ]
        if lacking:
            said = f"This login lacks what a worker needs: {', '.join(lacking)}."
            return [Finding("rights", Level.FAULT, said, RIGHTS)]
        return [Finding("rights", Level.OK, "This login may read and write what a worker has to.")]

    # --- the logs and the workers ---------------------------------------------------------------------------

    async def _logs(self, able: Abilities) -> list[Finding]:
        try:
            logs = await read_logs(self._settings)
        except CodecMissingError as reason:
            return [without_codec(reason)]
        except (KafkaError, CartpulseError) as reason:
            return [_unknown("lag", reason)]
        found = list(log_findings(self._settings, logs, now=self._clock.now_ms()))
        try:
            return found + await batch_findings(self._settings, logs, holes=able.idempotent)
        except (KafkaError, CartpulseError, TimeoutError) as reason:
            return [*found, _unknown("batches", reason)]

    async def _workers(self, able: Abilities) -> list[Finding]:
        if not able.idempotent:
            return [Finding("workers", Level.NOTE, "This broker does not tell which workers run.")]
        try:
            async with opened_admin(self._settings) as admin, asyncio.timeout(REACH_SECONDS):
                members = _members(await admin.describe_consumer_groups([self._settings.group]))
        except (KafkaError, OSError, TimeoutError) as reason:
            return [_unknown("workers", reason)]
        if not members:
            return [Finding("workers", Level.NOTE, "No worker runs.", "`cartpulse worker` starts one.")]
        said = f"{_count(members, 'worker')} in the group {self._settings.group}."
        return [Finding("workers", Level.OK, said)]

    # --- this machine ---------------------------------------------------------------------------------------

    def _checkpoints(self) -> list[Finding]:
        folder = self._settings.checkpoint_dir
        if folder is None or (folder.is_dir() and os.access(folder, os.W_OK)):
            return []
        return [
            Finding(
                "checkpoints",
                Level.WARNING,
                f"CARTPULSE_CHECKPOINT_DIR={folder} is no folder that can be written to here.",
                "Make it, or correct the path: without checkpoints a restart reads the whole changelog.",
            )
        ]


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[AIOKafkaClient]:
    """Connect a client that has the cluster's metadata.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        try:
            async with asyncio.timeout(REACH_SECONDS):
                await client.bootstrap()
        except (KafkaError, OSError, TimeoutError) as reason:
            raise unreachable(settings, reason) from reason
        yield client
    finally:
        await client.close()


class _Listener(logging.Handler):
    """Log handler that collects the messages of log records."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Store the message of a log record."""
        self.said.append(record.getMessage())


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Collect the errors that aiokafka logs inside the block: only they say why a login was refused."""
    handler = _Listener(logging.ERROR)
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    try:
        yield handler.said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _members(described: Any) -> int:
    return sum(len(group[5]) for answer in described for group in answer.groups)


def _unknown(subject: str, reason: BaseException) -> Finding:
    why = " ".join(str(reason).split()) or type(reason).__name__
    return Finding(
        subject,
        Level.WARNING,
        f"It could not be looked at: {why}",
        "See that the login may, and that the broker is well.",
    )


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
