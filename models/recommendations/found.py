"""Recommendations of one step as arrays: the baskets that caused them, and ten places per customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.recommendations.candidates import OpenTrips

    Integers = NDArray[np.int64]


class Visits(NamedTuple):
    """Baskets of k customers, one basket per customer."""

    which: Integers
    """(k,) indexes of the baskets' records."""
    rows: Integers
    """(k,) rows of the customers."""
    days: Integers
    """(k,) business days of the baskets."""
    trips: OpenTrips
    """Purchases of these customers on open days, the baskets included."""


class Recommended(NamedTuple):
    """Recommendations for k customers in ten places each, best first."""

    categories: Integers
    """(k, 10) category numbers; 0 in an empty place."""
    scores: NDArray[np.float32]
    """(k, 10) estimated share of the customer's next trips that will hold the category."""
    cells: Integers
    """(k, 10) position of the category's cell in its arena; -1 without a cell."""
    new: NDArray[np.bool_]
    """(k, 10) True if the customer never bought the category."""
    shares: NDArray[np.float32]
    """(k, 10) share of trips that hold a new category: trips of the segment, or of the partner's buyers."""
    partners: Integers
    """(k, 10) number of the partner category with which a new category is bought; 0 for a popular
    category."""
