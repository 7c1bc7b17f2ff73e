"""Reads of whole topics, from their beginning to their present end, without a consumer group."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, TopicAuthorizationFailedError

from streams.errors import BrokerUnreachableError, CartpulseError, NotAllowedError
from streams.kafka.log.batches import BrokenBatch
from streams.kafka.log.salvage import CarefulReader
from streams.kafka.options import connection, consumer_options

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence

    from streams.settings.settings import Settings

log = logging.getLogger(__name__)

STILL_SECONDS: Final = 90.0
"""Seconds without progress after which a read counts as having lost its broker. A transaction that its writer
left open may delay readers with `read_committed` for a minute."""


class NoSuchTopicError(CartpulseError):
    """Topic that is to be read and does not exist, or is hidden from this login."""


class ReadProgress(Protocol):
    """Callback for the progress of a read."""

    def __call__(self, read: int, of: int) -> None:
        """Receive the number of offsets passed, and the number of all offsets to pass."""


@asynccontextmanager
async def reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Make a started consumer of committed records, without a group and without an assignment.

    Raises:
        BrokerUnreachableError: No broker answers, the body's own requests included.
        NotAllowedError: The login may not read what the body reads.
        LogUnreadableError: A log is damaged, and no readable offset after the damage is known.
    """
    consumer: Any = CarefulReader.of(AIOKafkaConsumer(**consumer_options(settings)), settings)
    try:
        await _start(consumer, settings)
        yield consumer
    except TopicAuthorizationFailedError as error:
        raise NotAllowedError(
            f"The login {settings.kafka_sasl_username!r} may not read {error}",
            remedy="deploy/kafka/acls.sh lists the rights of each login.",
        ) from error
    except (KafkaError, TimeoutError) as error:
        raise _unreachable(settings, error) from error
    finally:
        await consumer.stop()


async def topics_of(settings: Settings) -> dict[str, list[TopicPartition]]:
    """Return the partitions of all topics that the broker shows this login.

    No topic is requested by name, because such a request might make the topic.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        await client.bootstrap()
        cluster = await client.fetch_all_metadata()
    except (KafkaError, OSError) as error:
        raise _unreachable(settings, error) from error
    finally:
        await client.close()
    return {
        topic: [
            TopicPartition(topic, partition)
            for partition in sorted(cluster.partitions_for_topic(topic) or ())
        ]
        for topic in cluster.topics()
    }


def places_among(
    present: Mapping[str, list[TopicPartition]], settings: Settings, topics: Sequence[str]
) -> list[TopicPartition]:
    """Return all partitions of the given topics, out of the existing ones.

    Raises:
        NoSuchTopicError: One of the topics does not exist.
    """
    missing = [topic for topic in topics if topic not in present]
    if missing:
        raise NoSuchTopicError(
            f"{settings.kafka_broker} has no topic {', '.join(missing)}, or this login may not see it. Are "
            "CARTPULSE_TOPIC_PREFIX and CARTPULSE_APPLICATION those of the service? `cartpulse topics` "
            "makes the topics."
        )
    return [place for topic in topics for place in present[topic]]


async def places_of(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    """Return all partitions of the given topics, after asking the broker which exist.

    Raises:
        BrokerUnreachableError: No broker answers.
        NoSuchTopicError: One of the topics does not exist.
    """
    return places_among(await topics_of(settings), settings, topics)


def tell_of(broken: BrokenBatch) -> None:
    """Warn that a batch is left out, where it is, and why."""
    log.warning("Left out: %s: a batch that cannot be decoded: %s.", broken.where, broken.reason)


async def read_now(
    consumer: AIOKafkaConsumer,
    places: Sequence[TopicPartition],
    progress: ReadProgress | None = None,
    *,
    meet: Callable[[BrokenBatch], None] = tell_of,
) -> AsyncGenerator[tuple[TopicPartition, list[Any]], None]:
    """Yield all records that partitions hold when the read begins, as they come, in runs of one partition.

    Args:
        consumer: Consumer made by `reader`.
        places: Partitions to read.
        progress: Callback for the progress of the read.
        meet: Callback with each batch that cannot be decoded; such batches are left out.

    Raises:
        BrokerUnreachableError: Nothing came for 90 s.
    """
    if not places:
        return
    # Begin at the start of every partition.
    consumer.assign(places)
    await consumer.end_offsets(places)  # a new leader answers only when its end is known (KIP-207)
    starts: dict[TopicPartition, int] = await consumer.beginning_offsets(places)
    for place, start in starts.items():
        consumer.seek(place, start)
    # Read until every partition has reached the end that its first fetch reported.
    positions = _ReadPositions(starts)
    while positions.unread:
        fetched = await consumer.getmany(*positions.unread, timeout_ms=200)
        positions.look(consumer)
        for place, records in fetched.items():
            held = [record for record in _decoded(records, meet) if record.offset < positions.ends[place]]
            if held:
                yield place, held
        for place in list(positions.unread):
            positions.arrive(place, await consumer.position(place))
        if time.monotonic() > positions.moved + STILL_SECONDS:
            raise BrokerUnreachableError(
                f"Nothing came for {STILL_SECONDS:.0f} s, and {places[0].topic} has more: is the broker up?"
            )
        if progress is not None and len(positions.ends) == len(places):
            progress(positions.read, positions.whole)


def _decoded(records: Sequence[Any], meet: Callable[[BrokenBatch], None]) -> Iterator[Any]:
    for record in records:
        if isinstance(record, BrokenBatch):
            meet(record)
        else:
            yield record


class _ReadPositions:
    """Positions of a read, on its way to the present ends of partitions.

    Args:
        starts: First offset of each partition.
    """

    def __init__(self, starts: Mapping[TopicPartition, int]) -> None:
        self._starts = starts
        self._positions = dict(starts)
        self.ends: dict[TopicPartition, int] = {}
        self.unread = set(starts)
        self.moved = time.monotonic()

    def look(self, consumer: AIOKafkaConsumer) -> None:
        """Store the ends that the first fetches reported.

        `end_offsets` is not used: the embedded broker answers it with the base offset of the last batch, plus
        one.
        """
        for place in self.unread - self.ends.keys():
            end = consumer.highwater(place)
            if end is not None:
                self.ends[place] = end

    def arrive(self, place: TopicPartition, position: int) -> None:
        """Store a consumer's position, which also passes offsets that hold no record."""
        if position != self._positions[place]:
            self._positions[place], self.moved = position, time.monotonic()
        if place in self.ends and position >= self.ends[place]:
            self.unread.discard(place)

    @property
    def read(self) -> int:
        """Number of offsets passed."""
        return sum(min(self._positions[place], end) - self._starts[place] for place, end in self.ends.items())

    @property
    def whole(self) -> int:
        """Number of offsets to pass."""
        return sum(end - self._starts[place] for place, end in self.ends.items())


async def follow(
    consumer: AIOKafkaConsumer,
    places: Sequence[TopicPartition],
    *,
    from_beginning: bool,
    started: Callable[[], None],
) -> AsyncGenerator[list[Any], None]:
    """Yield records of partitions as they come, for ever, in the order of each partition.

    Args:
        consumer: Started consumer.
        places: Whole partitions.
        from_beginning: True to begin at the start of each log, False to begin at its present end.
        started: Callback for when the first offset is known for every partition.
    """
    consumer.assign(places)
    ask = consumer.beginning_offsets if from_beginning else consumer.end_offsets
    starts: dict[TopicPartition, int] = await ask(places)
    for place, start in starts.items():
        consumer.seek(place, start)
    begins = dict(starts) if from_beginning else {}
    waiting = True
    while True:
        try:
            fetched = await consumer.getmany(timeout_ms=200)
        except OffsetOutOfRangeError as error:  # retention removed the records before they were read
            await consumer.seek_to_beginning(*error.args[0])
            continue
        for place in starts.keys() - begins.keys():
            # Take the first fetch's high watermark: the embedded broker's `end_offsets` lies before the true
            # end.
            if (end := consumer.highwater(place)) is not None:
                begins[place] = end
        for place, records in fetched.items():
            yield [record for record in _decoded(records, tell_of) if record.offset >= begins[place]]
        if waiting and len(begins) == len(starts):
            waiting = False
            started()


async def read_batches(
    settings: Settings, topic: str, progress: ReadProgress | None = None
) -> AsyncGenerator[tuple[TopicPartition, list[Any]], None]:
    """Yield all records that a topic holds now, as they come, in runs of one partition.

    Raises:
        BrokerUnreachableError: No broker answers.
        NoSuchTopicError: The topic does not exist.
    """
    places = await places_of(settings, [topic])
    async with reader(settings) as consumer, aclosing(read_now(consumer, places, progress)) as batches:
        async for place, records in batches:
            yield place, records


async def read_all(settings: Settings, topic: str) -> AsyncGenerator[Any, None]:
    """Yield all records that a topic holds now, one by one."""
    async with aclosing(read_batches(settings, topic)) as batches:
        async for _, records in batches:
            for record in records:
                yield record


async def open_reader(settings: Settings, topics: Sequence[str]) -> AIOKafkaConsumer:
    """Make a started consumer at the beginning of every partition of the topics. The caller stops it.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    try:
        await consumer.start()
        places = [
            TopicPartition(topic, partition) for topic in topics for partition in range(settings.partitions)
        ]
        consumer.assign(places)
        for place, offset in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, offset)
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise _unreachable(settings, error) from error
    return consumer


async def at_end(consumer: AIOKafkaConsumer) -> bool:
    """Return True if the consumer has read everything that its partitions hold now.

    The embedded broker returns the base offset of the last batch as its end. A consumer past that offset has
    fetched the batch, and with it the true end.
    """
    ends = await consumer.end_offsets(consumer.assignment())
    for place, end in ends.items():
        position = await consumer.position(place)
        if position < max(end, consumer.highwater(place) or 0):
            return False
    await asyncio.sleep(0)
    return True


async def _start(consumer: AIOKafkaConsumer, settings: Settings) -> None:
    try:
        await consumer.start()
    except OSError as error:
        raise _unreachable(settings, error) from error


def _unreachable(settings: Settings, error: Exception) -> BrokerUnreachableError:
    return BrokerUnreachableError(
        f"No Kafka broker answers at {settings.kafka_broker} ({error or type(error).__name__}): start one "
        "(`cartpulse broker` runs a local one) or correct KAFKA_BROKER."
    )
