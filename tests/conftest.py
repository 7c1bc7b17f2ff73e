"""Brokers for the tests: the embedded one, Apache Kafka, and a test on both."""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import TYPE_CHECKING, Protocol

os.environ.setdefault(
    "NUMPY_MADVISE_HUGEPAGE", "0"
)  # a ledger reserves address space; pages of 2 MiB would fill it
os.environ.setdefault(
    "JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1"
)  # a node of a test lives too short for Java's second compiler to earn its time

import pytest

from streams.brokers.apache_kafka import ApacheKafka
from streams.brokers.embedded import LocalBroker
from streams.brokers.node import Node
from streams.errors import KafkaUnavailableError
from streams.settings.settings import Settings
from tests.support.kafka.kafka_cluster import LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Broker(Protocol):
    """A running broker, whichever it is."""

    @property
    def address(self) -> str:
        """`host:port`."""

    @property
    def pid(self) -> int:
        """Its process id."""


@pytest.fixture(scope="session")
def tansu() -> Iterator[LocalBroker]:
    """The embedded broker, one for each process of a run."""
    broker = LocalBroker()
    asyncio.run(broker.start())
    yield broker
    asyncio.run(broker.stop())


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[ApacheKafka]:
    """Apache Kafka, one for each process of a run; a test of its own loss makes its own `ApacheKafka`.

    Processes do not share one: that would spare 8 CPU seconds and 0.2 GB of a run, and take one process more,
    which keeps it for all of them.
    """
    broker = ApacheKafka(Node(logins=(LOGIN,)))
    try:
        asyncio.run(broker.start())
        yield broker
    except KafkaUnavailableError as reason:
        if os.environ.get("CARTPULSE_REQUIRE_KAFKA") == "1":
            pytest.fail(f"CARTPULSE_REQUIRE_KAFKA=1, but: {reason}")
        pytest.skip(str(reason))
    finally:
        broker.close()


@pytest.fixture(params=["tansu", pytest.param("apache_kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers in turn."""
    running: Broker = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def fresh_settings() -> Callable[..., Settings]:
    """`fresh_settings(broker, partitions=4)`: settings whose topics and group no other test has."""

    def settings(running: Broker, **overrides: object) -> Settings:
        own = uuid.uuid4().hex[:12]
        defaults: dict[str, object] = {
            "kafka_broker": running.address,
            "application": f"test-{own}",
            "topic_prefix": f"{own}.",
            "session_timeout_ms": 2_000,
            "web_port": 0,
            "clock": "log",  # most logs of tests are of the past; what is about the wall clock says so
        }
        return Settings.model_validate(defaults | overrides)

    return settings
