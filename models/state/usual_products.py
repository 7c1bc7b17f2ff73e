"""What customers usually buy of a category: found for many customers and categories at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.state.habits import TRIP_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

    Integers = NDArray[np.int64]


class Held(NamedTuple):
    """Products that customers hold in the categories asked about."""

    asked: Integers
    """(n,) index of the customer and category."""
    products: NDArray[np.uint32]
    """(n,) product numbers."""
    counts: NDArray[np.float64]
    """(n,) trips with the product, decayed to the customer's newest folded trip."""
    last_days: NDArray[np.uint16]
    """(n,) days of the last of them."""


class Asked:
    """Customers and categories, each pair once, by which lines and products find theirs without a search.

    Args:
        state: Of the partition.
        rows: (m,) customers.
        categories: (m,) category numbers.
    """

    def __init__(self, state: State, rows: Integers, categories: NDArray[np.integer]) -> None:
        self.customers, customer_of = np.unique(rows, return_inverse=True)
        """(k,) the customers, each once, ascending."""
        self._columns = np.zeros(len(state.category_names) + 1, np.int64)
        self._columns[categories] = 1
        named = np.flatnonzero(self._columns)
        self._width = len(named) + 1
        self._columns[named] = np.arange(1, self._width)
        self._places = np.full(len(self.customers) * self._width, -1, np.int32)
        self._places[customer_of * self._width + self._columns[categories]] = np.arange(len(rows))

    def places(self, owners: Integers, categories: NDArray[Any]) -> NDArray[np.int32]:
        """Which pair each (index into `customers`, category number) is, -1 where nobody asked."""
        places: NDArray[np.int32] = self._places[owners * self._width + self._columns[categories]]
        return places

    def held(self, state: State) -> Held:
        """The products of these customers in these categories, open days aside."""
        owners, positions = state.products.positions(self.customers)
        records = state.products.records
        asked = self.places(owners, records["category"][positions])
        kept = np.flatnonzero(asked >= 0)
        owners, positions = owners[kept], positions[kept]
        trips = state.customers["trips"][self.customers][owners].astype(np.float64)
        counts = records["count"][positions] * TRIP_DECAY ** (trips - records["trip"][positions])
        return Held(
            asked[kept].astype(np.int64),
            records["product"][positions],
            counts,
            records["last_day"][positions],
        )
