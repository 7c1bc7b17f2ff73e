"""Every client gets the same broker, TLS and login; aiokafka's loggers are kept in bounds."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faust.auth import SASLCredentials, SSLCredentials
from pydantic import SecretStr

from streams.brokers.embedded import LocalBroker, free_port
from streams.errors import BrokerUnreachableError, SettingsError
from streams.kafka.options import (
    RepeatLimit,
    abilities,
    connection,
    consumer_options,
    faust_options,
    idempotence,
    limit_loggers,
    producer_options,
)
from streams.kafka.topics import create_topics
from streams.settings.settings import Settings
from tests.support.kafka.kafka_cluster import LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.brokers.apache_kafka import ApacheKafka

SECURED = Settings(
    kafka_broker="kafka-1:9093,kafka-2:9093",
    kafka_security_protocol="SASL_SSL",
    kafka_sasl_mechanism="SCRAM-SHA-512",
    kafka_sasl_username="cartpulse",
    kafka_sasl_password=SecretStr("hush"),
)


def secured(fresh_settings: Callable[..., Settings], node: ApacheKafka, **overrides: object) -> Settings:
    login: dict[str, object] = {
        "kafka_broker": node.secured_address,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_username": LOGIN.user,
        "kafka_sasl_password": SecretStr(LOGIN.password),
        "kafka_ssl_cafile": node.certificate,
    }
    return fresh_settings(node, **(login | overrides))


def all_options(settings: Settings) -> list[dict[str, Any]]:
    return [
        connection(settings),
        consumer_options(settings),
        consumer_options(settings, group=settings.group),
        producer_options(settings, idempotent=True),
    ]


def test_tls_and_login_reach_every_client() -> None:
    for options in all_options(SECURED):
        assert options["bootstrap_servers"] == ["kafka-1:9093", "kafka-2:9093"]
        assert options["security_protocol"] == "SASL_SSL"
        assert isinstance(options["ssl_context"], ssl.SSLContext)
        assert options["sasl_mechanism"] == "SCRAM-SHA-512"
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("cartpulse", "hush")


def test_tls_and_login_reach_faust() -> None:
    options = faust_options(SECURED)
    credentials = options["broker_credentials"]
    assert options["broker"] == ["kafka://kafka-1:9093", "kafka://kafka-2:9093"]
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert (credentials.username, credentials.password) == ("cartpulse", "hush")


def test_a_login_without_tls_and_tls_without_a_login_are_told_apart() -> None:
    plain = Settings(
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_username="cartpulse",
        kafka_sasl_password=SecretStr("hush"),
    )
    assert connection(plain)["ssl_context"] is None
    assert connection(plain)["sasl_mechanism"] == "PLAIN"
    assert faust_options(plain)["broker_credentials"].protocol.value == "SASL_PLAINTEXT"
    encrypted = Settings(kafka_security_protocol="SSL")
    assert "sasl_plain_password" not in connection(encrypted)
    assert isinstance(faust_options(encrypted)["broker_credentials"], SSLCredentials)
    assert faust_options(Settings())["broker_credentials"] is None


def test_certificates_are_checked_unless_told_otherwise() -> None:
    context = connection(Settings(kafka_security_protocol="SSL"))["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    lax = Settings(kafka_security_protocol="SSL", kafka_ssl_check_hostname=False)
    assert not connection(lax)["ssl_context"].check_hostname


@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_secured_broker_is_administered_written_and_read(
    mechanism: str, apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    settings = secured(fresh_settings, apache_kafka, kafka_sasl_mechanism=mechanism)
    await create_topics(settings)
    assert await idempotence(settings)
    topic = TopicPartition(settings.purchases_topic, 0)
    async with AIOKafkaProducer(**producer_options(settings, idempotent=True)) as producer:
        await producer.send_and_wait(topic.topic, b"a basket", partition=0)
    async with AIOKafkaConsumer(**consumer_options(settings)) as consumer, asyncio.timeout(10):
        consumer.assign([topic])
        consumer.seek(topic, 0)
        assert (await consumer.getone()).value == b"a basket"


@pytest.mark.kafka
async def test_faust_reaches_a_secured_broker(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    settings = secured(fresh_settings, apache_kafka)
    await create_topics(settings)
    app = faust.App(settings.application, **faust_options(settings))
    await app.producer.start()
    try:
        async with asyncio.timeout(10):
            sent = await app.producer.send_and_wait(settings.commands_topic, b"key", b"pause", 0, None, None)
        assert sent.offset == 0
    finally:
        await app.producer.stop()


@pytest.mark.kafka
async def test_a_wrong_password_is_an_error_that_says_where(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings]
) -> None:
    settings = secured(fresh_settings, apache_kafka, kafka_sasl_password=SecretStr("wrong"))
    with pytest.raises(
        BrokerUnreachableError, match=f"No Kafka broker answers at {apache_kafka.secured_address}"
    ):
        await create_topics(settings)


def test_files_that_hold_no_certificate_are_refused_with_a_sentence(tmp_path: Path) -> None:
    nonsense = tmp_path / "authority.pem"
    nonsense.write_text("no certificate")
    with pytest.raises(SettingsError, match=r"The TLS files cannot be used .*look at KAFKA_SSL_CAFILE"):
        connection(Settings(kafka_security_protocol="SSL", kafka_ssl_cafile=nonsense))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="install openssl: it makes the certificate")
def test_a_locked_key_opens_with_its_password_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-subj",
        "/CN=till",
        "-passout",
        "pass:open-sesame",
    ]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    locked = Settings(kafka_security_protocol="SSL", kafka_ssl_certfile=certificate, kafka_ssl_keyfile=key)
    opened = locked.model_copy(update={"kafka_ssl_password": SecretStr("open-sesame")})
    assert isinstance(connection(opened)["ssl_context"], ssl.SSLContext)
    wrong = locked.model_copy(update={"kafka_ssl_password": SecretStr("wrong")})
    for refused in (locked, wrong):
        with pytest.raises(SettingsError, match=r"look at .*KAFKA_SSL_PASSWORD"):
            connection(refused)


async def test_aiokafka_knows_every_option() -> None:
    settings = Settings(group_instance_id="till-1")
    AIOKafkaConsumer(**consumer_options(settings))
    AIOKafkaConsumer(**consumer_options(settings, group="g"))
    AIOKafkaAdminClient(**connection(settings))
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=True))
    await producer.stop()


def test_no_consumer_moves_or_commits_by_itself() -> None:
    for options in (consumer_options(Settings()), consumer_options(Settings(), group="g")):
        assert options["auto_offset_reset"] == "none"
        assert options["enable_auto_commit"] is False


@pytest.mark.parametrize(("setting", "expected"), [("auto", None), ("on", True), ("off", False)])
async def test_idempotence_is_as_set_or_as_the_broker_can(
    setting: str,
    expected: bool | None,  # noqa: FBT001 (a column of the table)
    tansu: LocalBroker,
    fresh_settings: Callable[..., Settings],
) -> None:
    settings = fresh_settings(tansu, idempotence=setting)
    assert await idempotence(settings) is (False if expected is None else expected)


async def test_a_broker_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    nowhere = Settings(kafka_broker=f"127.0.0.1:{free_port(0)}")
    with pytest.raises(
        BrokerUnreachableError, match=r"No Kafka broker answers at 127\.0\.0\.1:\d+ over PLAINTEXT"
    ):
        await abilities(nowhere)


def record(message: str, *args: object, created: float) -> logging.LogRecord:
    made = logging.LogRecord("aiokafka.conn", logging.ERROR, __file__, 1, message, args, None)
    made.created = created
    return made


def test_a_repeated_message_passes_once_in_ten_seconds_and_is_counted() -> None:
    limit = RepeatLimit(seconds=10)
    assert limit.filter(record("cannot reach %s", "one", created=100.0))
    held = [limit.filter(record("cannot reach %s", "two", created=100.0 + n / 100)) for n in range(999)]
    assert not any(held)
    assert limit.filter(record("another matter", created=105.0))
    later = record("cannot reach %s", "three", created=110.0)
    assert limit.filter(later)
    assert later.getMessage() == "cannot reach three (and 999 more like this)"


def test_every_logger_of_aiokafka_is_limited_once() -> None:
    limit_loggers()
    limit_loggers()
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.sender", "aiokafka.consumer.fetcher"):
        limits = [kept for kept in logging.getLogger(name).filters if isinstance(kept, RepeatLimit)]
        assert len(limits) == 1, name
