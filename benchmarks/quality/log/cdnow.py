"""CDNOW: the purchases of 23,570 customers of a shop for CDs, all new in the first quarter of 1997 [1]_.

The data comes with the package `lifetimes`, whose code is not used.

References:
    .. [1] Fader, Hardie (2001). Forecasting Repeat Sales at CDNOW: A Case Study. Interfaces 31(3), S94-S107.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.settings import LedgerSettings
from streams.sources.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FIRST_DATE: Final = date(1997, 1, 1)
SHIFT_YEARS: Final = 10
"""Years by which the log is moved: an event of Cartpulse is of 2000 or later."""
DAYS: Final = 546
"""Days of the log, to 30 June 1998."""
SETTINGS: Final = LedgerSettings(time_zone="UTC", clock="log")


class Cdnow(NamedTuple):
    """Purchases in order of the day."""

    customers: NDArray[np.int64]
    days: NDArray[np.int64]
    """Days since 1 January 1997."""
    discs: NDArray[np.int64]
    cents: NDArray[np.int64]

    def feeds(self, last: int) -> Iterator[Feed]:
        """Return the purchases up to a day as the input contract has them, at noon."""
        columns = (self.customers, self.days, self.discs, self.cents)
        rows = zip(*(each.tolist() for each in columns), strict=True)
        for number, (customer, day, discs, cents) in enumerate(rows):
            if day > last:
                return
            at = datetime.combine(first_date() + timedelta(days=day), time(12), UTC)
            line = {
                "product_id": "CD",
                "category": "CD",
                "quantity": discs,
                "unit_price": 0.0 if not cents else round(cents / 100 / discs, 6),
            }
            event = {
                "event_id": str(number),
                "customer_id": str(customer),
                "occurred_at": at.isoformat(),
                "currency": "USD",
                "kind": "purchase",
                "items": [line],
            }
            yield Feed(str(customer).encode(), json.dumps(event).encode(), round(at.timestamp() * 1000))


def first_date() -> date:
    """Return the first date of the moved log."""
    return FIRST_DATE.replace(year=FIRST_DATE.year + SHIFT_YEARS)


def read() -> Cdnow | None:
    """Read the purchases; None where the package with the data is not installed."""
    found = find_spec("lifetimes")
    if found is None or not found.submodule_search_locations:
        return None
    file = Path(found.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
    days = [(date.fromisoformat(row[1]) - FIRST_DATE).days for row in rows]
    order = np.argsort(np.array(days), kind="stable")
    columns = (
        np.array([int(row[0]) for row in rows]),
        np.array(days),
        np.array([int(row[2]) for row in rows]),
        np.array([round(float(row[3]) * 100) for row in rows]),
    )
    return Cdnow(*(column[order] for column in columns))
