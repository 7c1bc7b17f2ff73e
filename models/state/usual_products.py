"""Products that customers usually buy of a category, found for many customers and categories at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.memory.groups import places_of
from models.state.habits import TRIP_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

    Integers = NDArray[np.int64]


class BoughtProducts(NamedTuple):
    """Products counted for customers in the categories asked about."""

    asked: Integers
    """(n,) index of the (customer, category) pair."""
    products: NDArray[np.uint32]
    """(n,) product numbers."""
    counts: NDArray[np.float64]
    """(n,) trips with the product, decayed to the customer's newest folded trip."""
    last_days: NDArray[np.uint16]
    """(n,) day of the last trip with the product."""


class Asked:
    """Index of (customer, category) pairs, each once. Lines and products find their pair without a search.

    Args:
        state: State of the partition.
        rows: (m,) rows of customers.
        categories: (m,) category numbers.
    """

    def __init__(self, state: State, rows: Integers, categories: NDArray[np.integer]) -> None:
        self.customers, customer_of = np.unique(rows, return_inverse=True)
        """(k,) rows of the customers, each once, ascending."""
        self._columns = np.zeros(len(state.category_names) + 1, np.int64)
        self._columns[categories] = 1
        named = places_of(self._columns)
        self._width = len(named) + 1
        self._columns[named] = np.arange(1, self._width)
        self._places = np.full(len(self.customers) * self._width, -1, np.int32)
        self._places[customer_of * self._width + self._columns[categories]] = np.arange(len(rows))

    def places(self, owners: Integers, categories: NDArray[Any]) -> NDArray[np.int32]:
        """Return the pair of each (index into `customers`, category number); -1 for an unwanted pair."""
        places: NDArray[np.int32] = self._places[owners * self._width + self._columns[categories]]
        return places

    def bought(self, state: State) -> BoughtProducts:
        """Find the products of these customers in these categories; open days are not included."""
        owners, positions = state.products.positions(self.customers)
        records = state.products.records
        asked = self.places(owners, records["category"][positions])
        kept = places_of(asked >= 0)
        owners, positions = owners[kept], positions[kept]
        trips = state.customers["trips"][self.customers][owners].astype(np.float64)
        counts = records["count"][positions] * TRIP_DECAY ** (trips - records["trip"][positions])
        return BoughtProducts(
            asked[kept].astype(np.int64),
            records["product"][positions],
            counts,
            records["last_day"][positions],
        )
