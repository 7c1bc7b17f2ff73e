"""Settings of a Cartpulse service, from `CARTPULSE_*` and `KAFKA_*` environment variables.

Use `load_settings()`: it refuses unknown variables and invalid values, with one sentence for each.

>>> from streams.settings.environment import load_settings
>>> settings = load_settings({"CARTPULSE_PARTITIONS": "4", "KAFKA_BROKER": "kafka-1:9092,kafka-2:9092"})
>>> settings.partitions, settings.changelog_topic, settings.group
(4, 'cartpulse-ledger-changelog', 'cartpulse-ledger')
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from models.settings import LedgerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "CARTPULSE_"
HIDDEN: Final = "********"

TOPIC_NAME: Final = r"[a-zA-Z0-9._-]"


class Settings(BaseSettings, LedgerSettings):
    """Settings of every worker, producer and command: frozen and flat, one environment variable each.

    `Settings(partitions=4)` has the defaults for all other settings; `load_settings` reads the environment.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, env_ignore_empty=True)

    kafka_broker: str = Field(
        default="127.0.0.1:9092",
        validation_alias="kafka_broker",
        description="Bootstrap servers, `host:port`, separated by commas.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        validation_alias="kafka_security_protocol",
        description="How to talk to the broker: with TLS (`SSL`), with a login (`SASL_...`), or both.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None,
        validation_alias="kafka_sasl_mechanism",
        description="How the login is proven; `PLAIN` where the protocol is a SASL one and this is not set.",
    )
    kafka_sasl_username: str | None = Field(
        default=None, validation_alias="kafka_sasl_username", description="User name of the login."
    )
    kafka_sasl_password: SecretStr | None = Field(
        default=None, validation_alias="kafka_sasl_password", description="Password of the login."
    )
    kafka_ssl_cafile: Path | None = Field(
        default=None,
        validation_alias="kafka_ssl_cafile",
        description="PEM file of the authorities that sign broker certificates; the system's where not set.",
    )
    kafka_ssl_certfile: Path | None = Field(
        default=None,
        validation_alias="kafka_ssl_certfile",
        description="PEM file of the client's own certificate, for mutual TLS.",
    )
    kafka_ssl_keyfile: Path | None = Field(
        default=None,
        validation_alias="kafka_ssl_keyfile",
        description="PEM file of the client certificate's key.",
    )
    kafka_ssl_password: SecretStr | None = Field(
        default=None, validation_alias="kafka_ssl_password", description="Password of the key file."
    )
    kafka_ssl_check_hostname: bool = Field(
        default=True,
        validation_alias="kafka_ssl_check_hostname",
        description="Whether a broker's certificate must carry the name it was reached by.",
    )

    topic_prefix: str = Field(
        default="", pattern=rf"^{TOPIC_NAME}{{0,100}}$", description="Put before the name of every topic."
    )
    partitions: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="Partitions of `purchases`, and so of every topic; one per 50,000 customers or so.",
    )
    replication_factor: int = Field(
        default=1,
        ge=1,
        le=9,
        description="Copies of each topic that Cartpulse makes; 3 on a cluster of three brokers or more.",
    )
    purchases_retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Days for which purchases are kept; for ever where not set.",
    )
    outputs_retention_days: int = Field(
        default=30, ge=1, le=36_500, description="Days for which outputs and dead letters are kept."
    )
    session_timeout_ms: int = Field(
        default=10_000,
        ge=1_000,
        le=300_000,
        description="Silence after which the group gives a worker's partitions to others; "
        "2,000 suits the embedded broker, which holds a join for half of it.",
    )
    group_instance_id: str | None = Field(
        default=None,
        pattern=rf"^{TOPIC_NAME}{{1,200}}$",
        description="Static membership: a worker's own name, so that a restart keeps its partitions.",
    )
    batch_records: int = Field(
        default=2_000,
        ge=1,
        le=100_000,
        description="Most records of one partition that are applied as one batch.",
    )
    fetch_max_bytes: int = Field(
        default=4 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Most bytes asked for in one fetch.",
    )
    fetch_wait_ms: int = Field(
        default=20,
        ge=1,
        le=5_000,
        description="How long the broker may hold a fetch that finds nothing, in ms.",
    )
    sweep_limit: int = Field(
        default=600,
        ge=1,
        le=100_000,
        description="Most customers of a day boundary's sweep handled between two batches; fewer where their "
        "rows would not fit one record batch.",
    )
    send_deadline_seconds: float = Field(
        default=60.0,
        ge=1,
        le=600,
        description="A send not acknowledged within this many seconds ends the worker; so does a broker that "
        "has answered nothing else for twice as long.",
    )
    stall_seconds: float = Field(
        default=60.0,
        ge=5,
        le=3_600,
        description="A partition that has purchases to apply and has not got on for so many seconds ends the "
        "worker, after a warning at half of it.",
    )
    checkpoint_dir: Path | None = Field(
        default=None,
        description="Folder on a local disk where a worker keeps checkpoints of its partitions, so that a "
        "restart reads only the changelog's tail; none are kept where not set.",
    )
    checkpoint_seconds: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="Time between two checkpoints of a partition; one more is written at a clean stop.",
    )
    standby_partitions: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="How many partitions of others a worker keeps a warm copy of, to take them over sooner.",
    )
    delivery_guarantee: Literal["auto", "at_least_once", "exactly_once"] = Field(
        default="at_least_once",
        description="`exactly_once` puts outputs, state and position into one transaction, for consumers "
        "that read committed; `at_least_once` may repeat outputs, with equal ids, after a crash; `auto` is "
        "exactly once where the broker has transactions.",
    )
    idempotence: Literal["auto", "on", "off"] = Field(
        default="auto", description="Whether producers are idempotent; `auto` asks the broker whether it can."
    )
    accept_gap: bool = Field(
        default=False,
        description="Go on although purchases that were not applied are gone or cannot be read; counted.",
    )
    web_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address at which a worker answers `/health/live`, `/health/ready` and `/metrics`.",
    )
    web_port: int = Field(default=6066, ge=0, le=65_535, description="The port there; 0 for none.")
    worker_name: str | None = Field(
        default=None,
        pattern=rf"^{TOPIC_NAME}{{1,100}}$",
        description="Put into every log line, where several workers write to one place.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` is readable lines on a terminal and JSON elsewhere."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Accept arguments only: the environment is read in one place, `load_settings`."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("kafka_broker")
    @classmethod
    def _host_and_port(cls, text: str) -> str:
        servers = [server.strip() for server in text.split(",")]
        for server in servers:
            host, _, port = server.rpartition(":")
            if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise ValueError(
                    f"{server!r} is no `host:port`; write one such as 'kafka-1:9092,kafka-2:9092'"
                )
        return ",".join(servers)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = list(self._login_faults()) + list(self._tls_faults())
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _login_faults(self) -> Iterator[str]:
        login = {
            "KAFKA_SASL_MECHANISM": self.kafka_sasl_mechanism,
            "KAFKA_SASL_USERNAME": self.kafka_sasl_username,
            "KAFKA_SASL_PASSWORD": self.kafka_sasl_password,
        }
        if not self.uses_sasl:
            for name in (name for name, value in login.items() if value is not None):
                yield (
                    f"{name} is set, but KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}, "
                    "which has no login: set it to SASL_SSL (or SASL_PLAINTEXT), or unset the variable."
                )
            return
        for name in ("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
            if login[name] is None:
                yield f"{name} is missing: the protocol {self.kafka_security_protocol} needs a login."

    def _tls_faults(self) -> Iterator[str]:
        files = {
            "KAFKA_SSL_CAFILE": self.kafka_ssl_cafile,
            "KAFKA_SSL_CERTFILE": self.kafka_ssl_certfile,
            "KAFKA_SSL_KEYFILE": self.kafka_ssl_keyfile,
        }
        given = [name for name, path in files.items() if path is not None]
        if not self.uses_tls:
            named = [*given, *(["KAFKA_SSL_PASSWORD"] if self.kafka_ssl_password else [])]
            for name in named:
                yield (
                    f"{name} is set, but KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}, "
                    "which has no TLS: set it to SSL (or SASL_SSL), or unset the variable."
                )
            return
        for name in given:
            if not Path(str(files[name])).is_file():
                yield f"{name} names {str(files[name])!r}, where there is no file: correct the path."
        if (self.kafka_ssl_certfile is None) != (self.kafka_ssl_keyfile is None):
            yield (
                "KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE go together: "
                "set both (to one file, if it holds both), or neither."
            )
        if self.kafka_ssl_password is not None and self.kafka_ssl_keyfile is None:
            yield "KAFKA_SSL_PASSWORD is set without a KAFKA_SSL_KEYFILE to open: set both, or neither."

    @property
    def uses_tls(self) -> bool:
        """True if the connection is encrypted."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """True if the connection carries a login."""
        return self.kafka_security_protocol.startswith("SASL_")

    @property
    def ledger(self) -> LedgerSettings:
        """Settings that shape outputs, without the others."""
        return LedgerSettings(**{name: getattr(self, name) for name in LedgerSettings.model_fields})

    @property
    def group(self) -> str:
        """Consumer group that owns the partitions of `purchases`."""
        return f"{self.application}-ledger"

    @property
    def purchases_topic(self) -> str:
        """Topic of purchases, the input."""
        return self.topic("purchases")

    @property
    def dead_letters_topic(self) -> str:
        """Topic of refused records."""
        return self.topic("dead-letters")

    @property
    def changelog_topic(self) -> str:
        """Topic of the ledger's rows."""
        return self.topic(f"{self.application}-ledger-changelog")

    @property
    def commands_topic(self) -> str:
        """Topic of operators' commands to the workers."""
        return self.topic(f"{self.application}-commands")

    def topic(self, name: str) -> str:
        """Return a topic's name on the broker: the prefix, then the contract's name (`segment-changes`)."""
        return f"{self.topic_prefix}{name}"

    def shown(self) -> dict[str, str]:
        """Return each variable's value as text for the log at start, sorted by name. Secrets are hidden."""
        shown = {variable(name): text(getattr(self, name)) for name in type(self).model_fields}
        return dict(sorted(shown.items()))


def variable(field: str) -> str:
    """Return the name of a field's environment variable."""
    return field.upper() if field.startswith("kafka_") else f"{PREFIX}{field.upper()}"


def secret(field: str) -> bool:
    """Return True if a setting is a secret, which must not be shown."""
    return field.endswith("_password")


def text(value: object) -> str:
    """Return a value as an environment variable would hold it. Secrets are hidden."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, tuple) else str(value)
