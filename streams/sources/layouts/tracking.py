"""Layouts of tracking: events of web sites and apps, some of which are purchases."""

from __future__ import annotations

from typing import Final

from streams.sources.layouts.preset import Preset

TRACKING: Final = (
    Preset(
        name="segment",
        title="Segment and RudderStack, track calls of the event Order Completed",
        source="https://segment.com/docs/connections/spec/ecommerce/v2/#order-completed",
        signs=("event", "userId", "timestamp", "properties.order_id", "properties.products[].quantity"),
        columns={
            "customer_id": "userId",
            "occurred_at": ("originalTimestamp", "timestamp"),
            "basket_id": "properties.order_id",
            "product_id": (
                *("properties.products[].product_id", "properties.products[].sku"),
                "properties.products[].name",
            ),
            "name": "properties.products[].name",
            "category": "properties.products[].category",
            "quantity": "properties.products[].quantity",
            "unit_price": "properties.products[].price",
            "currency": "properties.currency",
        },
        items="properties.products[]",
        purchases={"event": ("order completed",)},
    ),
    Preset(
        name="ga4-bigquery",
        title="Google Analytics 4, events exported to BigQuery",
        source="https://support.google.com/analytics/answer/7029846",
        signs=("event_timestamp", "event_name", "user_pseudo_id", "items[].item_id", "items[].quantity"),
        columns={
            "customer_id": ("user_id", "user_pseudo_id"),
            "occurred_at": "event_timestamp",
            "basket_id": "ecommerce.transaction_id",
            "product_id": ("items[].item_id", "items[].item_name"),
            "name": "items[].item_name",
            "category": "items[].item_category",
            "quantity": "items[].quantity",
            "unit_price": "items[].price",
            "channel": "platform",
        },
        items="items[]",
        purchases={"event_name": ("purchase",)},
        moments="us",
    ),
    Preset(
        name="ga4-measurement",
        title="Google Analytics 4, hits of the measurement protocol",
        source="https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference/events#purchase",
        signs=("client_id", "timestamp_micros", "events[].name", "events[].params.items[].item_id"),
        columns={
            "customer_id": ("user_id", "client_id"),
            "occurred_at": "timestamp_micros",
            "basket_id": "events[].params.transaction_id",
            "product_id": ("events[].params.items[].item_id", "events[].params.items[].item_name"),
            "name": "events[].params.items[].item_name",
            "category": "events[].params.items[].item_category",
            "quantity": "events[].params.items[].quantity",
            "unit_price": "events[].params.items[].price",
            "discount": "",  # of one piece, and taken off the price already
            "currency": "events[].params.currency",
        },
        items="events[].params.items[]",
        purchases={"events[].name": ("purchase",)},
        moments="us",
    ),
)
