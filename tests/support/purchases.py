"""Purchases for tests, as a producer would write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from streams.clients import producer_options
from streams.strangers import partition_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.settings import Settings


def purchase(number: int, customer: str, occurred_at: str = "2017-01-01T11:53:26Z") -> bytes:
    """A basket of one line."""
    line = {"product_id": "1095275", "category": "FLUID MILK PRODUCTS", "name": None}
    amounts = {"quantity": 1.0, "unit_price": 0.5, "discount": 0.0}
    basket = {
        "event_id": str(number),
        "customer_id": customer,
        "occurred_at": occurred_at,
        "store_id": "330",
        "channel": "store",
        "currency": "USD",
        "kind": "purchase",
        "items": [line | amounts],
    }
    return json.dumps(basket).encode()


async def produce(settings: Settings, events: Iterable[tuple[str, bytes]]) -> int:
    """Write (customer, value) pairs where they belong; the answer is how many."""
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=False), linger_ms=5)
    await producer.start()
    written, last = 0, None
    try:
        for customer, value in events:
            key = customer.encode()
            home = partition_for(key, settings.partitions, settings.partitioner)
            last = await producer.send(settings.purchases_topic, value, key=key, partition=home)
            written += 1
        if last is not None:
            await last
        await producer.flush()
    finally:
        await producer.stop()
    return written
