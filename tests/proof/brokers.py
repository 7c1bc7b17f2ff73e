"""The brokers of the proof: one node for all runs that can share it, nodes of their own for others."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from streams.apache_kafka import ApacheKafka
from streams.clients import connection
from streams.topics import topic_specs
from tests.support.kafka_cluster import KafkaCluster, ProxiedKafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from streams.settings import Settings
    from tests.proof.scenario import Scenario


class Brokers:
    """Starts brokers when a run needs them, and ends all of them."""

    def __init__(self) -> None:
        self._shared: ApacheKafka | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._shared is not None:
            self._shared.close()

    @contextlib.asynccontextmanager
    async def of(self, scenario: Scenario) -> AsyncIterator[Any]:
        """The broker that a scenario asks for; its own has a network to break, and is ended after it."""
        if scenario.broker == "shared":
            if self._shared is None:
                shared = ApacheKafka()
                await shared.start()
                self._shared = shared
            yield self._shared
            return
        own: ProxiedKafka | KafkaCluster
        if scenario.broker == "cluster":
            own = KafkaCluster(properties=scenario.properties)
        else:
            own = ProxiedKafka(properties=scenario.properties)
        try:
            await own.start()
            yield own
        finally:
            own.close()


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
