"""A field may have one value in all rows; a value that cannot be is refused with its reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import pytest

from models.settings import LedgerSettings
from streams.sources.columns import ColumnsError
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions
from streams.sources.forms.tables import FileError
from tests.support.data.purchases import purchase

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

HEAD = "order,sku,price\n"


def baskets(path: Path, constants: dict[str, str], columns: dict[str, str] | None = None) -> list[Any]:
    told = FileOptions(columns=columns or {}, constants=constants)
    with PurchaseFile(path, LedgerSettings(currency="EUR"), told, ZoneInfo("UTC")) as file:
        file.examine()
        assert file.survey.undecided == ()
        file.prepare()
        return [msgspec.json.decode(feed.value) for feed in file]


CONSTANTS = {
    "customer_id": "till 4",
    "occurred_at": "2024-02-01 10:00",
    "quantity": "1",
    "currency": "eur",
    "channel": "web",
    "store_id": "7",
}


@pytest.mark.parametrize("content", [HEAD + "1,S1,2\n", HEAD.replace(",", ";") + "1;S1;2,00\n"])
def test_any_field_may_have_one_value_in_every_row(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(content)
    (basket,) = baskets(path, CONSTANTS)
    assert (basket["customer_id"], basket["occurred_at"]) == ("till 4", "2024-02-01T10:00:00Z")
    assert (basket["channel"], basket["store_id"], basket["currency"]) == ("web", "7", "EUR")
    assert [(item["quantity"], item["unit_price"]) for item in basket["items"]] == [(1.0, 2.0)]


def test_rows_of_json_get_the_value_too(tmp_path: Path) -> None:
    path = tmp_path / "sales.jsonl"
    path.write_text(json.dumps({"order": 1, "sku": "S1", "price": 2}) + "\n{broken\n")
    assert len(baskets(path, CONSTANTS)) == 1


def test_a_value_that_runs_over_lines_is_still_joined(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text('order,sku,name,price\n1,S1,"two\nlines",2\n2,S2,"broken,3\n3,S3,fine,4\n')
    found = baskets(path, CONSTANTS)
    assert [item["name"] for basket in found for item in basket["items"]] == ["two\nlines", "fine"]


@pytest.mark.parametrize(
    ("constants", "columns", "said"),
    [
        ({"currency": "USD"}, {}, r"one currency of this service is EUR"),
        ({"quantity": "many"}, {}, "'many' is no number"),
        ({"quantity": "0"}, {}, "a quantity is not 0"),
        ({"who": "A"}, {}, "no field 'who'"),
        ({"channel": ""}, {}, "names no value"),
        ({"occurred_at": "last week"}, {}, "last week"),
        ({"quantity": "1"}, {"quantity": "price"}, "exclude each other"),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    tmp_path: Path, constants: dict[str, str], columns: dict[str, str], said: str
) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(HEAD + "1,S1,2\n")
    with pytest.raises(ColumnsError, match=said):
        baskets(path, CONSTANTS | constants, columns)


def test_events_of_the_contract_take_none(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(purchase(1, "a", "2017-01-01T11:00:00Z"))
    with pytest.raises(FileError, match="sent as they are"):
        baskets(path, {"quantity": "1"})
