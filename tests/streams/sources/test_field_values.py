"""Files from the field are read to the exact moment, amount and customer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.settings import LedgerSettings
from streams.sources.purchase_file import PurchaseFile
from streams.sources.survey import Told

FIELD = Path(__file__).parents[2] / "samples" / "field"


class Sent:
    """What is sent of a file, and what is refused."""

    def __init__(
        self, path: Path, told: Told | None = None, *, currency: str = "USD", zone: str = "UTC"
    ) -> None:
        self.refused: dict[int, str] = {}
        settings = LedgerSettings(currency=currency)
        with PurchaseFile(path, settings, told or Told(), ZoneInfo(zone), keep=self._keep) as file:
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
    foreign = Sent(path, currency="EUR")
    assert foreign.baskets == []
    assert all(
        "not in EUR, the one currency of this service" in reason for reason in foreign.refused.values()
    )
