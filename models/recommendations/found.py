"""Recommendations of one step as arrays: whom they are for, and the ten places of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.recommendations.candidates import OpenTrips

    Integers = NDArray[np.int64]


class Visits(NamedTuple):
    """Baskets of k customers, each once."""

    which: Integers
    """(k,) indexes of their records."""
    rows: Integers
    """(k,) customers."""
    days: Integers
    """(k,) business days."""
    trips: OpenTrips
    """What the customers bought on open days, these baskets included."""


class Recommended(NamedTuple):
    """Ten places for each of k customers, best first."""

    categories: Integers
    """(k, 10) category numbers; 0 where there is nothing to recommend."""
    scores: NDArray[np.float32]
    """(k, 10) estimated share of next trips that hold it."""
    cells: Integers
    """(k, 10) position of the cell; -1 where there is none yet."""
    new: NDArray[np.bool_]
    """(k, 10) whether the customer never bought it."""
    shares: NDArray[np.float32]
    """(k, 10) for new ones: share of trips of the segment, or of the partner's buyers, that hold it."""
    partners: Integers
    """(k, 10) for new ones: number of the category that it is bought with; 0 where it is popular."""
