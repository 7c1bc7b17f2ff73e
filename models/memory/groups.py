"""Ranks and look-ups within groups, without a loop over the groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def places_of(mask: NDArray[Any]) -> NDArray[np.int64]:
    """Return the (m,) places of a (n,) mask that are not zero, for short masks in half the usual time.

    `np.flatnonzero` is three functions in Python.

    >>> places_of(np.array([True, False, True])).tolist()
    [0, 2]
    """
    return mask.nonzero()[0]


def begins(*keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) True for each item that differs from the one before in some key; the first item is True.

    Args:
        keys: (n,) each, sorted together.

    >>> begins(np.array([3, 3, 7]), np.array([1, 2, 2])).tolist()
    [True, True, True]
    >>> begins(np.array([3, 3, 7])).tolist(), begins(np.zeros(0)).tolist()
    ([True, False, True], [])
    """
    first, *others = keys
    found = np.ones(len(first), np.bool_)
    np.not_equal(first[1:], first[:-1], out=found[1:])
    for key in others:
        found[1:] |= key[1:] != key[:-1]
    return found


def rank_within(owners: NDArray[Any], *keys: NDArray[Any]) -> NDArray[np.int64]:
    """Rank each item among the items of its owner, from 0, by `keys` ascending. The first key weighs most.

    Args:
        owners: (n,) owner of each item, in any order.
        keys: (n,) each. Items that are equal in all keys keep their order.

    >>> rank_within(np.array([7, 7, 3, 7]), np.array([0.5, 0.1, 0.9, 0.3])).tolist()
    [2, 0, 0, 1]
    """
    order, placed = _ordered(owners, keys)
    place = np.empty(len(order), np.int64)
    place[order] = placed
    return place


def first_within(owners: NDArray[Any], most: int, *keys: NDArray[Any]) -> NDArray[np.int64]:
    """Return the first `most` items of each owner, ranked as by `rank_within`, in order of owner and rank.

    >>> first_within(np.array([7, 7, 3, 7]), 2, np.array([0.5, 0.1, 0.9, 0.3])).tolist()
    [2, 1, 3]
    """
    order, placed = _ordered(owners, keys)
    return order[placed < most]


def _ordered(
    owners: NDArray[Any], keys: tuple[NDArray[Any], ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n,) items sorted by owner and keys, and the (n,) rank of each sorted item within its owner."""
    order = np.lexsort((*reversed(keys), owners))
    grouped, at = owners[order], np.arange(len(order))
    return order, at - np.maximum.accumulate(np.where(begins(grouped), at, 0))


def first_of(keys: NDArray[np.int64], ranks: NDArray[Any]) -> NDArray[np.int64]:
    """Return the item of least rank for each key, in order of the keys.

    >>> first_of(np.array([7, 3, 7]), np.array([0.5, 0.9, 0.1])).tolist()
    [1, 2]
    """
    order = np.lexsort((ranks, keys))
    return order[places_of(begins(keys[order]))]


def best_within(
    owners: NDArray[np.int64], scores: NDArray[np.float64], hashes: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Return the item with the greatest score of each owner; among equals, the item with the smallest hash.

    Args:
        owners: (n,) owner of each item, ascending.
        scores: (n,) scores.
        hashes: (n,) hashes, different for the items of an owner.

    >>> best_within(np.array([3, 3, 7]), np.array([0.5, 0.5, 0.1]), np.array([9, 2, 4], np.uint64)).tolist()
    [1, 2]
    """
    first = places_of(np.diff(owners, prepend=-1))
    sizes = np.diff(first, append=len(owners))
    level = places_of(scores == np.maximum.reduceat(scores, first).repeat(sizes))
    order = level[np.lexsort((hashes[level], owners[level]))]
    return order[places_of(np.diff(owners[order], prepend=-1))]


def among_first(owners: NDArray[Any], most: int, *keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Return True for the first `most` items of each owner by `keys` ascending. The first key weighs most.

    Args:
        owners: (n,) owner of each item, from 0 on.
        most: Items that an owner may keep.
        keys: (n,) each.

    >>> among_first(np.array([0, 0, 1, 0]), 2, np.array([3, 1, 9, 2])).tolist()
    [False, True, True, True]
    """
    # Stage 1: (m,) items of owners with more than `most` items. All other items stay.
    keep = np.ones(len(owners), bool)
    counts = np.bincount(owners)
    crowded = places_of((counts > most)[owners])
    if not len(crowded):
        return keep
    first, *others = (key[crowded] for key in keys)
    whose = owners[crowded]
    # Stage 2: keep what is below the owner's n-th smallest first key. The other keys matter only for items
    # level with that key, which fill the remaining room.
    last = _nth_within(whose, counts, first, most)
    ahead, level = first < last[whose], places_of(first == last[whose])
    room = most - np.bincount(whose[ahead], minlength=len(counts))
    place = rank_within(whose[level], *(key[level] for key in others))
    ahead[level] = place < room[whose[level]]
    keep[crowded] = ahead
    return keep


def _nth_within(
    owners: NDArray[Any], counts: NDArray[np.int64], keys: NDArray[Any], nth: int
) -> NDArray[np.float64]:
    """Return the n-th smallest key of each owner with more than n items; 0 for all other owners.

    Each owner's keys form a line of a table, because sorting its lines is faster than sorting indexes by
    owner and key.

    Args:
        owners: (m,) owner of each key; all of them have more than `nth` keys.
        counts: (k,) items of each owner.
        keys: (m,) finite numbers.
        nth: Rank from 1 on.
    """
    crowds = places_of(counts > nth)
    line = np.zeros(len(counts), np.int64)
    line[crowds] = np.arange(len(crowds))
    order = np.argsort(owners, kind="stable")
    sizes = counts[crowds]
    places = np.arange(len(order)) - (sizes.cumsum() - sizes).repeat(sizes)
    table = np.full((len(crowds), int(sizes.max())), np.inf)
    table[line[owners[order]], places] = keys[order]
    table.sort(axis=1)
    found = np.zeros(len(counts))
    found[crowds] = table[:, nth - 1]
    return found


def look_up(keys: NDArray[np.int64], among: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the place of each key among ascending keys, and True for each key that is there.

    >>> at, found = look_up(np.array([5, 7]), among=np.array([1, 5, 9]))
    >>> at.tolist(), found.tolist()
    ([1, 2], [True, False])
    """
    if not len(among):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
    at = np.searchsorted(among, keys)
    return at, among[np.minimum(at, len(among) - 1)] == keys


NO_KEY = -1
"""Ranking key of an item that takes no part, below all other keys."""


def ranking_keys(
    scores: NDArray[np.float32], hashes: NDArray[np.uint64], taking_part: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Build keys that order items by score, then by half of a hash, the greater the better.

    Args:
        scores: Scores of 0 or more, because only the bits of such floats ascend like their values.
        hashes: Hashes of the names, broadcast to the scores.
        taking_part: True for items with a key; all others get `NO_KEY`.
    """
    bits = scores.view(np.int32).astype(np.int64) << 32
    return np.where(taking_part, bits | (hashes >> np.uint64(32)).astype(np.int64), NO_KEY)


def greatest(keys: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the (k, most) places of the greatest keys of each row, descending.

    The result is narrower if a row has fewer places.

    >>> greatest(np.array([[3, 9, 1], [7, 2, 8]]), 2).tolist()
    [[1, 0], [2, 0]]
    """
    width = keys.shape[1]
    if width > most:
        chosen = np.argpartition(keys, width - most, axis=1)[:, width - most :]
        order = np.argsort(-np.take_along_axis(keys, chosen, axis=1), axis=1, kind="stable")
        return np.take_along_axis(chosen, order, axis=1)
    return np.argsort(-keys, axis=1, kind="stable")
