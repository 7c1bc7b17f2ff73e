"""A file of products: what is known of each, what is refused and why, and the records that say it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.contracts.purchases import LARGEST_EVENT, CatalogueUpdate, Listing, read
from streams.sources.columns import ColumnsError
from streams.sources.files.catalogue_file import RECORD_BYTES, Listed, read_catalogue, updates
from streams.sources.files.survey import FileOptions
from streams.sources.forms.tables import FileError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2017, 3, 1, 6, tzinfo=UTC)


def listed(tmp_path: Path, text: str, told: FileOptions | None = None) -> Listed:
    path = tmp_path / "products.csv"
    path.write_text(text, encoding="utf-8")
    return read_catalogue(path, told or FileOptions())


def test_columns_are_found_by_what_shops_call_them(tmp_path: Path) -> None:
    found = listed(
        tmp_path, "SKU;Description;Department;In stock\n17;Käse, mild;Dairy;yes\n18;Rye;Bread;no\n"
    )
    assert found.columns == {
        "product_id": "SKU",
        "name": "Description",
        "category": "Department",
        "status": "In stock",
    }
    assert list(found.listings.values()) == [
        Listing(product_id="17", category="Dairy", name="Käse, mild", status="available"),
        Listing(product_id="18", category="Bread", name="Rye", status="out-of-stock"),
    ]
    assert found.refused == []
    assert found.statuses == {"available": 1, "out-of-stock": 1}


def test_a_correction_goes_before_a_guess(tmp_path: Path) -> None:
    told = FileOptions(columns={"product_id": "gtin", "status": ""})
    found = listed(tmp_path, "product_id,gtin,status\n1,400,withdrawn\n", told)
    assert [(one.product_id, one.status) for one in found.listings.values()] == [("400", "available")]


@pytest.mark.parametrize(
    ("written", "status"),
    [
        *(
            (word, "available")
            for word in ("", "Available", "in stock", "in-stock", "YES", "12", "0.5", "1,000")
        ),
        *(
            (word, "out-of-stock")
            for word in ("Out of stock", "out_of_stock", "sold out", "No", "0", "0.00", "-3")
        ),
        *((word, "withdrawn") for word in ("withdrawn", "Discontinued", "archived")),
    ],
)
def test_a_status_is_a_word_or_how_many_there_are(tmp_path: Path, written: str, status: str) -> None:
    found = listed(tmp_path, f'sku,status\n1,"{written}"\n')
    assert [one.status for one in found.listings.values()] == [status]


def test_a_row_that_cannot_be_taken_is_explained_and_costs_no_other(tmp_path: Path) -> None:
    rows = [
        "1,Milk,Whole,yes",
        ",Milk,No number,yes",
        "3,Milk,x,perhaps",
        f"4,Milk,{'n' * 1025},yes",
        "5,Milk",
    ]
    found = listed(
        tmp_path, "\n".join(["sku,category,name,stock", *rows, '6,"Milk,open,yes', "7,Tea,Green,0"])
    )
    assert list(found.listings) == ["1", "7"]
    assert [(row.number, row.reason) for row in found.refused] == [
        (3, "product_id must not be empty."),
        (
            4,
            "status: 'perhaps' is neither available, out of stock nor withdrawn, nor how many there are.",
        ),
        (5, "name must have at most 1,024 bytes of UTF-8."),
        (6, "Has 2 columns, not 4."),
        (7, "A quotation mark opens a text that is not closed."),
    ]
    assert found.refused[1].text == rows[2]


def test_products_have_the_ids_that_purchases_of_the_same_spreadsheet_have(tmp_path: Path) -> None:
    found = listed(tmp_path, "sku,name\n13085.0,Oat\n4.00126E+12,Rye\n#REF!,Tea\n")
    assert list(found.listings) == ["13085"]
    assert [row.reason.partition(" is ")[0] for row in found.refused] == [
        "product_id: '4.00126E+12'",
        "product_id: '#REF!'",
    ]


def test_the_last_row_of_a_product_counts(tmp_path: Path) -> None:
    found = listed(tmp_path, "sku,status\n1,yes\n2,yes\n1,withdrawn\n")
    assert {one.product_id: one.status for one in found.listings.values()} == {
        "1": "withdrawn",
        "2": "available",
    }
    assert found.repeated == 1


def test_json_lines_and_parquet_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"product_id": 7, "category": "Tea", "name": None, "in_stock": True},
        {"product_id": 8, "category": "Tea", "name": "Green", "in_stock": False},
    ]
    lines, parquet = tmp_path / "p.jsonl", tmp_path / "p.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    one, other = read_catalogue(lines, FileOptions()), read_catalogue(parquet, FileOptions())
    assert one.listings == other.listings
    assert [(at.product_id, at.name, at.status) for at in one.listings.values()] == [
        ("7", None, "available"),
        ("8", "Green", "out-of-stock"),
    ]
    assert (one.form, other.form) == ("JSON lines", "Parquet")


def test_bytes_in_parquet_that_are_no_letters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    columns = {"product_id": [b"caf\xe9", b"8"], "name": [b"Tea", b"Green"], "blob": [b"\xff", b"\xfe"]}
    pq.write_table(pa.table(columns), path)
    found = read_catalogue(path, FileOptions())
    assert list(found.listings) == ["8"]
    assert [(row.number, row.sort) for row in found.refused] == [(1, "encoding")]


def test_without_a_product_nothing_is_known_and_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError, match=r"recognised as product_id.*--map product_id=COLUMN"):
        listed(tmp_path, "colour,size\nred,XL\n")
    with pytest.raises(FileError, match="is empty"):
        listed(tmp_path, "")


def test_records_are_of_the_contract_small_and_hold_each_product_once() -> None:
    many = [
        Listing(product_id=f"{number}", category="Käse \x01", name="ü\n" * 300, status="withdrawn")
        for number in range(3_000)
    ]
    feeds = list(updates(many, NOW))
    records = [read(feed.value) for feed in feeds]
    assert len(feeds) > 5
    assert max(len(feed.value) for feed in feeds) < RECORD_BYTES + 20_000 < LARGEST_EVENT
    assert all(isinstance(record, CatalogueUpdate) for record in records)
    said = [
        listing for record in records if isinstance(record, CatalogueUpdate) for listing in record.products
    ]
    assert said == many
    assert len({record.event_id for record in records}) == len(records)
    assert {feed.key for feed in feeds} == {None}
    assert {record.occurred_at for record in records} == {"2017-03-01T06:00:00Z"}


def test_many_small_products_stay_within_the_lines_of_a_record() -> None:
    many = [Listing(product_id=f"{number}", category="A") for number in range(30_000)]
    records = [read(feed.value) for feed in updates(many, NOW)]
    assert sum(len(record.products) for record in records if isinstance(record, CatalogueUpdate)) == 30_000


def test_nothing_to_say_makes_no_record() -> None:
    assert list(updates([], NOW)) == []
