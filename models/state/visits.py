"""Stores and sales channel of a customer's purchases, as numbers of the partition's dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.memory.dictionary import UNTRACKED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records.columns import Records
    from models.state.state import State

_MOST_VISITS = np.iinfo(np.uint16).max
"""Visits counted per store and customer; further ones leave the count as it is."""


def numbered(state: State, records: Records, indexes: list[int]) -> NDArray[np.int64]:
    """Look up the numbers of stores and channels of records. New names are numbered in the order of the log.

    Args:
        state: State of the partition; its dictionaries take new names.
        records: Run of records.
        indexes: Indexes of n records, ascending.

    Returns:
        (n, 2) numbers of store and channel; -1 where the record names none, `UNTRACKED` where the name found
        no room.
    """
    found = np.full((len(indexes), 2), -1, np.int64)
    for column, said, names in (
        (0, records.stores, state.store_names),
        (1, records.channels, state.channel_names),
    ):
        named = [place for place, index in enumerate(indexes) if said[index]]
        if named:
            found[named, column] = names.numbers([said[indexes[place]] for place in named])
    return found


def count(customers: NDArray[Any], numbers: NDArray[np.int64], newest: NDArray[np.bool_]) -> None:
    """Count a purchase of each customer at its store, and keep its channel if no later purchase is known.

    The stores kept are those of Misra and Gries ("Finding repeated elements", 1982): a store that finds no
    free place is not entered, and takes one visit from each store that has a place instead. A count is
    therefore never too high, and a store of more than a quarter of a customer's visits is always kept.

    Args:
        customers: (n,) records of `CUSTOMER`, changed in place. Stores without visits come last.
        numbers: (n, 2) numbers of store and channel, as `numbered` returns them.
        newest: (n,) True if no later purchase of the customer was counted before.

    >>> from models.state.columns import CUSTOMER
    >>> customer = np.zeros(1, CUSTOMER)
    >>> for store in (7, 8, 7, 9, 5):
    ...     count(customer, np.array([[store, -1]]), np.array([True]))
    >>> customer["stores"].tolist(), customer["store_visits"].tolist()
    ([[7, 0, 0]], [[1, 0, 0]])
    """
    store, channel = numbers.T
    at = np.flatnonzero(store > UNTRACKED)
    if len(at):
        # Stage 1: (k, 3) places of the k customers whose purchase names a store, (k,) the one to count in.
        kept, visits = customers["stores"][at], customers["store_visits"][at].astype(np.int64)
        same, free = kept == store[at, None], visits == 0
        known = same.any(axis=1)
        place = np.where(known, same.argmax(axis=1), free.argmax(axis=1))
        # Stage 2: count there, or take a visit from each of the stores where no place is free.
        counted = np.flatnonzero(known | free.any(axis=1))
        kept[counted, place[counted]] = store[at[counted]]
        visits[counted, place[counted]] = np.minimum(visits[counted, place[counted]] + 1, _MOST_VISITS)
        crowded = np.flatnonzero(~known & ~free.any(axis=1))
        if len(crowded):
            left = visits[crowded] - 1
            order = np.argsort(left == 0, axis=1, kind="stable")
            left = np.take_along_axis(left, order, axis=1)
            kept[crowded] = np.where(left > 0, np.take_along_axis(kept[crowded], order, axis=1), UNTRACKED)
            visits[crowded] = left
        customers["stores"][at], customers["store_visits"][at] = kept, visits
    said = np.flatnonzero(newest & (channel >= 0))
    customers["channel"][said] = channel[said]


def usual_stores(customers: NDArray[Any]) -> NDArray[np.int64]:
    """Return the (n,) number of the store with most visits of each customer; `UNTRACKED` without any visit.

    Of stores with equally many visits, the smaller number is returned, which is the store that the partition
    saw first.

    Args:
        customers: (n,) records of `CUSTOMER`.
    """
    stores, visits = customers["stores"].astype(np.int64), customers["store_visits"].astype(np.int64)
    best = np.lexsort((stores, -visits), axis=1)[:, 0]
    usual: NDArray[np.int64] = stores[np.arange(len(stores)), best]
    return usual
