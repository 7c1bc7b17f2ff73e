"""Orders with their lines in a list give a row per line; which list and column is meant is told or asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from models.settings import LedgerSettings
from streams.sources.columns import ColumnsError
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions, FileSurvey
from streams.sources.forms.tables import FileError
from tests.support.data.purchases import purchase

if TYPE_CHECKING:
    from pathlib import Path

ORDER: dict[str, Any] = {
    "id": "o1",
    "placed": "2024-02-01T10:00:00Z",
    "total": 31.4,
    "name": "order of Ada",
    "customer": {"id": 7, "name": "Ada"},
    "lineItems": [
        {"sku": "OAT", "title": "Oat", "count": 2, "price": {"amount": 2.2}},
        {"sku": "ESP", "count": 1, "price": {"amount": 27}},
    ],
}
MAP = {"occurred_at": "placed"}
PLAIN = {"order_id": "o1", "customer_id": "7", "date": "2024-02-01 10:00", "total": 99}


def read(
    tmp_path: Path, content: object, columns: dict[str, str] | None = None
) -> tuple[FileSurvey, list[tuple[Any, ...]], dict[str, int]]:
    """How orders are read, their lines, and how many rows are refused by sort."""
    path = tmp_path / "orders.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    told = FileOptions(columns=columns or {})
    with PurchaseFile(path, LedgerSettings(), told, ZoneInfo("UTC")) as file:
        survey = file.examine()
        file.prepare()
        events = [json.loads(feed.value) for feed in file]
    lines = [
        (event["customer_id"], item["product_id"], item["quantity"], item["unit_price"])
        for event in events
        for item in event["items"]
    ]
    return survey, lines, dict(file.refusals.counts)


def test_each_line_of_an_order_is_a_row_with_the_orders_fields(tmp_path: Path) -> None:
    survey, lines, _ = read(tmp_path, [ORDER], MAP | {"unit_price": "lineItems[].price.amount"})
    assert lines == [("7", "OAT", 2.0, 2.2), ("7", "ESP", 1.0, 27.0)]
    assert "lineItems[]" in survey.notes[0]
    named = {field: survey.table.columns[place] for field, place in survey.columns.items()}
    assert named == {
        "customer_id": "customer.id",
        "occurred_at": "placed",
        "basket_id": "id",
        "product_id": "lineItems[].sku",
        "name": "lineItems[].title",
        "quantity": "lineItems[].count",
        "unit_price": "lineItems[].price.amount",
        "order_total": "total",
    }


def test_a_person_names_the_list_and_the_columns_by_their_paths(tmp_path: Path) -> None:
    order = ORDER | {"bundles": ORDER["lineItems"]}
    with pytest.raises(ColumnsError, match=r"--map items=lineItems\[\]"):
        read(tmp_path, [order], MAP)
    columns = MAP | {
        "items": "bundles[]",
        "customer_id": "customer.name",
        "unit_price": "bundles[].price.amount",
    }
    survey, lines, _ = read(tmp_path, [order], columns)
    assert [line[0] for line in lines] == ["Ada", "Ada"]
    columns = MAP | {"product_id": "bundles[].sku", "unit_price": "bundles[].price.amount"}
    assert len(read(tmp_path, [order], columns)[1]) == 2
    with pytest.raises(ColumnsError, match=r"no list 'parcels\[\]'.*lineItems\[\], bundles\[\]"):
        read(tmp_path, [order], MAP | {"items": "parcels[]"})
    with pytest.raises(ColumnsError, match=r"no column 'customer\.key'"):
        read(tmp_path, [ORDER], MAP | {"customer_id": "customer.key"})
    assert survey.columns


def test_amounts_of_the_order_are_not_taken_for_the_lines(tmp_path: Path) -> None:
    order = PLAIN | {"items": [{"sku": "A", "quantity": 1}]}
    with pytest.raises(ColumnsError, match="unit_price"):
        read(tmp_path, [order])


def test_lists_within_a_list_are_spread(tmp_path: Path) -> None:
    customer = {
        "customer_id": 7,
        "orders": [
            {"order_id": 1, "date": "2024-02-01 10:00", "items": [{"sku": "A", "qty": 1, "price": 2}]},
            {
                "order_id": 2,
                "date": "2024-02-02 10:00",
                "items": [{"sku": "B", "qty": 3, "price": 1}, {"sku": "C", "qty": 1, "price": 1}],
            },
        ],
    }
    columns = {"basket_id": "orders[].order_id", "occurred_at": "orders[].date"}
    _, lines, _ = read(tmp_path, [customer], columns)
    assert lines == [("7", "A", 1.0, 2.0), ("7", "B", 3.0, 1.0), ("7", "C", 1.0, 1.0)]


def test_an_order_without_lines_is_refused_and_one_that_is_no_list_is_a_line(tmp_path: Path) -> None:
    item = {"sku": "A", "quantity": 1, "price": 2}
    orders = [
        PLAIN | {"items": [item]},
        PLAIN | {"items": []},
        PLAIN,
        PLAIN | {"items": item, "order_id": "o2"},
    ]
    _, lines, refused = read(tmp_path, orders)
    assert len(lines) == 2
    assert refused == {"no lines": 2}


def test_objects_within_rows_are_columns(tmp_path: Path) -> None:
    row = {
        "order": {"id": 1, "date": "2024-02-01 10:00"},
        "customer": {"id": 7},
        "sku": "A",
        "quantity": 1,
        "price": 2,
        "tags": [{"name": "x", "price": 1}],
    }
    _, lines, _ = read(tmp_path, [row])
    assert lines == [("7", "A", 1.0, 2.0)]


def test_a_list_of_lines_is_not_looked_for_in_other_files(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError, match="holds no lists"):
        read(
            tmp_path,
            b"order_id,customer_id,date,sku,quantity,price\n1,A,2024-02-01,S,1,2\n",
            {"items": "x[]"},
        )


def test_events_of_the_contract_are_sent_as_they_are_in_an_array_too(tmp_path: Path) -> None:
    events = (
        b"[\n"
        + purchase(1, "a", "2017-01-01T11:00:00Z")
        + b",\n"
        + purchase(2, "b", "2017-01-02T11:00:00Z")
        + b"]"
    )
    survey, lines, _ = read(tmp_path, events)
    assert survey.form == "events"
    assert [line[0] for line in lines] == ["a", "b"]
    with pytest.raises(FileError, match="sent as they are"):
        read(tmp_path, events, {"items": "items[]"})


def test_ids_of_neighbours_stay_two_customers_and_a_price_in_bytes_is_refused(tmp_path: Path) -> None:
    row = {"order_id": 1, "date": "2024-02-01 10:00", "sku": "S1", "quantity": 1, "price": "2.20"}
    rows = [
        row | {"customer_id": 9007199254740993},
        row | {"customer_id": 9007199254740992},
        row | {"customer_id": 9007199254740992, "price": "ANw="},
    ]
    _, lines, refused = read(tmp_path, "\n".join(map(json.dumps, rows)).encode())
    assert {line[0] for line in lines} == {"9007199254740993", "9007199254740992"}
    assert refused == {"unit_price cannot be read": 1}
