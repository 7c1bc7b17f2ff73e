"""The brokers of the proof: one node for all runs that can share it, nodes of their own for others."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from streams.brokers.apache_kafka import ApacheKafka
from streams.kafka.options import connection
from streams.kafka.topics import topic_specs
from tests.support.kafka.kafka_cluster import KafkaCluster, ProxiedKafka

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.verification.proof.scenario import Scenario


class Brokers:
    """Starts brokers when runs need them, keeps them for others that need the like, and ends them."""

    def __init__(self) -> None:
        self._running: dict[Hashable, ApacheKafka | KafkaCluster] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for broker in self._running.values():
            broker.close()

    async def of(self, scenario: Scenario) -> ApacheKafka | KafkaCluster:
        """The broker that a scenario asks for, all of it up.

        Beside the shared one, one is kept: the last that was asked for.
        """
        properties = tuple(scenario.properties.items())
        wanted = (scenario.broker, properties)
        for key in [key for key in self._running if key not in (wanted, SHARED)]:
            if wanted != SHARED:
                self._running.pop(key).close()
        broker = self._running.get(wanted)
        if broker is None:
            broker = self._running[wanted] = made(scenario)
        if isinstance(broker, KafkaCluster) or not broker.running:
            await broker.start()
        return broker

    def discard(self, broker: ApacheKafka | KafkaCluster, into: Path) -> None:
        """End one that a failed run may have left in any state; the next run gets a new one.

        Args:
            broker: that the run had.
            into: where its nodes' folders are kept: what they said, and their data as it was left, without
                the indexes, which are sparse files of hundreds of megabytes.
        """
        for key in [key for key, each in self._running.items() if each is broker and key != SHARED]:
            for node in broker.nodes.values() if isinstance(broker, KafkaCluster) else [broker]:
                node.kill()
                kept = into / f"node-{node.node.number}"
                shutil.copytree(node.folder, kept, ignore=shutil.ignore_patterns("*index"))
            self._running.pop(key).close()


SHARED: Final[Hashable] = ("shared", ())


def made(scenario: Scenario) -> ApacheKafka | KafkaCluster:
    """A broker as a scenario needs it, not started; all but the shared one have a network to break."""
    if scenario.broker == "cluster":
        return KafkaCluster(properties=scenario.properties)
    if scenario.broker == "own":
        return ProxiedKafka(properties=scenario.properties)
    return ApacheKafka()


async def remove_topics(settings: Settings) -> None:
    """Make room for the next run; a broker with thousands of partitions is slow."""
    admin = AIOKafkaAdminClient(**connection(settings))
    with contextlib.suppress(KafkaError):
        await admin.start()
        await admin.delete_topics([spec.name for spec in topic_specs(settings)])
    await admin.close()


async def configure_topics(settings: Settings, configs: Mapping[str, Mapping[str, str]]) -> None:
    """Set topics of the service otherwise than they were made; `changelog` is the ledger's."""
    if not configs:
        return
    made = {spec.name: spec.config for spec in topic_specs(settings)}
    wanted = []
    for contract, config in configs.items():
        name = settings.changelog_topic if contract == "changelog" else settings.topic(contract)
        # What is not named anew goes back to the broker's default.
        wanted.append(ConfigResource(ConfigResourceType.TOPIC, name, {**made[name], **config}))
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        await admin.alter_configs(wanted)
    finally:
        await admin.close()
