"""From just before a purchase is sent to the receipt of the event that it caused, on one monotonic clock.

The first purchase of a new customer changes their segment from none at once, so each purchase of the pass has
one event to wait for: at a steady rate new customers buy, and a plain reader of `segment-changes` notes when
the event that names the purchase as its cause arrives.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.kafka.options import consumer_options, producer_options
from streams.sources.basket import Basket, Item
from streams.sources.feed import Feed
from streams.sources.sender import send_steadily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.settings.settings import Settings

PER_SECOND: Final = 1_000
SECONDS: Final = 15

_PATIENCE_SECONDS: Final = 10.0
"""Silence after which what has not arrived counts as unanswered."""


class _Caused(msgspec.Struct):
    cause: str


@dataclass(frozen=True, slots=True)
class Latency:
    """What the pass measured, in ms; None where nothing arrived."""

    purchases: int
    unanswered: int
    p50: float | None
    p99: float | None


async def measure(
    settings: Settings, *, start: int, positions: Mapping[Any, int], seconds: float = SECONDS
) -> Latency:
    """Send purchases of new customers for some seconds and time the answers.

    Args:
        settings: Of the service under test.
        start: Event time of the first purchase, ms since 1970 UTC; later than all before it in the log.
        positions: Where to begin reading, by partition of `segment-changes`.
        seconds: How long to send.

    Raises:
        NotAcknowledgedError: A purchase was refused.
    """
    sent: dict[str, float] = {}
    waits: list[float] = []
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=False))
    try:
        await consumer.start()
        consumer.assign(list(positions))
        for place, offset in positions.items():
            consumer.seek(place, offset)
        await producer.start()
        count = round(PER_SECOND * seconds)
        reading = asyncio.create_task(_receive(consumer, sent, waits, count))
        try:
            await send_steadily(
                producer,
                settings,
                purchases(count, start),
                per_second=PER_SECOND,
                sending=lambda record: (
                    sent.__setitem__(record.key.decode(), time.monotonic()) if record.key else None
                ),
            )
            await reading
        finally:
            reading.cancel()
    finally:
        await producer.stop()
        await consumer.stop()
    p50, p99 = (float(value) * 1000 for value in np.percentile(waits, (50, 99))) if waits else (None, None)
    return Latency(count, count - len(waits), p50, p99)


def purchases(count: int, start: int) -> Iterator[Feed]:
    """First purchases of new customers, one ms apart; the event id is the customer id."""
    encode = msgspec.json.Encoder().encode
    line = Item("1095275", "ROLLS", None, 1.0, 0.5, 0.0)
    for number in range(count):
        customer = f"newcomer-{number:06}"
        moment = start + number
        written = f"{np.datetime64(moment, 'ms')}Z"
        value = encode(Basket(customer, customer, written, "330", "store", "USD", "purchase", [line]))
        yield Feed(customer.encode(), value, moment)


async def _receive(consumer: Any, sent: Mapping[str, float], waits: list[float], count: int) -> None:
    """Note the wait of every purchase that is answered, until all are or nothing more comes."""
    decode = msgspec.json.Decoder(_Caused).decode
    answered: set[str] = set()
    last = time.monotonic()
    while len(waits) < count and time.monotonic() - last < _PATIENCE_SECONDS:
        batches = await consumer.getmany(timeout_ms=200)
        now = time.monotonic()
        for records in batches.values():
            for record in records:
                cause = decode(record.value).cause
                if cause in sent and cause not in answered:
                    answered.add(cause)
                    waits.append(now - sent[cause])
                    last = now
