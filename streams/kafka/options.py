"""Keyword arguments for every Kafka client, made in one place, so that TLS and login reach all of them.

>>> from aiokafka import AIOKafkaConsumer
>>> from streams.settings.settings import Settings
>>> settings = Settings(kafka_broker="kafka-1:9092,kafka-2:9092")
>>> connection(settings)["bootstrap_servers"]
['kafka-1:9092', 'kafka-2:9092']
>>> AIOKafkaConsumer(**consumer_options(settings, group=settings.group))  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.transaction import InitProducerIdRequest

from streams.errors import BrokerUnreachable, SettingsError
from streams.kafka.codecs import limit_codecs

if TYPE_CHECKING:
    from ssl import SSLContext

    from faust.auth import SASLCredentials, SSLCredentials

    from streams.settings.settings import Settings

MEBIBYTE: Final = 1024 * 1024

BATCH_BYTES: Final = 1 * MEBIBYTE
"""Default size at which a producer closes a record batch. Larger ones gain nothing; every topic takes it."""

ROWS_BATCH_BYTES: Final = 7 * MEBIBYTE
"""Batch size of the producer of rows: the ledger's 6 MiB and their framing, below the changelog's 8 MiB."""

REQUEST_BYTES: Final = 8 * MEBIBYTE
"""Largest message a producer accepts. Topics have limits of their own, which the broker enforces."""

METADATA_MS: Final = 10_000
"""Age at which the group's members ask anew which partitions there are; aiokafka would wait five minutes."""

REQUEST_SECONDS: Final = 10.0
"""How long a consumer's request may wait for its answer, beside a session, before it is sent anew over
another connection. aiokafka's 40 s are as long as a network that swallowed a packet would hold it up."""

TRANSACTION_SECONDS: Final = 60.0
"""How long a transaction may be open before the broker aborts it. Until then a worker that died in the middle
of one, and has no successor, keeps those waiting who read committed."""

REACH_SECONDS: Final = 10.0
"""How long a broker may take to answer the first question before it counts as unreachable."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a broker can do beyond the protocol's common part."""

    idempotent: bool
    """Producers may be idempotent: a retried send is appended once."""
    append_time: bool
    """`message.timestamp.type=LogAppendTime` is honoured, and not only reported."""


def ssl_context(settings: Settings) -> SSLContext | None:
    """The TLS context of every client; None where the protocol has no TLS.

    Raises:
        SettingsError: a file holds no PEM, or the password does not open the key.
    """
    if not settings.uses_tls:
        return None
    password = settings.kafka_ssl_password
    try:
        context: SSLContext = create_ssl_context(
            cafile=settings.kafka_ssl_cafile,
            certfile=settings.kafka_ssl_certfile,
            keyfile=settings.kafka_ssl_keyfile,
            # Never none: OpenSSL would ask a person for it, and a worker would stand still.
            password=password.get_secret_value() if password else "",
        )
    except OSError as error:
        raise SettingsError(
            f"The TLS files cannot be used ({error}): look at KAFKA_SSL_CAFILE, KAFKA_SSL_CERTFILE, "
            "KAFKA_SSL_KEYFILE and KAFKA_SSL_PASSWORD."
        ) from error
    context.check_hostname = settings.kafka_ssl_check_hostname
    return context


def connection(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client needs, `AIOKafkaAdminClient` for one: addresses, TLS, login."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_broker.split(","),
        "client_id": settings.application,
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.uses_sasl:
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism or "PLAIN",
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": _login_password(settings),
        }
    return options


def consumer_options(
    settings: Settings, *, group: str | None = None, committed: bool = True
) -> dict[str, Any]:
    """For a consumer that never resets its position nor commits by itself.

    Without a group it is one that reads assigned partitions, such as a changelog's. One that reads committed
    sees nothing of transactions that are open or were aborted; on a broker without them it reads all.
    """
    limit_codecs()
    options = connection(settings) | {
        "isolation_level": "read_committed" if committed else "read_uncommitted",
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        # A join is answered when the others have joined, which may take a session.
        "request_timeout_ms": int(REQUEST_SECONDS * 1_000) + settings.session_timeout_ms,
        "fetch_max_wait_ms": settings.fetch_wait_ms,
        "fetch_max_bytes": settings.fetch_max_bytes,
        "max_partition_fetch_bytes": settings.fetch_max_bytes,
    }
    if group is not None:
        options |= {
            "group_id": group,
            "group_instance_id": settings.group_instance_id,
            "session_timeout_ms": settings.session_timeout_ms,
            # More partitions than before are noticed within so long, and end the worker.
            "metadata_max_age_ms": METADATA_MS,
            # A sixth: two beats may be lost inside the half session after which a worker sends nothing more.
            "heartbeat_interval_ms": settings.session_timeout_ms // 6,
        }
    return options


def producer_options(
    settings: Settings, *, idempotent: bool, batch_bytes: int = BATCH_BYTES
) -> dict[str, Any]:
    """For a producer whose sends are acknowledged by all replicas; retries end with the send deadline."""
    return connection(settings) | {
        "acks": "all",
        "enable_idempotence": idempotent,
        "max_batch_size": batch_bytes,
        "max_request_size": REQUEST_BYTES,
        # Not less: aiokafka gives a batch up that is older when its partition has no leader for a moment.
        "request_timeout_ms": int(settings.send_deadline_seconds * 1_000),
    }


def transactional_options(settings: Settings, group: str, partition: int) -> dict[str, Any]:
    """For the producer of one partition's transactions.

    Its transactional id is the partition's, whoever owns it: the next owner fences off the last one.
    """
    options = producer_options(settings, idempotent=True, batch_bytes=ROWS_BATCH_BYTES)
    return options | {
        "transactional_id": f"{group}-{partition}",
        # Not before we would give it up ourselves.
        "transaction_timeout_ms": int(max(TRANSACTION_SECONDS, settings.send_deadline_seconds) * 1_000),
        "retry_backoff_ms": 20,  # the default of 100 shows in the latency whenever two transactions meet
    }


def faust_options(settings: Settings) -> dict[str, Any]:
    """Broker and credentials for `faust.App`."""
    return {
        "broker": [f"kafka://{server}" for server in settings.kafka_broker.split(",")],
        "broker_credentials": _faust_credentials(settings),
    }


async def idempotence(settings: Settings) -> bool:
    """Whether producers of this service are idempotent: as set, or for `auto` as the broker can.

    Raises:
        BrokerUnreachable: `auto`, and no broker answers.
    """
    if settings.idempotence == "auto":
        return (await abilities(settings)).idempotent
    return settings.idempotence == "on"


async def abilities(settings: Settings) -> Abilities:
    """Ask the broker for a producer id: a broker that has idempotent producers gives one.

    The embedded broker (Tansu) lists the request among those it serves and answers it with an error. The same
    broker reports `LogAppendTime` and stores the producer's time nevertheless; nothing but a written record
    shows that, so both abilities are judged by this one answer.

    Raises:
        BrokerUnreachable: no broker answers within ten seconds.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await client.bootstrap()
            # No transactional id: any id will do, and the time-out of a transaction does not matter.
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
            error = await _answer(client, request)
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await client.close()
    able = error == 0
    return Abilities(idempotent=able, append_time=able)


def unreachable(settings: Settings, reason: BaseException) -> BrokerUnreachable:
    """The error for a broker that does not answer, or not to us.

    aiokafka says in a log line of its own that a login or a certificate was refused; its error does not.
    """
    why = "" if isinstance(reason, KafkaConnectionError) else f" ({str(reason) or type(reason).__name__})"
    return BrokerUnreachable(
        f"No Kafka broker answers at {settings.kafka_broker} over {settings.kafka_security_protocol}{why}; "
        "aiokafka's line in the log says why. Start one (`cartpulse broker` runs a local one), or correct "
        "KAFKA_BROKER, KAFKA_SECURITY_PROTOCOL or the login."
    )


async def _answer(client: AIOKafkaClient, request: InitProducerIdRequest) -> int:
    """The answer's error code, when the broker is past `try again` (a coordinator that still loads)."""
    while True:
        code = int((await client.send(client.get_random_node(), request)).error_code)
        if not for_code(code).retriable:
            return code
        await asyncio.sleep(0.1)


def limit_loggers() -> None:
    """Keep aiokafka's loggers to what a person can read.

    With the broker away they write 10,000 lines a minute; and below WARNING they build records by the message
    that nobody reads.
    """
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("aiokafka")]:
        logger = logging.getLogger(name)
        if not any(isinstance(known, RepeatLimit) for known in logger.filters):
            logger.addFilter(RepeatLimit())


class RepeatLimit(logging.Filter):
    """Lets a message of one logger and one format through once in `seconds`, and counts what it held back."""

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; one that is names how many like it were not."""
        kind = str(record.msg)
        last, held = self._last.get(kind, (float("-inf"), 0))
        if record.created - last < self._seconds:
            self._last[kind] = (last, held + 1)
            return False
        self._last[kind] = (record.created, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} (and {held} more like this)", ()
        return True


def _login_password(settings: Settings) -> str | None:
    password = settings.kafka_sasl_password
    return password.get_secret_value() if password else None


def _faust_credentials(settings: Settings) -> SASLCredentials | SSLCredentials | None:
    # Faust takes half a second to import, and producers do without it.
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415

    context = ssl_context(settings)
    if settings.uses_sasl:
        return SASLCredentials(
            username=settings.kafka_sasl_username,
            password=_login_password(settings),
            ssl_context=context,
            mechanism=settings.kafka_sasl_mechanism or "PLAIN",
        )
    return SSLCredentials(context) if context else None
