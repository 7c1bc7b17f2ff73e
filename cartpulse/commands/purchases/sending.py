"""Sending of a source to `purchases` from its position, so that an interruption neither skips nor repeats.

Records go in portions. Each portion is acknowledged whole before the position moves past it. An interruption
leaves at most one portion of which it is unclear what arrived. The next run reads what the topic holds behind
the stored ends, and leaves out the purchases that are there. Ticks may be repeated: a second tick changes
nothing.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from cartpulse.commands.purchases.workers import workers_said
from cartpulse.console.exit import run
from streams.kafka.log.reading import at_end
from streams.kafka.log.salvage import CarefulReader
from streams.kafka.options import consumer_options, idempotence, producer_options, unreachable
from streams.kafka.topics import require_purchases
from streams.operations.acceptance import UNKNOWN, Watch
from streams.sources.position import PositionError
from streams.sources.sender import RecordSender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

    from streams.operations.acceptance import Acceptance
    from streams.settings.settings import Settings
    from streams.sources.feed import Feed
    from streams.sources.position import Position
    from streams.sources.sender import SendProgress

PORTION: Final = 10_000
"""Records between two writes of the position: a fraction of a second, and the records read again after a
crash."""


class Sender:
    """Sender of one source to one topic.

    Args:
        settings: Service settings: broker, topic and partitions.
        position: Position of the source, stored while the sending goes on.
        report: Called with the records sent so far, those before the position included.
        portion: Records between two writes of the position.
        stamped: Give records their event time as timestamp, as invented purchases of the future need.
    """

    def __init__(
        self,
        settings: Settings,
        position: Position,
        *,
        report: Callable[[int], None] = lambda _: None,
        portion: int = PORTION,
        stamped: bool = False,
    ) -> None:
        self._settings, self._position = settings, position
        self._report, self._portion, self._stamped = report, portion, stamped
        self._places = [
            TopicPartition(settings.purchases_topic, number) for number in range(settings.partitions)
        ]
        self.found = 0
        """Purchases that had arrived before an interruption, and were not sent again."""
        self.acceptance: Acceptance | None = None
        """Progress of workers through the records of this run; None where it is unknown."""

    async def send(self, records: Iterable[Feed]) -> SendProgress:
        """Send the records behind the stored position.

        Returns:
            Counts of the records sent by this run.

        Raises:
            BrokerUnreachableError: No broker answers.
            NotAcknowledgedError: A send failed; the position says how far the sending came.
            PositionError: The topic is not the one to which the position belongs.
        """
        settings = self._settings
        await require_purchases(settings)
        producer = AIOKafkaProducer(**producer_options(settings, idempotent=await idempotence(settings)))
        consumer: Any = CarefulReader.of(AIOKafkaConsumer(**consumer_options(settings)), settings)
        try:
            await producer.start()
            await consumer.start()
            consumer.assign(self._places)
            replay = RecordSender(producer, settings, stamped=self._stamped)
            return await self._watched(iter(records), replay, consumer)
        except (KafkaError, OSError) as error:
            raise unreachable(settings, error) from error
        finally:
            await consumer.stop()
            await producer.stop()

    async def _watched(
        self, records: Iterator[Feed], replay: RecordSender, consumer: AIOKafkaConsumer
    ) -> SendProgress:
        watch = await _begun(Watch(self._settings))
        progress = await self._send(records, replay, consumer)
        if watch is not None and replay.acknowledged.total:
            with contextlib.suppress(*UNKNOWN):
                self.acceptance = await watch.look(replay.acknowledged)
        return progress

    async def _send(
        self, records: Iterator[Feed], replay: RecordSender, consumer: AIOKafkaConsumer
    ) -> SendProgress:
        standing = self._position.standing
        sent = sum(1 for _ in islice(records, standing.sent))
        if not standing.ends:
            # The ends are stored before the first record goes: records of the first portion that arrive lie
            # behind them.
            self._position.advance(sent, await self._ends(consumer))
        arrived = await self._arrived(consumer) if standing.ends else set()
        progress = await replay.send([])
        while portion := list(islice(records, self._portion)):
            progress = await replay.send(self._missing(portion, arrived))
            sent += len(portion)
            self._position.advance(sent, await self._ends(consumer))
            self._report(sent)
        self._position.advance(sent, self._position.standing.ends, finished=True)
        return progress

    def _missing(self, portion: list[Feed], arrived: set[bytes]) -> Iterator[Feed]:
        for record in portion:
            if arrived and record.key is not None and _digest(record.value) in arrived:
                arrived.discard(_digest(record.value))
                self.found += 1
            else:
                yield record

    async def _ends(self, consumer: AIOKafkaConsumer) -> list[int]:
        """Return the ends of the partitions, or earlier: the embedded broker names its last batch's begin."""
        ends = await consumer.end_offsets(self._places)
        return [int(ends[place]) for place in self._places]

    async def _arrived(self, consumer: AIOKafkaConsumer) -> set[bytes]:
        """Return digests of the purchases that lie behind the stored ends.

        Raises:
            PositionError: A partition ends before its stored end.
        """
        begins = await consumer.beginning_offsets(self._places)
        ends = await consumer.end_offsets(self._places)
        for place, noted in zip(self._places, self._position.standing.ends, strict=True):
            if ends[place] < noted:
                raise PositionError(
                    f"{place.topic} holds less than when the position was kept: it was made anew, or this is "
                    "another broker. --restart sends from the beginning."
                )
            # One before: where only the begin of the last batch is known, that batch is read whole.
            consumer.seek(place, max(noted - 1, begins[place]))
        found: set[bytes] = set()
        while not await at_end(consumer):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.update(_digest(record.value) for record in records if record.value is not None)
        return found


async def _begun(watch: Watch) -> Watch | None:
    """Begin a watch; None where the broker refuses it. The sending goes on without a watch."""
    try:
        await watch.begin()
    except UNKNOWN:
        return None
    return watch


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=16).digest()


def send_with_bar(
    console: Console,
    settings: Settings,
    position: Position,
    records: Iterator[Feed],
    *,
    total: int,
    passed: Callable[[], int],
    stamped: bool = False,
) -> dict[str, Any]:
    """Send with a progress bar.

    Args:
        console: Console to draw on.
        settings: Service settings.
        position: Position of the source.
        records: Records of the source, from its beginning.
        total: Length of the bar.
        passed: Returns how much of `total` is done.
        stamped: Give records their event time as timestamp.

    Returns:
        Counts of what was sent, as JSON-able values.
    """
    columns = (TextColumn("Sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    before = position.standing.sent
    with Bar(*columns, console=console) as shown:
        bar = shown.add_task("", total=total)
        sender = Sender(
            settings, position, report=lambda _: shown.update(bar, completed=passed()), stamped=stamped
        )
        done = run(sender.send(records))
    return {
        "sent": done.purchases,
        "ticks": done.ticks,
        "found": sender.found,
        "sent_before": before,
        "workers": None if sender.acceptance is None else asdict(sender.acceptance),
    }


def said(result: dict[str, Any], settings: Settings) -> str:
    """Describe in a sentence what was sent."""
    sentence = (
        f"Sent {result['sent']:,} purchases and {result['ticks']:,} ticks to {settings.purchases_topic}"
    )
    if result["sent_before"] or result["found"]:
        sentence += (
            f", going on behind {result['sent_before']:,} records; {result['found']:,} purchases more "
            "had arrived"
        )
    return " ".join((f"{sentence}.", *workers_said(result["workers"])))
