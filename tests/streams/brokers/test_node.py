"""What a node of Apache Kafka is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.brokers.node import BROKERS_OWN, PORTS, Login, Node, Proxied, port_of_a_node

FOLDER = Path("/data")
LOGINS = (Login("administrator", "secret"), Login("worker", "hush"))


def told(node: Node) -> dict[str, str]:
    lines = node.server_properties(FOLDER).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_a_node_alone_has_one_listener_and_one_copy_of_everything() -> None:
    node = Node(port=9092, voters={1: 9093})
    properties = told(node)
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert properties["offsets.topic.replication.factor"] == "1"
    assert properties["transaction.state.log.min.isr"] == "1"
    assert properties["group.initial.rebalance.delay.ms"] == "0"
    assert properties["log.dirs"] == "/data/data"


def test_three_nodes_keep_three_copies_of_which_two_must_have_a_write() -> None:
    properties = told(Node(number=2, voters={1: 9001, 2: 9002, 3: 9003}))
    assert properties["node.id"] == "2"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:9001,2@127.0.0.1:9002,3@127.0.0.1:9003"
    for topic in ("offsets.topic", "transaction.state.log"):
        assert properties[f"{topic}.replication.factor"] == "3"
    assert properties["transaction.state.log.min.isr"] == "2"


def test_clients_of_the_proxied_listener_are_told_the_proxys_port() -> None:
    properties = told(Node(proxied=Proxied(listens=9001, advertised=9002)))
    assert "PROXIED://127.0.0.1:9001" in properties["listeners"]
    assert "PROXIED://127.0.0.1:9002" in properties["advertised.listeners"]


def test_a_guarded_node_has_no_listener_without_a_login_and_denies_by_default() -> None:
    properties = told(Node(logins=LOGINS, secured=9092, guarded=True, voters={1: 9093}))
    assert properties["listeners"] == "SECURED://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert properties["listener.security.protocol.map"] == "SECURED:SASL_SSL,CONTROLLER:SASL_SSL"
    assert properties["super.users"] == "User:administrator"
    assert "allow.everyone.if.no.acl.found" not in properties


def test_a_guarded_node_without_logins_and_one_with_a_plain_listener_are_refused() -> None:
    with pytest.raises(ValueError, match="login"):
        Node(guarded=True)
    with pytest.raises(ValueError, match="proxied"):
        Node(guarded=True, logins=LOGINS, proxied=Proxied())


def test_properties_that_are_given_win() -> None:
    properties = told(Node(properties=BROKERS_OWN | {"log.cleaner.backoff.ms": "100"}))
    assert properties["log.cleaner.backoff.ms"] == "100"
    assert properties["group.initial.rebalance.delay.ms"] == "3000"


def test_a_nodes_port_is_none_that_an_outgoing_connection_gets() -> None:
    assert port_of_a_node() in PORTS
