"""Several nodes of Apache Kafka, each broker and controller, of which any can be taken away."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.brokers.apache_kafka import READY_SECONDS, ApacheKafka, new_cluster_id
from streams.brokers.embedded import accepts, probe
from streams.brokers.node import Login, Node, Proxied, port_of_a_node
from tests.support.kafka.proxy import Proxy, ports_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOGIN: Final = Login("cartpulse", "hush-hush")
"""Who may log in at the secured listener of the tests' Apache Kafka."""

HEAP_MIB: Final = 256
"""Enough for a node of a test; three of them stand beside workers on a small machine."""


class ProxiedKafka(ApacheKafka):
    """One node, with a network in front of it for those who come by `proxied_address`.

    Args:
        properties: More of its `server.properties`.
    """

    def __init__(self, *, properties: Mapping[str, str] | None = None) -> None:
        super().__init__(Node(proxied=Proxied(), properties=properties or {}), heap_mib=HEAP_MIB)
        self.network = Proxy(*ports_of(self))

    async def start(self) -> None:
        """Start the node, and the first time the network."""
        self.network.start()
        await super().start()

    def close(self) -> None:
        """End both for good."""
        self.network.close()
        super().close()


class KafkaCluster:
    """Nodes 1 to N with one metadata quorum; topics can have min(3, N) copies.

    Args:
        size: How many nodes.
        properties: More of each node's `server.properties`.
    """

    def __init__(self, size: int = 3, *, properties: Mapping[str, str] | None = None) -> None:
        voters = {number: port_of_a_node() for number in range(1, size + 1)}
        cluster_id = new_cluster_id()
        self.nodes: dict[int, ApacheKafka] = {}
        for number in voters:
            node = Node(
                number=number,
                voters=voters,
                proxied=Proxied(),
                properties=properties or {},
            )
            self.nodes[number] = ApacheKafka(node, cluster_id=cluster_id, heap_mib=HEAP_MIB)
        self.networks = {number: Proxy(*ports_of(node)) for number, node in self.nodes.items()}
        """What is in front of each node, for those who come by `proxied_address`."""

    @property
    def address(self) -> str:
        """`host:port` of all nodes, for `KAFKA_BROKER`."""
        return ",".join(node.address for node in self.nodes.values())

    @property
    def proxied_address(self) -> str:
        """The same of the proxies."""
        return ",".join(node.proxied_address for node in self.nodes.values())

    @property
    def running(self) -> list[int]:
        """Numbers of the nodes that are alive."""
        return [number for number, node in self.nodes.items() if node.running]

    async def start(self) -> None:
        """Start all nodes that do not run; return when all are there and a topic can be made and written."""
        for network in self.networks.values():
            network.start()
        await asyncio.gather(*(node.launch() for node in self.nodes.values() if not node.running))
        await self.until_there(*self.nodes)
        await self._until(lambda: probe(self.address), "no topic can be made and written")

    async def start_node(self, number: int) -> None:
        """Bring one back, and return when the others count it in."""
        await self.nodes[number].launch()
        await self.until_there(number)

    def kill(self, number: int) -> None:
        """SIGKILL to one node."""
        self.nodes[number].kill()

    async def stop(self, number: int) -> None:
        """End one in order: others take over what it leads."""
        await self.nodes[number].stop()

    def close(self) -> None:
        """End all for good and remove their data."""
        for network in self.networks.values():
            network.close()
        for node in self.nodes.values():
            node.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def controller(self) -> int:
        """The node that leads the metadata quorum, as the nodes themselves have written it down.

        A client cannot learn it from a broker: that names any broker, which forwards.
        """
        states = [
            json.loads(file.read_text())
            for number in self.running
            if (file := self.nodes[number].folder / "data" / "__cluster_metadata-0" / "quorum-state").exists()
        ]
        latest = max(states, key=lambda state: (state["leaderEpoch"], state["leaderId"]))
        return int(latest["leaderId"])

    async def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition; -1 while none does."""
        return int((await self._described(topic, partition))["leader"])

    async def in_sync(self, topic: str, partition: int) -> set[int]:
        """The nodes whose copy of a partition is complete."""
        return set((await self._described(topic, partition))["isr"])

    async def until_there(self, *numbers: int) -> None:
        """Wait until these nodes are counted in by one that runs."""

        async def look() -> None:
            there = {broker["node_id"] for broker in (await self._ask("describe_cluster"))["brokers"]}
            missing = set(numbers) - there
            if missing:
                raise ConnectionRefusedError(f"nodes {missing} are not there")

        await self._until(look, f"nodes {numbers} are not there")

    async def until_controlled(self, *, not_by: int) -> int:
        """Wait until another node than this one leads the metadata quorum; which."""
        deadline = time.monotonic() + READY_SECONDS
        while self.controller() in (not_by, -1):
            assert time.monotonic() < deadline, f"no node succeeded {not_by} as controller"
            await asyncio.sleep(0.1)
        return self.controller()

    async def _described(self, topic: str, partition: int) -> Any:
        """A partition's leader and copies, from any node that answers."""
        found: dict[int, Any] = {}

        async def look() -> None:
            (described,) = await self._ask("describe_topics", [topic])
            found.update((each["partition"], each) for each in described["partitions"])
            if partition not in found:
                raise ConnectionRefusedError(f"no partition {partition} of {topic!r}")

        await self._until(look, f"no node describes {topic!r}")
        return found[partition]

    async def _ask(self, question: str, *arguments: object) -> Any:
        ports = [self.nodes[number].node.port for number in self.running]
        answering = ",".join(f"127.0.0.1:{port}" for port in ports if accepts(port))
        if not answering:
            raise ConnectionRefusedError("no node listens")
        admin = AIOKafkaAdminClient(bootstrap_servers=answering)
        await admin.start()
        try:
            return await getattr(admin, question)(*arguments)
        finally:
            await admin.close()

    async def _until(self, trial: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                async with asyncio.timeout(10):
                    await trial()
            except (KafkaError, OSError, TimeoutError) as reason:
                if time.monotonic() > deadline:
                    words = "\n---\n".join(node.last_words()[-1_000:] for node in self.nodes.values())
                    raise AssertionError(f"{what}:\n{words}") from reason
                await asyncio.sleep(0.2)
            else:
                return
