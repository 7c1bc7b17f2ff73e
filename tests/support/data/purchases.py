"""Purchases for tests, as a producer would write them."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from models.records.partitioner import partition_of
from models.settings import LedgerSettings
from streams.kafka.options import producer_options
from streams.sources.ticks import tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.settings.settings import Settings


def purchase(
    number: int,
    customer: str,
    occurred_at: str = "2017-01-01T11:53:26Z",
    categories: Sequence[str] = ("FLUID MILK PRODUCTS",),
) -> bytes:
    """A basket with a line of each category."""
    amounts = {"quantity": 1.0, "unit_price": 0.5, "discount": 0.0}
    lines = [{"product_id": f"{name} 1", "category": name, "name": None, **amounts} for name in categories]
    basket = {
        "event_id": str(number),
        "customer_id": customer,
        "occurred_at": occurred_at,
        "store_id": "330",
        "channel": "store",
        "currency": "USD",
        "kind": "purchase",
        "items": lines,
    }
    return json.dumps(basket).encode()


async def produce(settings: Settings, events: Iterable[tuple[str | None, bytes]]) -> int:
    """Write (customer, value) pairs where they belong, those of no customer everywhere."""
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=False), linger_ms=5)
    await producer.start()
    written, last = 0, None
    try:
        for customer, value in events:
            key = None if customer is None else customer.encode()
            homes = (
                range(settings.partitions)
                if key is None
                else [partition_of(key, settings.partitions, settings.partitioner)]
            )
            for home in homes:
                last = await producer.send(settings.purchases_topic, value, key=key, partition=home)
                written += 1
        if last is not None:
            await last
        await producer.flush()
    finally:
        await producer.stop()
    return written


def shop(days: int, customers: int, *, seed: int) -> Iterator[tuple[str | None, bytes]]:
    """Weeks of a shop in order of time, as (customer, basket); a tick, for all partitions, has no customer.

    Customers come about every fourth day and buy from a handful of categories, so that habits form, alerts
    are raised and come true or not.
    """
    chance, number = random.Random(seed), 0
    settings, first = LedgerSettings(), date(2017, 1, 1)
    yield None, tick(first - timedelta(days=1), settings).value
    for day in (first + timedelta(days=count) for count in range(days)):
        visits = sorted(
            (chance.randrange(8 * 3_600, 20 * 3_600), chance.randrange(customers))
            for _ in range(customers // 4)
        )
        for second, customer in visits:
            number += 1
            at = datetime.combine(day, time(), UTC) + timedelta(seconds=second)
            lines = [f"CATEGORY {(customer + step) % 12}" for step in range(5) if chance.random() < 0.6]
            name = f"customer-{customer}"
            yield name, purchase(number, name, at.isoformat().replace("+00:00", "Z"), lines or ["CATEGORY 1"])
        yield None, tick(day, settings).value
