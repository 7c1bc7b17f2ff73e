"""Lines of The Complete Journey, cleaned for the truth and for the baselines.

Left out are lines with quantity 0, lines of products that the product table does not know or knows without a
category, and the categories of `NOT_CONSUMED`: coupons, fuel, deposits, services and the like. Spend and
segments look at every line with a quantity and a known product, for those are what the ledger is fed with.
Days are business days of New York. Nothing here is computed by the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast, get_args
from zlib import crc32

import numpy as np
import pyarrow.parquet as pq

from models.settings import NOT_CONSUMED, SUBCATEGORY
from tests.support.ledgers import exact

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

Level = Literal["category", "product_type", "product_id"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
FAST: Final = 8
"""One household in so many takes part in a fast run."""
DAYS: Final = 1000
"""More than any day."""


class Bought(NamedTuple):
    """Purchase days of each pair (household, name), ordered by household, name and day, each once."""

    households: Integers
    names: Integers
    """Index into `Journey.names` of the level."""
    days: Integers


@dataclass(frozen=True, eq=False)
class Journey:
    """Lines, in order of time and basket."""

    households: Integers
    baskets: Integers
    times: Integers
    """ms since 1970 UTC."""
    days: Integers
    """Business day, 0 for 2017-01-01."""
    quantities: Integers
    cents: Integers
    """Sales, 1/100 of a dollar."""
    discount_cents: Integers
    departments: NDArray[Any]
    consumed: Booleans
    """True of lines that count for everything but spend, segments, clusters and value."""
    columns: dict[Level, Integers]
    """Per level the place of each line's name in `names`."""
    names: dict[Level, list[str]]

    def bought(self, level: Level) -> Bought:
        """Return who bought what on which day, of what is consumed."""
        columns = self.households[self.consumed], self.columns[level][self.consumed], self.days[self.consumed]
        width = len(self.names[level])
        keys = np.unique((columns[0] * width + columns[1]) * DAYS + columns[2])
        pairs, days = np.divmod(keys, DAYS)
        return Bought(*np.divmod(pairs, width), days)

    def before(self, day: int) -> Journey:
        """Return the lines of the days before one."""
        return self._those(self.days < day)

    def _those(self, kept: Booleans) -> Journey:
        lines = {
            name: getattr(self, name)[kept]
            for name in (
                "households", "baskets", "times", "days", "quantities", "cents", "discount_cents",
                "departments", "consumed",
            )
        }  # fmt: skip
        columns = {level: column[kept] for level, column in self.columns.items()}
        return Journey(**lines, columns=columns, names=self.names)


def takes_part(household: int, one_in: int) -> bool:
    """Tell whether a household is among one in so many, by the CRC-32 of its number.

    >>> [household for household in range(1, 20) if takes_part(household, 8)]
    [4, 14]
    """
    return not crc32(b"%d" % household) % one_in


def read(*, days: int, one_in: int = 1, folder: Path | None = None) -> Journey:
    """Read the lines of the first days.

    Args:
        days: Days from day 0.
        one_in: One household in so many.
        folder: Folder of `transactions.parquet` and `products.parquet`; None finds the installed package.
    """
    path = folder or exact.data_file("transactions").parent
    products = pq.read_table(
        path / "products.parquet", columns=["product_id", "department", "product_category", "product_type"]
    )
    table = pq.read_table(
        path / "transactions.parquet",
        columns=[
            "household_id", "basket_id", "product_id", "quantity", "sales_value", "retail_disc",
            "transaction_timestamp",
        ],
    )  # fmt: skip
    # (n,) lines with a quantity, a known product and a household that takes part, by time and basket
    known = products["product_id"].to_numpy()
    order = np.argsort(known, kind="stable")
    wanted, quantity = table["product_id"].to_numpy(), table["quantity"].to_numpy()
    place = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)]
    times = table["transaction_timestamp"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    households, baskets = table["household_id"].to_numpy(), table["basket_id"].to_numpy()
    chosen = [number for number in np.unique(households).tolist() if takes_part(number, one_in)]
    day = exact.business_days(times) - exact.FIRST_DAY
    kept = np.flatnonzero(
        (known[place] == wanted) & (quantity != 0) & (day < days) & np.isin(households, chosen)
    )
    kept = kept[np.lexsort((baskets[kept], times[kept]))]
    place = place[kept]
    # (p,) names of products at each level
    categories = np.array([name or "" for name in products["product_category"].to_pylist()], object)
    types = [name or "" for name in products["product_type"].to_pylist()]
    labels: dict[Level, list[str]] = {
        "category": categories.tolist(),
        "product_type": [f"{one}{SUBCATEGORY}{two}" for one, two in zip(categories, types, strict=True)],
        "product_id": [str(number) for number in known.tolist()],
    }
    consumed = ~np.isin(categories, [*NOT_CONSUMED, ""])
    names, columns = dict[Level, list[str]](), dict[Level, Any]()
    for level, each in labels.items():
        unique, inverse = np.unique(np.array(each), return_inverse=True)
        names[level], columns[level] = cast("list[str]", unique.tolist()), inverse[place].astype(np.int64)
    departments = np.array([name or "" for name in products["department"].to_pylist()])
    return Journey(
        households=households[kept],
        baskets=baskets[kept],
        times=times[kept],
        days=day[kept],
        quantities=quantity[kept],
        cents=np.rint(table["sales_value"].to_numpy()[kept] * 100).astype(np.int64),
        discount_cents=np.rint(table["retail_disc"].to_numpy()[kept] * 100).astype(np.int64),
        departments=departments[place],
        consumed=consumed[place],
        columns=columns,
        names=names,
    )
