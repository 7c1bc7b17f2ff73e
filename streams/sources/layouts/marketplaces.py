"""Layouts of marketplaces: the order reports that marketplaces give their sellers."""

from __future__ import annotations

from typing import Final

from streams.sources.layouts.preset import Preset

MARKETPLACES: Final = (
    Preset(
        name="amazon-orders",
        title="Amazon, order report with the buyer's address (order-id, quantity-purchased)",
        source="https://developer-docs.amazon.com/sp-api/docs/order-reports-attributes",
        signs=("order-id", "purchase-date", "buyer-email", "sku", "quantity-purchased", "item-price"),
        columns={
            "customer_id": "buyer-email",
            "occurred_at": "purchase-date",
            "basket_id": "order-id",
            "product_id": "sku",
            "name": "product-name",
            "quantity": "quantity-purchased",
            "total": "item-price",  # of the line, for all its pieces
            "discount": "",
            "currency": "currency",
            "channel": "sales-channel",
        },
        status="order-status",
    ),
    Preset(
        name="ebay-orders",
        title="eBay, orders report of the Seller Hub",
        source="https://www.ebay.com/help/selling/selling-tools/downloading-sales-records",
        signs=(
            "Sales Record Number",
            "Order Number",
            "Buyer Username",
            "Item Number",
            "Sold For",
            "Sale Date",
        ),
        columns={
            "customer_id": "Buyer Username",
            "occurred_at": "Sale Date",
            "basket_id": "Order Number",
            "product_id": ("Custom Label", "Item Number"),
            "name": "Item Title",
            "quantity": "Quantity",
            "unit_price": "Sold For",
        },
        fill=("Buyer Username", "Sale Date"),
        within="Order Number",
        moments="%b-%d-%y",
    ),
    Preset(
        name="etsy-sold-items",
        title="Etsy, sold order items",
        source="https://help.etsy.com/hc/en-us/articles/360000343508",
        signs=("Sale Date", "Item Name", "Buyer", "Quantity", "Price", "Order ID", "Listing ID"),
        columns={
            "customer_id": "Buyer",
            "occurred_at": "Sale Date",
            "basket_id": "Order ID",
            "product_id": ("SKU", "Listing ID"),
            "name": "Item Name",
            "quantity": "Quantity",
            "unit_price": "Price",
            "discount": "Discount Amount",
            "currency": "Currency",
        },
        moments="%m/%d/%y",
    ),
    Preset(
        name="olist",
        title="Olist, Brazilian e-commerce: order items joined with orders and customers",
        source="https://www.kaggle.com/datasets/olistbr/brazilian-ecommerce",
        signs=("order_id", "order_item_id", "customer_unique_id", "order_purchase_timestamp", "price"),
        columns={
            "customer_id": "customer_unique_id",  # `customer_id` is new for every order
            "occurred_at": "order_purchase_timestamp",
            "basket_id": "order_id",
            "product_id": "product_id",
            "category": ("product_category_name_english", "product_category_name"),
            "unit_price": "price",
        },
        constants={"quantity": "1"},  # one row per piece; `order_item_id` counts the pieces of an order
        status="order_status",
    ),
)
