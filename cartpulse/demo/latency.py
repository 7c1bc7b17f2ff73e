"""Latency from just before a purchase is sent to the receipt of its event, on one monotonic clock.

The first purchase of a new customer changes the customer's segment from none at once. Each purchase of the
pass therefore causes one event. New customers buy at a steady rate, and a plain reader of `segment-changes`
records when the event arrives that names the purchase as its cause.
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
from streams.sources.basket import Basket, BasketItem
from streams.sources.feed import Feed
from streams.sources.sender import send_steadily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.settings.settings import Settings

PER_SECOND: Final = 1_000
SECONDS: Final = 15

_PATIENCE_SECONDS: Final = 10.0
"""Seconds of silence after which purchases without an event count as unanswered."""


class _Caused(msgspec.Struct):
    cause: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Result of the pass, in ms; None where nothing arrived."""

    purchases: int
    unanswered: int
    p50: float | None
    p99: float | None


async def measure(
    settings: Settings, *, start: int, positions: Mapping[Any, int], seconds: float = SECONDS
) -> Latency:
    """Send purchases of new customers for some seconds and time their events.

    Args:
        settings: Settings of the service under test.
        start: Event time of the first purchase, ms since 1970 UTC; later than all before it in the log.
        positions: Partition of `segment-changes` -> offset at which to begin reading.
        seconds: Length of the sending in seconds.

    Raises:
        NotAcknowledgedError: The broker refused a purchase.
    """
    sent: dict[str, float] = {}
    waits: list[float] = []
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=False))
    try:
        # Stage 1: the reader stands at its positions before the first purchase is sent.
        await consumer.start()
        consumer.assign(list(positions))
        for place, offset in positions.items():
            consumer.seek(place, offset)
        await producer.start()
        # Stage 2: send at a steady rate and read meanwhile. The time of sending is stored by customer id,
        # which is the event id too.
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
    # Stage 3: the percentiles of the waits.
    p50, p99 = (float(value) * 1000 for value in np.percentile(waits, (50, 99))) if waits else (None, None)
    return Latency(count, count - len(waits), p50, p99)


def purchases(count: int, start: int) -> Iterator[Feed]:
    """Make first purchases of new customers, one ms apart. The event id is the customer id."""
    encode = msgspec.json.Encoder().encode
    line = BasketItem("1095275", "ROLLS", None, 1.0, 0.5, 0.0)
    for number in range(count):
        customer = f"newcomer-{number:06}"
        moment = start + number
        written = f"{np.datetime64(moment, 'ms')}Z"
        value = encode(Basket(customer, customer, written, "330", "store", "USD", "purchase", [line]))
        yield Feed(customer.encode(), value, moment)


async def _receive(consumer: Any, sent: Mapping[str, float], waits: list[float], count: int) -> None:
    """Record the wait of every purchase whose event arrives, until all have arrived or nothing more comes."""
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
