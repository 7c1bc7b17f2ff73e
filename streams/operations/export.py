"""Export of a customer: everything that the service's topics hold of one customer, as JSON-able values."""

from __future__ import annotations

import base64
import json
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from models.ledger.export import Export
from models.ledger.profile import look
from models.memory.rows import CLOCK_KEY, RowError, customer_of, header, is_erased
from streams.errors import ChangelogUnreadableError, EngineError
from streams.kafka.log.reading import places_among, read_now, reader, topics_of
from streams.kafka.topics import OUTPUTS
from streams.operations.customer_rows import look_for
from streams.operations.customers import UnknownCustomerError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from streams.operations.customer_rows import Bar, CustomerRows
    from streams.settings.settings import Settings

FORMAT: Final = "cartpulse-export/1"


async def gather(
    settings: Settings, customer: bytes, bar: Bar, *, state_only: bool = False
) -> dict[str, Any]:
    """Gather everything that the topics hold of a customer, as JSON-able values.

    Args:
        settings: Service settings.
        customer: Customer id.
        bar: Shows the progress of a read.
        state_only: Leave purchases, outputs and dead letters out.

    Raises:
        UnknownCustomerError: The topics hold nothing of this customer.
        ChangelogUnreadableError: A row is damaged. `NewerRowsError`: a later release wrote it.
        EngineError: A row cannot be rebuilt from its export: a fault of Cartpulse.
    """
    present = await topics_of(settings)
    async with reader(settings) as consumer:
        places = places_among(present, settings, [settings.changelog_topic])
        told: dict[str, Any] = {
            "format": FORMAT,
            "customer_id": customer.decode(errors="replace"),
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "state": await _state(consumer, places, customer, bar),
        }
        if not state_only:
            mine = _Mine(customer)
            for section, topics in _topics(settings).items():
                there = [place for topic in topics for place in present.get(topic, [])]
                told[section] = await _records(consumer, there, mine, bar)
    if not any(told[section] for section in told.keys() - {"format", "customer_id", "exported_at"}):
        raise UnknownCustomerError(
            f"Nothing is known of customer {told['customer_id']!r} at {settings.kafka_broker}. Ids are "
            "compared byte for byte. Are CARTPULSE_APPLICATION and CARTPULSE_TOPIC_PREFIX those of the "
            "service?"
        )
    return told


def _topics(settings: Settings) -> dict[str, list[str]]:
    """Return section of an export -> its topics."""
    return {
        "purchases": [settings.purchases_topic],
        "outputs": [settings.topic(name) for name in OUTPUTS],
        "dead_letters": [settings.dead_letters_topic],
    }


async def _state(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], customer: bytes, bar: Bar
) -> list[dict[str, Any]]:
    """Return the customer's state in each partition that has one. A changed partitioner leaves several."""
    found = []
    for place, known in (await look_for(consumer, places, customer, bar)).items():
        if CLOCK_KEY not in known.rows:
            continue
        try:
            told = _exported(known, customer, len(places))
        except RowError as error:
            raise ChangelogUnreadableError(
                f"{place.topic}[{place.partition}] holds a row that cannot be read: {error}."
            ) from error
        if told is not None:
            found.append({"partition": place.partition, **told})
    return found


def _exported(known: CustomerRows, customer: bytes, partitions: int) -> dict[str, Any] | None:
    """Return a customer's columns and description, after proving that they give the same rows again."""
    rows = known.rows
    export = Export(rows.items(), partitions=partitions)
    columns = export.of(customer)
    if columns is None:
        return None
    made = dict(export.rows(customer, json.loads(json.dumps(columns))))
    if made != {key: row for key, row in rows.items() if customer_of(key) and not is_erased(row)}:
        raise EngineError(
            f"the rows of customer {customer!r} cannot be made from their export again: this is a fault of "
            "Cartpulse's"
        )
    return {
        "source_offset": header(rows[customer]).offset,
        "described": look(rows.items(), customer, known.standings, partitions=partitions),
        "columns": columns,
    }


async def _records(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], mine: _Mine, bar: Bar
) -> list[dict[str, Any]]:
    """Return the records about a customer by topic, partition and offset."""
    found: list[dict[str, Any]] = []
    if not places:
        return found
    with bar(f"Reading {', '.join(sorted({place.topic for place in places}))}") as progress:
        async with aclosing(read_now(consumer, places, progress)) as batches:
            async for _, records in batches:
                found += [_told(record) for record in records if mine.is_of(record)]
    return sorted(found, key=lambda each: (each["topic"], each["partition"], each["offset"]))


class _Mine:
    """Test for records that are about one customer.

    Args:
        customer: Customer id.
    """

    def __init__(self, customer: bytes) -> None:
        self._key = customer
        text = customer.decode(errors="replace")
        self._text = text
        # JSON may hold the id as it is or escaped. A value that holds neither form is not decoded.
        self._traces = {customer, json.dumps(text)[1:-1].encode(), msgspec.json.encode(text)[1:-1]}

    def is_of(self, record: Any) -> bool:
        """Return True if the record's key is the id, or if the record's value names the id."""
        if record.key == self._key:
            return True
        value = record.value or b""
        if b"\\u" not in value and not any(trace in value for trace in self._traces):
            return False
        try:
            content = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return any(b'"%b"' % trace in value for trace in self._traces)
        return isinstance(content, dict) and content.get("customer_id") == self._text


def _told(record: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
        "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
        "headers": {
            name: None if content is None else content.decode(errors="backslashreplace")
            for name, content in record.headers
        },
    }
    try:
        return told | {"value": msgspec.json.decode(record.value or b"null")}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return told | {"value_base64": base64.b64encode(record.value).decode()}
