"""The file of `docs/tutorial.md`: three invented months of a shop, in the layout of UCI's Online Retail.

`python -m tests.support.data.tutorial_sales` writes it anew; a test sees that it is what stands there.
"""

from __future__ import annotations

import csv
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.support.paths import DOCS

if TYPE_CHECKING:
    from pathlib import Path

FILE = DOCS / "tutorial" / "sales.csv"

HEADER = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
PRODUCTS = (
    ("20724", "GROUND COFFEE 250G", 4.25, 9),
    ("22086", "OAT DRINK, BARISTA", 1.95, 5),
    ("84029", "CAT LITTER 10KG", 8.75, 14),
    ("21730", 'CANDLES 8" IVORY', 2.55, 21),
    ("22633", "WASHING TABS", 6.95, 24),
    ("85123", "DARK CHOCOLATE", 2.1, 7),
)
"""Stock code, description, price and days until it runs out."""


def lines() -> list[list[str]]:
    """The file's rows, its header first."""
    chance = random.Random(2010)
    visits: list[tuple[datetime, int, tuple[str, str, float, int]]] = []
    for customer in range(12_346, 12_358):
        for product in chance.sample(PRODUCTS, 3):
            day = chance.uniform(0, product[3])
            while day < 90:
                at = datetime(2010, 12, 1) + timedelta(  # noqa: DTZ001 - the shop's own clock
                    days=int(day), minutes=8 * 60 + 7 * (customer % 60)
                )
                visits.append((at, customer, product))
                day += product[3] * chance.uniform(0.85, 1.15)
    rows, invoice, last = [list(HEADER)], 536_364, None
    for at, customer, (code, name, price, _) in sorted(visits):
        if (at, customer) != last:
            invoice, last = invoice + 1, (at, customer)
        quantity = chance.choice((1, 1, 1, 2))
        rows.append(
            [str(invoice), code, name, str(quantity), _written(at), f"{price:.2f}", str(customer), "UK"]
        )
    for place, row in _oddities().items():
        rows.insert(place, row)
    return rows


def _oddities() -> dict[int, list[str]]:
    """Rows as the real file has them too: a sale to nobody, a bad debt, a manual correction, a return."""
    return {
        40: ["536414", "22139", "", "56", "12/8/2010 11:52", "0.00", "", "UK"],
        80: ["A563185", "B", "Adjust bad debt", "1", "12/14/2010 14:50", "-11062.06", "12346", "UK"],
        120: ["536798", "20724", "GROUND COFFEE 250G", "0", "12/22/2010 9:10", "4.25", "12349", "UK"],
        160: ["C536900", "84029", "CAT LITTER 10KG", "-1", "1/5/2011 10:20", "8.75", "12350", "UK"],
    }


def _written(at: datetime) -> str:
    return f"{at.month}/{at.day}/{at.year} {at.hour}:{at.minute:02}"


def write(path: Path) -> None:
    """Write the file."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines())


if __name__ == "__main__":
    write(FILE)
