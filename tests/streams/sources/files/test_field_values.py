"""Files from the field are read to the exact moment, amount and customer."""

from __future__ import annotations

import json
from datetime import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.settings import LedgerSettings
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions
from streams.sources.values.counted import SerialDates
from streams.sources.values.identifiers import DamagedIds
from tests.support.paths import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

FIELD = SAMPLES / "field"


class Sent:
    """What is sent of a file, and what is refused."""

    def __init__(
        self, path: Path, told: FileOptions | None = None, *, currency: str = "USD", zone: str = "UTC"
    ) -> None:
        self.refused: dict[int, str] = {}
        settings = LedgerSettings(currency=currency)
        with PurchaseFile(path, settings, told or FileOptions(), ZoneInfo(zone), keep=self._keep) as file:
            self.survey = file.examine()
            file.prepare()
            self.baskets: list[dict[str, Any]] = [json.loads(feed.value) for feed in file]

    def _keep(self, row: Any) -> None:
        self.refused[row.number] = row.reason

    @property
    def prices(self) -> list[float]:
        """Price of every line."""
        return [item["unit_price"] for basket in self.baskets for item in basket["items"]]

    @property
    def moments(self) -> list[str]:
        """Event time of every basket."""
        return [basket["occurred_at"] for basket in self.baskets]

    @property
    def customers(self) -> list[str]:
        """Customer of every basket."""
        return [basket["customer_id"] for basket in self.baskets]


@pytest.mark.parametrize(
    ("currency", "prices"),
    [
        ("BRL", [1234.5, 2.5]),
        ("CAD", [2.5, 2.5]),
        ("INR", [123456.0, 250.5, 250.5]),
        ("PLN", [12.5, 1234.5]),
    ],
)
def test_amounts_with_the_sign_of_the_service_are_read(currency: str, prices: list[float]) -> None:
    path = FIELD / f"amounts_{currency.lower()}.csv"
    found = Sent(path, currency=currency)
    assert (found.prices, found.refused, found.survey.undecided) == (prices, {}, ())
    (remark,) = found.survey.remarks
    assert remark.startswith("Amounts are written with '")
    foreign = Sent(path, currency="EUR")
    assert foreign.baskets == []
    assert all(
        "not in EUR, the one currency of this service" in reason for reason in foreign.refused.values()
    )


def test_offsets_of_postgres_are_read() -> None:
    found = Sent(FIELD / "postgres_offsets.csv", zone="America/New_York")
    assert found.moments == ["2024-02-01T10:00:00Z", "2024-02-08T10:00:00.123000Z", "2024-02-09T04:30:00Z"]
    assert found.refused == {}


def test_times_in_a_column_of_their_own_are_read() -> None:
    found = Sent(FIELD / "time_columns.csv", zone="Europe/Paris")
    assert found.moments == [
        "2024-02-01T07:00:00Z",
        *["2024-02-01T07:15:00Z"] * 3,
        "2024-02-01T07:15:30Z",
    ]
    assert (found.refused, found.survey.undecided) == ({}, ())


def test_a_time_at_fault_is_blamed_and_not_its_date(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text((FIELD / "time_columns.csv").read_text().replace("8:15,", "8:75,"))
    assert Sent(path).refused == {5: "time: '8:75' is no time of day."}


def test_microseconds_are_read_and_said_and_whole_numbers_stay_apart() -> None:
    found = Sent(FIELD / "micros.jsonl")
    assert found.moments == ["2024-01-31T11:00:00.123000Z"]
    assert found.customers == ["9007199254740992"]
    assert found.refused.keys() == {1}
    assert "'ANw=' is no number but bytes in base64" in found.refused[1]
    assert found.survey.remarks == [
        "2 dates count microseconds since 1970: 1706698800123456 is 2024-01-31T11:00:00.123000Z."
    ]


def test_ids_that_a_spreadsheet_destroyed_are_asked_about_and_merge_nobody() -> None:
    path = FIELD / "spreadsheet_ids.csv"
    found = Sent(path)
    assert found.baskets == []
    customer, barcode = found.survey.undecided
    assert "'customer_id'" in customer
    assert "first '4.00126E+12' in line 2" in customer
    assert "'barcode'" in barcode
    assert Sent(path, FileOptions(damaged_ids=DamagedIds.REFUSE)).survey.undecided == ()
    taken = Sent(path, FileOptions(damaged_ids=DamagedIds.TAKE))
    assert (set(taken.customers), taken.refused, taken.survey.undecided) == ({"4.00126E+12"}, {}, ())


HEAD = "order_id,customer_id,date,sku,quantity,price\n"


def test_serial_dates_are_read_where_all_are_and_asked_about_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "serials.csv"
    path.write_text(HEAD + "1,A,45323.75,S,1,1\n2,A,45324,S,1,1\n")
    found = Sent(path, zone="Europe/Paris")
    assert found.moments == ["2024-02-01T17:00:00Z", "2024-02-02T11:00:00Z"]
    assert "dates count days since 30 December 1899" in found.survey.remarks[0]
    path.write_text(HEAD + "1,A,45323.75,S,1,1\n2,A,13/02/2024,S,1,1\n")
    mixed = Sent(path)
    (question,) = mixed.survey.undecided
    assert (
        "'45323.75' in line 2 are a spreadsheet's serial dates beside others such as '13/02/2024'" in question
    )
    assert mixed.refused.keys() == {2}
    assert len(Sent(path, FileOptions(serial_dates=SerialDates.READ)).moments) == 2
    refused = Sent(path, FileOptions(serial_dates=SerialDates.REFUSE))
    assert (set(refused.refused), refused.survey.undecided) == ({2}, ())


def test_ids_of_floats_and_of_whole_numbers_are_one_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "floats.parquet"
    table = {
        "order_id": [1.0, 2.0],
        "customer_id": [13085.0, 9007199254740992.0],
        "date": ["2024-02-01", "2024-02-02"],
        "time": [time(8, 15), time(9)],
        "sku": ["S", "S"],
        "quantity": [1, 1],
        "price": [1.0, 1.0],
    }
    pq.write_table(pa.table(table), path)
    found = Sent(path)
    assert (found.customers, found.moments) == (["13085"], ["2024-02-01T08:15:00Z"])
    assert "no longer exact" in found.refused[2]


def test_a_sign_in_the_column_of_currencies_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "currencies.csv"
    path.write_text(f"{HEAD[:-1]},currency\n1,A,2024-02-01,S,1,1,zł\n2,A,2024-02-02,S,1,1,€\n")
    found = Sent(path, currency="PLN")
    assert (len(found.baskets), set(found.refused)) == (1, {3})
