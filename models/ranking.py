"""Ranks inside groups, without a loop over the groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rank_within(owners: NDArray[Any], *keys: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each item among those of its owner, from 0, by `keys` ascending, the first weighing most.

    Args:
        owners: (n,) whose each item is, in any order.
        keys: (n,) each; items equal in all keep their order.

    >>> rank_within(np.array([7, 7, 3, 7]), np.array([0.5, 0.1, 0.9, 0.3])).tolist()
    [2, 0, 0, 1]
    """
    order = np.lexsort((*reversed(keys), owners))
    grouped, at = owners[order], np.arange(len(order))
    first = np.r_[True, grouped[1:] != grouped[:-1]][: len(order)]
    place = np.empty(len(order), np.int64)
    place[order] = at - np.maximum.accumulate(np.where(first, at, 0))
    return place
