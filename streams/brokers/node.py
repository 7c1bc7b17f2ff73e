"""Configuration of one node of Apache Kafka (KRaft) on this machine: ports, listeners, logins, copies."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streams.brokers.embedded import free_port
from streams.errors import LocalBrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST: Final = "127.0.0.1"

PORTS: Final = range(20_000, 32_000)
"""Range of ports for nodes. The range lies below the ports that systems use for outgoing connections (Linux
from 32,768 on): while a node is down, a client that keeps trying to connect could otherwise be given the
node's own port."""

COPIES: Final = 3
"""Copies of the broker's own topics, on as many nodes or more."""

BROKERS_OWN: Final = {"group.initial.rebalance.delay.ms": "3000", "group.min.session.timeout.ms": "6000"}
"""Kafka's defaults of settings that are changed here."""


def port_of_a_node() -> int:
    """Find a free port of 127.0.0.1 that stays free while the node that has it is down.

    Raises:
        LocalBrokerError: No free port was found.
    """
    for _ in range(100):
        try:
            return free_port(PORTS.start + secrets.randbelow(len(PORTS)))
        except LocalBrokerError:
            continue
    raise LocalBrokerError(
        f"No port from {PORTS.start} to {PORTS.stop} of {HOST} is free: end what listens there."
    )


@dataclass(frozen=True, slots=True)
class Login:
    """User of the secured listener, by PLAIN and by SCRAM-SHA-512."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Proxied:
    """Listener that clients reach through a proxy."""

    listens: int = field(default_factory=port_of_a_node)
    """Port of the node."""
    advertised: int = field(default_factory=port_of_a_node)
    """Port that is advertised to clients: a proxy's, or nobody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Configuration of one node, beyond Kafka's defaults.

    Args:
        number: Id of the node in the cluster, from 1.
        voters: Controller port of every node by its number, this node's included.
        port: Port of the plain listener.
        logins: Logins of the secured listener; without logins there is no secured listener. The first login
            is the administrator.
        secured: Port of the secured listener.
        guarded: True for no listener but the secured one, also between nodes, and for nobody but the
            administrator to do anything that no ACL allows.
        proxied: Further plain listener, behind a proxy.
        properties: Further lines of `server.properties`, which override the others.
    """

    number: int = 1
    voters: Mapping[int, int] = field(default_factory=lambda: {1: port_of_a_node()})
    port: int = field(default_factory=port_of_a_node)
    logins: tuple[Login, ...] = ()
    secured: int = field(default_factory=port_of_a_node)
    guarded: bool = False
    proxied: Proxied | None = None
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.guarded and not self.logins:
            raise ValueError("a guarded node needs the administrator's login")
        if self.guarded and self.proxied:
            raise ValueError("the proxied listener is a plain one, and a guarded node has none")

    def server_properties(self, folder: Path) -> str:
        """Return the text of the node's `server.properties`. The node's data and keys are in `folder`."""
        copies = min(COPIES, len(self.voters))
        in_sync = max(1, copies - 1)
        voters = ",".join(f"{number}@{HOST}:{port}" for number, port in sorted(self.voters.items()))
        properties = {
            "process.roles": "broker,controller",
            "node.id": str(self.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(folder / "data"),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            # The default of 3 s hides faults that occur when workers join at the same moment.
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # The default of 128 MiB does not fit a small heap.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }
        for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
            properties[f"{topic}.replication.factor"] = str(copies)
        for topic in ("transaction.state.log", "share.coordinator.state.topic"):
            properties[f"{topic}.min.isr"] = str(in_sync)
        properties |= self._listeners()
        if self.logins:
            properties |= self._secured(folder)
        properties |= self.properties
        return "".join(f"{key}={value}\n" for key, value in properties.items())

    def _listeners(self) -> dict[str, str]:
        """Return the properties of the listeners, of the controller's included."""
        # Listener name to (protocol, port, advertised port).
        listeners = {}
        if not self.guarded:
            listeners["PLAINTEXT"] = ("PLAINTEXT", self.port, self.port)
        if self.logins:
            listeners["SECURED"] = ("SASL_SSL", self.secured, self.secured)
        if self.proxied:
            listeners["PROXIED"] = ("PLAINTEXT", self.proxied.listens, self.proxied.advertised)
        controller = "SASL_SSL" if self.guarded else "PLAINTEXT"
        bound = [f"{name}://{HOST}:{port}" for name, (_, port, _) in listeners.items()]
        told = [f"{name}://{HOST}:{port}" for name, (_, _, port) in listeners.items()]
        protocols = [f"{name}:{protocol}" for name, (protocol, _, _) in listeners.items()]
        return {
            "listeners": ",".join([*bound, f"CONTROLLER://{HOST}:{self.voters[self.number]}"]),
            "advertised.listeners": ",".join(told),
            "listener.security.protocol.map": ",".join([*protocols, f"CONTROLLER:{controller}"]),
            "inter.broker.listener.name": "SECURED" if self.guarded else "PLAINTEXT",
        }

    def _secured(self, folder: Path) -> dict[str, str]:
        administrator = self.logins[0]
        users = " ".join(f'user_{login.user}="{login.password}"' for login in self.logins)
        mine = f'username="{administrator.user}" password="{administrator.password}"'
        modules = "org.apache.kafka.common.security"
        tls = {
            "ssl.keystore.location": str(keystore(folder)),
            "ssl.keystore.password": keystore_password(self),
            "ssl.keystore.type": "PKCS12",
            "ssl.truststore.location": str(certificate(folder)),
            "ssl.truststore.type": "PEM",
        }
        plain = {"plain.sasl.jaas.config": f"{modules}.plain.PlainLoginModule required {mine} {users};"}
        scram = {"scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required {mine};"}
        secured = {"sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512"} | plain | scram | tls
        # SCRAM credentials are in the cluster's metadata, which a controller cannot read before it runs. So
        # controllers use PLAIN.
        controller = {"sasl.enabled.mechanisms": "PLAIN"} | plain | tls
        named = {f"listener.name.secured.{key}": value for key, value in secured.items()}
        if not self.guarded:
            return named
        return named | {
            **{f"listener.name.controller.{key}": value for key, value in controller.items()},
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{self.logins[0].user}",
        }


def keystore(folder: Path) -> Path:
    """Return the path of the node's key and certificate."""
    return folder / "broker.p12"


def certificate(folder: Path) -> Path:
    """Return the path of the authority's PEM file. The certificate is its own authority."""
    return folder / "broker.pem"


def keystore_password(node: Node) -> str:
    """Return the password of the key store: the administrator's, which is stored beside it anyway."""
    return node.logins[0].password
