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

    The stores kept are those of the Space-Saving algorithm (Metwally, Agrawal and El Abbadi, "Efficient
    Computation of Frequent and Top-k Elements in Data Streams", 2005): a store without a place takes the
    place and the count of the least. A store of more than a third of a customer's visits is therefore always
    kept, and no count is too low.

    Args:
        customers: (n,) records of `CUSTOMER`, changed in place.
        numbers: (n, 2) numbers of store and channel, as `numbered` returns them.
        newest: (n,) True if no later purchase of the customer was counted before.

    >>> from models.state.columns import CUSTOMER
    >>> customer = np.zeros(1, CUSTOMER)
    >>> for store in (7, 8, 7, 9, 5):
    ...     count(customer, np.array([[store, -1]]), np.array([True]))
    >>> customer["stores"].tolist(), customer["store_visits"].tolist()
    ([[7, 5, 9]], [[2, 2, 1]])
    """
    store, channel = numbers.T
    at = np.flatnonzero(store > UNTRACKED)
    if len(at):
        # (k, 3) places of the k customers whose purchase names a store, and (k,) the place to count in.
        kept, visits = customers["stores"][at], customers["store_visits"][at].astype(np.int64)
        same = kept == store[at, None]
        place = np.where(same.any(axis=1), same.argmax(axis=1), visits.argmin(axis=1))
        here = np.arange(len(at))
        kept[here, place] = store[at]
        visits[here, place] = np.minimum(visits[here, place] + 1, _MOST_VISITS)
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
