"""Look-up of one customer from outside: the row, its description, and the customer's own events."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from models.contracts.events import EXPOSURES, RECOMMENDATIONS, SEGMENT_CHANGES
from models.ledger.profile import look
from models.memory.rows import CLOCK_KEY, RowError
from models.records.partitioner import partition_of
from streams.errors import CartpulseError, ChangelogUnreadableError
from streams.kafka.log.reading import places_among, read_now, reader, topics_of
from streams.operations.customer_rows import look_for
from streams.operations.events import OutputEvent, printable

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from streams.operations.customer_rows import Bar, CustomerRows
    from streams.settings.settings import Settings


class UnknownCustomerError(CartpulseError):
    """The partition holds no row of this customer."""


async def gather(settings: Settings, customer: bytes, partition: int | None, bar: Bar) -> dict[str, Any]:
    """Gather what one page shows of a customer, as JSON-able values.

    The page shows the state, the segment changes and the last recommendation. `export.gather` gathers
    everything.

    Args:
        settings: Service settings.
        customer: Customer id.
        partition: Partition to look in; None for the one to which the partitioner maps the id.
        bar: Shows the progress of a read.

    Raises:
        UnknownCustomerError: The partition holds no row of this customer.
        ChangelogUnreadableError: A row is damaged. `NewerRowsError`: a later release wrote it.
    """
    present = await topics_of(settings)
    places = places_among(present, settings, [settings.changelog_topic])
    home = partition_of(customer, len(places), settings.partitioner) if partition is None else partition
    if home >= len(places):
        raise UnknownCustomerError(
            f"There is no partition {home}: {settings.changelog_topic} has {len(places)}."
        )
    async with reader(settings) as consumer:
        looks = await look_for(consumer, [places[home]], customer, bar)
        if CLOCK_KEY not in looks[places[home]].rows:
            raise UnknownCustomerError(_no_state(customer, places[home]))
        known = _known(looks[places[home]], customer, places[home], len(places))
        if known is None:
            raise UnknownCustomerError(_unknown(settings, customer, places[home], len(places)))
        topics = [SEGMENT_CHANGES, RECOMMENDATIONS, *([EXPOSURES] if known["held_out"] else [])]
        events: list[OutputEvent] = []
        for topic in map(settings.topic, topics):
            events += await _events(consumer, present.get(topic, [])[home : home + 1], customer, bar)
    recommendations = _values(events, "recommendation")
    return {
        **known,
        "partition": home,
        "partitions": len(places),
        "segment_changes": _values(events, "segment-change"),
        "recommendations": recommendations[-1] if recommendations else None,
    }


def _known(
    found: CustomerRows, customer: bytes, place: TopicPartition, partitions: int
) -> dict[str, object] | None:
    where = f"{place.topic}[{place.partition}]"
    try:
        return look(found.rows.items(), customer, found.standings, partitions=partitions)
    except RowError as error:
        raise ChangelogUnreadableError(f"{where} holds a row that cannot be read: {error}.") from error


async def _events(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], customer: bytes, bar: Bar
) -> list[OutputEvent]:
    """Read a customer's events in a partition, the oldest first, without copies. A missing topic has none."""
    found: dict[str, OutputEvent] = {}
    if not places:
        return []
    with bar(f"Reading {places[0].topic}") as progress:
        async with aclosing(read_now(consumer, places, progress)) as batches:
            async for _, records in batches:
                for seen in (OutputEvent.of(record) for record in records if record.key == customer):
                    found[seen.headers.get("ce_id", "")] = seen
    return list(found.values())


def _values(events: list[OutputEvent], kind: str) -> list[dict[str, Any]]:
    """Return the values of the events of one kind, by event time."""
    values = [seen.value for seen in events if seen.kind == kind and seen.value is not None]
    return sorted(values, key=lambda value: str(value.get("occurred_at")))


def _unknown(settings: Settings, customer: bytes, place: TopicPartition, partitions: int) -> str:
    """Explain why a customer may be unknown in a partition that has a state."""
    elsewhere = (
        f" If producers map keys to partitions in another way than {settings.partitioner}, the customer may "
        "be in another partition: --partition looks there."
    )
    return (
        f"Customer {_name(customer)} is not known in {place.topic}[{place.partition}]. Ids are compared byte "
        "for byte; a purchase that was refused is in `cartpulse dead-letters list`."
        f"{elsewhere if partitions > 1 else ''}"
    )


def _no_state(customer: bytes, place: TopicPartition) -> str:
    return (
        f"Customer {_name(customer)} is not known: {place.topic}[{place.partition}] holds no state yet. Has "
        "a worker run, and are CARTPULSE_APPLICATION and CARTPULSE_TOPIC_PREFIX those of the service?"
    )


def _name(customer: bytes) -> str:
    return repr(printable(customer.decode(errors="backslashreplace")))
