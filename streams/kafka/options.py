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

from streams.errors import BrokerUnreachableError, SettingsError
from streams.kafka.codecs import limit_codecs

if TYPE_CHECKING:
    from ssl import SSLContext

    from faust.auth import SASLCredentials, SSLCredentials

    from streams.settings.settings import Settings

MEBIBYTE: Final = 1024 * 1024

BATCH_BYTES: Final = 1 * MEBIBYTE
"""Default size at which a producer closes a record batch. Larger batches gain nothing; every topic takes a
batch of this size."""

ROWS_BATCH_BYTES: Final = 7 * MEBIBYTE
"""Batch size of the producer of rows: the ledger's 6 MiB and their framing, below the changelog's 8 MiB."""

REQUEST_BYTES: Final = 8 * MEBIBYTE
"""Largest message that a producer accepts. Topics have limits of their own, which the broker enforces."""

METADATA_MS: Final = 10_000
"""Age in ms at which the group's members refresh the list of partitions; aiokafka would wait five minutes."""

REQUEST_SECONDS: Final = 10.0
"""Seconds, besides a session, that a consumer's request may wait for its answer before it is sent again over
another connection. With aiokafka's 40 s, a network that swallowed one packet would delay the request for as
long."""

TRANSACTION_SECONDS: Final = 60.0
"""Seconds that a transaction may be open before the broker aborts it. Until then, a worker that died within a
transaction, and has no successor, delays every reader with `read_committed`."""

REACH_SECONDS: Final = 10.0
"""Seconds that a broker may take to answer the first request before it counts as unreachable."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """Abilities of a broker beyond the part of the protocol that all brokers have."""

    idempotent: bool
    """True if producers may be idempotent: a retried send is appended once."""
    append_time: bool
    """True if `message.timestamp.type=LogAppendTime` is honoured, not merely reported."""


def ssl_context(settings: Settings) -> SSLContext | None:
    """Make the TLS context of every client; return None where the protocol has no TLS.

    Raises:
        SettingsError: A file holds no PEM, or the password does not open the key.
    """
    if not settings.uses_tls:
        return None
    password = settings.kafka_ssl_password
    try:
        context: SSLContext = create_ssl_context(
            cafile=settings.kafka_ssl_cafile,
            certfile=settings.kafka_ssl_certfile,
            keyfile=settings.kafka_ssl_keyfile,
            # Never None: OpenSSL would then prompt for a password, and a worker would hang.
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
    """Return the options of every aiokafka client, `AIOKafkaAdminClient` included: addresses, TLS, login."""
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
    """Return the options of a consumer that never resets its position and never commits by itself.

    Without a group the consumer reads assigned partitions, such as a changelog's. A consumer with
    `read_committed` sees nothing of open or aborted transactions; on a broker without transactions it reads
    everything.
    """
    limit_codecs()
    options = connection(settings) | {
        "isolation_level": "read_committed" if committed else "read_uncommitted",
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        # A join is answered only when all members have joined, which may take a session.
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
            # Added partitions are noticed within this time, and end the worker.
            "metadata_max_age_ms": METADATA_MS,
            # A sixth of a session: two heartbeats may be lost within the half session after which a worker
            # sends nothing.
            "heartbeat_interval_ms": settings.session_timeout_ms // 6,
        }
    return options


def producer_options(
    settings: Settings, *, idempotent: bool, batch_bytes: int = BATCH_BYTES
) -> dict[str, Any]:
    """Return the options of a producer whose sends all replicas acknowledge.

    Retries end with the send deadline.
    """
    return connection(settings) | {
        "acks": "all",
        "enable_idempotence": idempotent,
        "max_batch_size": batch_bytes,
        "max_request_size": REQUEST_BYTES,
        # No shorter: aiokafka gives up a batch older than this if its partition has no leader for a moment.
        "request_timeout_ms": int(settings.send_deadline_seconds * 1_000),
    }


def transactional_options(settings: Settings, group: str, partition: int) -> dict[str, Any]:
    """Return the options of the producer of one partition's transactions.

    The transactional id belongs to the partition, whoever owns it: so the next owner fences off the previous
    one.
    """
    options = producer_options(settings, idempotent=True, batch_bytes=ROWS_BATCH_BYTES)
    return options | {
        "transactional_id": f"{group}-{partition}",
        # No shorter than the deadline after which we give up a transaction ourselves.
        "transaction_timeout_ms": int(max(TRANSACTION_SECONDS, settings.send_deadline_seconds) * 1_000),
        "retry_backoff_ms": 20,  # the default of 100 adds latency whenever two transactions meet
    }


def faust_options(settings: Settings) -> dict[str, Any]:
    """Return broker and credentials for `faust.App`."""
    return {
        "broker": [f"kafka://{server}" for server in settings.kafka_broker.split(",")],
        "broker_credentials": _faust_credentials(settings),
    }


async def idempotence(settings: Settings) -> bool:
    """Return True if producers are idempotent: by the setting or, for `auto`, if the broker can.

    Raises:
        BrokerUnreachableError: The setting is `auto`, and no broker answers.
    """
    if settings.idempotence == "auto":
        return (await abilities(settings)).idempotent
    return settings.idempotence == "on"


async def abilities(settings: Settings) -> Abilities:
    """Ask the broker for a producer id: a broker with idempotent producers gives one.

    The embedded broker (Tansu) lists the request among those it serves and answers it with an error. The same
    broker reports `LogAppendTime` and stores the producer's time nevertheless. Only a written record would
    show that, so both abilities are derived from this one answer.

    Raises:
        BrokerUnreachableError: No broker answers within ten seconds.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await client.bootstrap()
            # Without a transactional id any producer id will do, and the time-out of a transaction does not
            # matter.
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
            error = await _answer(client, request)
    except (KafkaError, OSError, TimeoutError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await client.close()
    able = error == 0
    return Abilities(idempotent=able, append_time=able)


def unreachable(settings: Settings, reason: BaseException) -> BrokerUnreachableError:
    """Make the error for a broker that does not answer, or refuses the connection.

    aiokafka logs in a line of its own that a login or a certificate was refused; its error does not contain
    that.
    """
    why = "" if isinstance(reason, KafkaConnectionError) else f" ({str(reason) or type(reason).__name__})"
    return BrokerUnreachableError(
        f"No Kafka broker answers at {settings.kafka_broker} over {settings.kafka_security_protocol}{why}; "
        "aiokafka's line in the log says why. Start one (`cartpulse broker` runs a local one), or correct "
        "KAFKA_BROKER, KAFKA_SECURITY_PROTOCOL or the login."
    )


async def _answer(client: AIOKafkaClient, request: InitProducerIdRequest) -> int:
    """Return the answer's error code; retry while it is retriable (a coordinator that still loads)."""
    while True:
        code = int((await client.send(client.get_random_node(), request)).error_code)
        if not for_code(code).retriable:
            return code
        await asyncio.sleep(0.1)


def limit_loggers() -> None:
    """Limit aiokafka's loggers to what a person can read.

    With the broker away the loggers write 10,000 lines a minute. Below WARNING they build a log record per
    Kafka message, which nobody reads.
    """
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("aiokafka")]:
        logger = logging.getLogger(name)
        if not any(isinstance(known, RepeatLimit) for known in logger.filters):
            logger.addFilter(RepeatLimit())


class RepeatLimit(logging.Filter):
    """Filter that lets each message format of a logger through once in `seconds`, and counts the others."""

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if the record is written.

        A written record includes the number of equal ones held back.
        """
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
    # Faust takes half a second to import, and producers do not need it.
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
