"""The whole flow on a Kafka that lets nobody do more than the file of rights says; strangers get nowhere."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaTimeoutError, TopicAuthorizationFailedError
from pydantic import SecretStr

from models.ledger.ledger import Ledger
from streams.brokers.apache_kafka import ApacheKafka
from streams.brokers.artifacts import artifacts, java
from streams.brokers.node import Login, Node
from streams.errors import BrokerUnreachableError
from streams.kafka.options import connection, consumer_options, producer_options
from streams.kafka.topics import OUTPUTS, create_topics
from streams.process.exit_status import Status
from streams.settings.settings import Settings, variable
from tests.support.data.purchases import produce, shop
from tests.support.kafka.cluster import Cluster, Job
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.settings import LedgerSettings

pytestmark = [pytest.mark.kafka, pytest.mark.end_to_end]

RIGHTS = ROOT / "deploy" / "kafka" / "acls.sh"
TOOLS = ROOT / "tests" / "support" / "kafka" / "kafka_tools.pom.xml"
ADMINISTRATOR = "administrator"
ROLES = ("worker", "producer", "loader", "consumer", "operator", "support")
STRANGER = "stranger"
"""Has a login, and no right."""


def real_ledger(settings: LedgerSettings, partition: int, partitions: int) -> Ledger:
    return Ledger(settings, partition=partition, partitions=partitions)


class Guarded:
    """A Kafka that denies by default, and the settings of one service for each login."""

    def __init__(self, folder: Path) -> None:
        users = (ADMINISTRATOR, STRANGER, *(f"cartpulse-{role}" for role in ROLES))
        self.broker = ApacheKafka(
            Node(guarded=True, logins=tuple(Login(user, f"secret-of-{user}") for user in users))
        )
        self._folder = folder
        self._config = folder / "administrator.properties"
        self._names: dict[str, Any] = {
            "application": f"secured-{uuid.uuid4().hex[:8]}",
            "topic_prefix": "shop.",
            "partitions": 2,
            "session_timeout_ms": 6_000,
            "batch_records": 100,
            "clock": "log",
            "web_port": 0,
        }

    def settings(self, user: str, **overrides: Any) -> Settings:
        """The service's, with a login."""
        login = {
            "kafka_broker": self.broker.address,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": user,
            "kafka_sasl_password": SecretStr(f"secret-of-{user}"),
            "kafka_ssl_cafile": self.broker.certificate,
        }
        return Settings.model_validate(self._names | login | overrides)

    def role(self, role: str) -> Settings:
        """With the login that the file of rights expects."""
        return self.settings(f"cartpulse-{role}")

    def environment(self, settings: Settings) -> dict[str, str]:
        """What a process is told."""
        given = settings.model_dump(exclude_defaults=True, mode="json")
        texts = {variable(name): str(value) for name, value in given.items()}
        assert settings.kafka_sasl_password is not None
        return texts | {"KAFKA_SASL_PASSWORD": settings.kafka_sasl_password.get_secret_value()}

    def command(self, settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command line's end."""
        return subprocess.run(
            [sys.executable, "-m", "cartpulse", *arguments],
            env=os.environ | self.environment(settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def grant(self) -> None:
        """Apply the file of rights that users get, with Kafka's own tool."""
        (self._folder / "bin").mkdir()
        tool = self._folder / "bin" / "kafka-acls.sh"
        short = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # it starts a dozen times, for a moment
        program = f'{java()} {short} -cp "{artifacts(TOOLS)}/*" org.apache.kafka.tools.AclCommand'
        tool.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        tool.chmod(0o700)
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        login = f'username="{ADMINISTRATOR}" password="secret-of-{ADMINISTRATOR}"'
        self._config.write_text(
            "security.protocol=SASL_SSL\n"
            "sasl.mechanism=SCRAM-SHA-512\n"
            f"sasl.jaas.config={module} required {login};\n"
            f"ssl.truststore.location={self.broker.certificate}\n"
            "ssl.truststore.type=PEM\n"
        )
        environment = {
            "PATH": f"{tool.parent}:{os.environ['PATH']}",
            "BOOTSTRAP": self.broker.address,
            "COMMAND_CONFIG": str(self._config),
            "CARTPULSE_APPLICATION": str(self._names["application"]),
            "CARTPULSE_TOPIC_PREFIX": str(self._names["topic_prefix"]),
        }
        subprocess.run([RIGHTS], env=environment, check=True, capture_output=True)

    def tool(self, *arguments: str) -> None:
        """Give or take one right."""
        address = ("--bootstrap-server", self.broker.address, "--command-config", str(self._config))
        tool = self._folder / "bin" / "kafka-acls.sh"
        subprocess.run([tool, *address, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def guarded(apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Started, the rights given, and the topics made by the operator's login."""
    del apache_kafka  # skips where there is none
    service = Guarded(tmp_path_factory.mktemp("guarded"))
    try:
        asyncio.run(service.broker.start())
        service.grant()
        made = service.command(service.role("operator"), "topics")
        assert made.returncode == 0, made.stderr
        yield service
    finally:
        service.broker.close()


async def test_purchases_go_in_and_outputs_come_out_with_nobody_but_those_who_may(
    guarded: Guarded, tmp_path: Path
) -> None:
    job = Job(program=("cartpulse", "worker"), ledger=real_ledger)
    # The oracle sees everything; the worker has its own login.
    async with Cluster(guarded.settings(ADMINISTRATOR), tmp_path, job) as cluster:
        for _ in range(2):
            cluster.start_worker(**guarded.environment(guarded.role("worker")))
        written = await produce(guarded.role("producer"), shop(30, 160, seed=3))
        assert written > 1_000
        await cluster.until_settled(90)
        wanted = await cluster.outputs()
        assert wanted > 50
        assert await received(guarded, wanted) == wanted
        assert "ERROR" not in cluster.logs()
        assert [worker.poll() for worker in cluster.workers] == [None, None]


async def received(guarded: Guarded, wanted: int) -> int:
    """How many outputs the consumer's login reads, in a group of its own."""
    settings = guarded.role("consumer")
    options = consumer_options(settings, group=f"{settings.application}-outputs-crm")
    options |= {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
    ids: set[bytes] = set()
    async with (
        AIOKafkaConsumer(*map(settings.topic, OUTPUTS), **options) as consumer,
        asyncio.timeout(60),
    ):
        while len(ids) < wanted:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                ids |= {dict(record.headers)["ce_id"] for record in records}
    return len(ids)


def test_a_worker_with_a_wrong_password_ends_with_a_status_and_one_line(guarded: Guarded) -> None:
    settings = guarded.settings("cartpulse-worker", kafka_sasl_password=SecretStr("guessed"))
    ended = guarded.command(settings, "worker")
    assert ended.returncode == Status.FAILED
    assert "The worker ends: No Kafka broker answers at" in ended.stderr
    assert "or the login" in ended.stderr
    assert "Traceback" not in ended.stderr
    with pytest.raises(BrokerUnreachableError):
        asyncio.run(create_topics(settings))


def test_a_worker_whose_login_has_no_rights_ends_with_a_status_and_one_line(guarded: Guarded) -> None:
    ended = guarded.command(guarded.settings(STRANGER), "worker")
    assert ended.returncode == Status.REFUSED
    assert "The worker ends: The login 'stranger' can neither see nor make shop.purchases," in ended.stderr
    assert "deploy/kafka/acls.sh says which rights a login needs" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("group", ["ledger", "worker-any"])
def test_a_worker_that_may_not_join_a_group_ends_rather_than_stand_still(
    guarded: Guarded, group: str
) -> None:
    settings = guarded.role("worker")
    name = f"{settings.application}-{group}"
    guarded.tool("--add", "--deny-principal", "User:cartpulse-worker", "--operation", "All", "--group", name)
    try:
        ended = guarded.command(settings, "worker")
    finally:
        denied = ("--deny-principal", "User:cartpulse-worker", "--operation", "All", "--group", name)
        guarded.tool("--remove", "--force", *denied)
    assert ended.returncode == Status.REFUSED
    assert (
        f"The worker ends: The login 'cartpulse-worker' may not read with the group '{name}'" in ended.stderr
    )


@pytest.mark.parametrize(
    ("user", "level", "said"),
    [
        ("cartpulse-worker", "ok", "This login may read and write what a worker has to."),
        ("cartpulse-producer", "fault", "The login 'cartpulse-producer' may not read with the group"),
    ],
)
def test_the_doctor_says_whether_a_login_has_a_workers_rights(
    guarded: Guarded, user: str, level: str, said: str
) -> None:
    ended = guarded.command(guarded.settings(user), "doctor", "--json")
    assert ended.returncode == (level == "fault"), ended.stderr
    (rights,) = [each for each in json.loads(ended.stdout)["findings"] if each["subject"] == "rights"]
    assert rights["level"] == level
    assert rights["said"].startswith(said)


def test_the_doctor_repeats_why_a_login_was_refused(guarded: Guarded) -> None:
    settings = guarded.settings("cartpulse-worker", kafka_sasl_password=SecretStr("guessed"))
    ended = guarded.command(settings, "doctor")
    assert ended.returncode == Status.FAILED
    assert "SASL" in ended.stdout
    assert "guessed" not in ended.stdout + ended.stderr


async def test_a_producer_sees_purchases_alone_and_can_write_and_read_nothing_else(guarded: Guarded) -> None:
    settings = guarded.role("producer")
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        assert await admin.list_topics() == [settings.purchases_topic]
    finally:
        await admin.close()
    others = [settings.changelog_topic, settings.commands_topic, settings.dead_letters_topic]
    for topic in (*others, *map(settings.topic, OUTPUTS)):
        await cannot_write(settings, topic)
    await cannot_read(settings, settings.purchases_topic)
    await cannot_read(settings, settings.changelog_topic)
    await cannot_read(settings, settings.topic(OUTPUTS[0]))


async def test_a_consumer_of_outputs_cannot_write_them_nor_read_customers_state(guarded: Guarded) -> None:
    settings = guarded.role("consumer")
    await cannot_write(settings, settings.topic(OUTPUTS[0]))
    await cannot_read(settings, settings.changelog_topic)


def test_support_alone_looks_at_a_customer(guarded: Guarded) -> None:
    looked = guarded.command(guarded.role("support"), "customer", "nobody")
    assert looked.returncode == Status.FAILED
    assert "Customer 'nobody' is not known" in looked.stderr
    refused = guarded.command(guarded.role("operator"), "customer", "nobody")
    assert refused.returncode == Status.REFUSED
    assert "The login 'cartpulse-operator' may not read" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_operator_erases_a_customer_and_support_exports_what_is_known(guarded: Guarded) -> None:
    erased = guarded.command(guarded.role("operator"), "erase", "somebody", "--yes")
    assert erased.returncode == 0, erased.stderr
    exported = guarded.command(guarded.role("support"), "export", "somebody")
    assert exported.returncode == 0, exported.stderr
    told = json.loads(exported.stdout)
    assert {one["value"]["kind"] for one in told["purchases"]} == {"erase"}
    refused = guarded.command(guarded.role("producer"), "export", "somebody")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr


def test_a_loader_sends_files_and_goes_on_and_an_operator_sends_the_catalogue(
    guarded: Guarded, tmp_path: Path
) -> None:
    sales, products = tmp_path / "sales.csv", tmp_path / "products.csv"
    sales.write_text("customer,date,sku,category,quantity,price\nloaded,2017-03-01 09:00,7,Milk,1,1.50\n")
    products.write_text("sku,category,name\n7,Milk,Whole milk\n")
    for said in ("Sent 1 purchases", "was sent before"):
        sent = guarded.command(guarded.role("loader"), "produce", str(sales))
        assert sent.returncode == 0, sent.stderr
        assert said in sent.stdout + sent.stderr
    listed = guarded.command(guarded.role("operator"), "catalogue", str(products))
    assert listed.returncode == 0, listed.stderr
    refused = guarded.command(guarded.role("loader"), "customer", "loaded")
    assert refused.returncode == Status.FAILED  # to this login the changelog is not there
    assert "Traceback" not in refused.stderr


async def test_nobody_joins_the_workers_group_but_workers(guarded: Guarded) -> None:
    settings = guarded.role("consumer")
    consumer = AIOKafkaConsumer(
        settings.topic(OUTPUTS[0]), **consumer_options(settings, group=settings.group)
    )
    with pytest.raises(GroupAuthorizationFailedError):
        await consumer.start()
    await consumer.stop()


async def cannot_write(settings: Settings, topic: str) -> None:
    """A topic that may be seen is refused at once; one that may not is looked for until the time is over."""
    options = producer_options(settings, idempotent=False) | {"request_timeout_ms": 2_000}
    async with AIOKafkaProducer(**options) as producer:
        with pytest.raises((TopicAuthorizationFailedError, KafkaTimeoutError)):
            await producer.send_and_wait(topic, b"forged")


async def cannot_read(settings: Settings, topic: str) -> None:
    """The same."""
    async with AIOKafkaConsumer(**consumer_options(settings)) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        with pytest.raises((TopicAuthorizationFailedError, TimeoutError)):
            async with asyncio.timeout(2):
                await consumer.getone()
