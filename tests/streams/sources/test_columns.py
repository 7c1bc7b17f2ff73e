"""Columns are known by their names, whoever made the file; a person has the last word."""

from __future__ import annotations

import pytest

from streams.sources.columns import ColumnsError, choose


def named(columns: list[str], corrections: dict[str, str] | None = None) -> dict[str, str]:
    return {field: columns[place] for field, place in choose(columns, corrections or {}).items()}


ONLINE_RETAIL = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
]
COMPLETE_JOURNEY = [
    *("household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value", "retail_disc"),
    *("week", "transaction_timestamp"),
]
SHOP = [
    "Order ID",
    "Created at",
    "Email",
    "Lineitem sku",
    "Product Name",
    "Category",
    "Qty",
    "Price",
    "Currency",
]


def test_online_retail_is_understood() -> None:
    assert named(ONLINE_RETAIL) == {
        "customer_id": "CustomerID",
        "occurred_at": "InvoiceDate",
        "basket_id": "InvoiceNo",
        "product_id": "StockCode",
        "name": "Description",
        "quantity": "Quantity",
        "unit_price": "UnitPrice",
    }


def test_the_complete_journey_is_understood() -> None:
    assert named(COMPLETE_JOURNEY) == {
        "customer_id": "household_id",
        "occurred_at": "transaction_timestamp",
        "basket_id": "basket_id",
        "product_id": "product_id",
        "quantity": "quantity",
        "total": "sales_value",
        "discount": "retail_disc",
        "store_id": "store_id",
    }


def test_a_german_shop_is_understood() -> None:
    columns = ["Bestellnummer", "Kundennr.", "Bestelldatum", "Artikelnr.", "Menge", "Einzelpreis", "Rabatt"]
    assert named([*columns, "Gesamtbetrag"]) == {
        "customer_id": "Kundennr.",
        "occurred_at": "Bestelldatum",
        "basket_id": "Bestellnummer",
        "product_id": "Artikelnr.",
        "quantity": "Menge",
        "unit_price": "Einzelpreis",
        "total": "Gesamtbetrag",
        "discount": "Rabatt",
    }


def test_a_product_without_a_number_is_known_by_its_name_until_it_is_corrected() -> None:
    assert named(SHOP)["product_id"] == "Product Name"
    assert named(SHOP, {"product_id": "lineitem SKU"})["product_id"] == "Lineitem sku"


def test_a_field_is_left_out_where_a_person_says_so() -> None:
    assert "category" not in named(SHOP, {"category": ""})


def test_what_is_missing_is_named_with_the_option_that_settles_it() -> None:
    with pytest.raises(ColumnsError, match=r"occurred_at, quantity.*--map occurred_at=COLUMN"):
        choose(["customer", "product", "price"], {})
    with pytest.raises(ColumnsError, match=r"unit_price \(or total\)"):
        choose(["customer", "product", "date", "quantity"], {})
