"""Basket in the form of the input contract, as every source writes it."""

from __future__ import annotations

import msgspec


class BasketItem(msgspec.Struct):
    """Line of a basket."""

    product_id: str
    category: str
    name: str | None
    quantity: float
    unit_price: float
    discount: float


class Basket(msgspec.Struct):
    """Purchase event of the input contract."""

    event_id: str
    customer_id: str
    occurred_at: str
    store_id: str | None
    channel: str | None
    currency: str
    kind: str
    items: list[BasketItem]
