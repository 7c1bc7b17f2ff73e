"""Assortment until the next boundary: shares by segment, most popular categories, and partners of categories.

An assortment is derived from `Popularity`, `Pairs` and the settings in force, and stored nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.memory.groups import greatest, ranking_keys
from models.settings import CategoryClass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.learning.pairs import Pairs
    from models.learning.popularity import Popularity
    from models.memory.dictionary import Dictionary

POPULAR = 48
"""Length of a segment's list: ten for a new customer, and enough for one who has bought most of the list."""
PARTNERS = 8
"""Partners offered beside one category."""
LEAST_LIFT = 1.2
"""Least lift of a partner: its share beside a category over its share of all trips. Without this limit,
categories that everybody buys would be partners of every category."""
LEAST_TRIPS = 10.0
"""Decayed trips with a category that its pairs need before they are used."""
PARTNER_PSEUDO_TRIPS = 20.0
"""Weight of a partner's share of all trips, in trips with the category."""


class Assortment(NamedTuple):
    """Tables over n category numbers; number 0 stands for no category."""

    shares: NDArray[np.float32]
    """(9, n + 1) share of each segment's trips with a category. The last row holds the shares of all trips.
    The last column is 0, for numbers that are not counted."""
    popular: NDArray[np.int64]
    """(9, 48) popular categories of each segment, the most popular first."""
    partners: NDArray[np.int64]
    """(n + 1, 8) partners of each category, best first."""
    partner_shares: NDArray[np.float32]
    """(n + 1, 8) share of the trips with the category that hold the partner too."""


def assortment_of(popularity: Popularity, pairs: Pairs, categories: Dictionary) -> Assortment:
    """Derive the assortment that a boundary freezes.

    Args:
        popularity: Shares of trips by category and segment.
        pairs: Trips that hold two categories.
        categories: Names and classes of the partition's categories.
    """
    # Stage 1: (9, n + 1) shares, with a column of zeros behind for numbers that are not counted.
    learnt = popularity.shares()
    groups, known = learnt.shape
    hashes = categories.hashes[:known]
    offered = categories.classes[:known] == CategoryClass.EVERYWHERE
    shares = np.zeros((groups, known + 1), np.float32)
    # Stage 2: (9, 48) most popular categories that may be offered; 0 in an empty place.
    shares[:, :known] = learnt
    best = greatest(ranking_keys(learnt, hashes, offered & (learnt > 0)), POPULAR)
    popular = np.zeros((groups, POPULAR), np.int64)
    popular[:, : best.shape[1]] = np.where(np.take_along_axis(offered & (learnt > 0), best, axis=1), best, 0)
    # Stage 3: (s, s) share of each slot's trips that hold another slot's category, drawn to its share of all
    # trips. A pair fits if it has evidence and lift enough.
    partners = np.zeros((known + 1, PARTNERS), np.int64)
    partner_shares = np.zeros((known + 1, PARTNERS), np.float32)
    slots, counts = pairs.slots, pairs.counts
    if len(slots):
        every = learnt[-1, slots]
        trips = np.diagonal(counts)[:, None]
        beside = (counts + PARTNER_PSEUDO_TRIPS * every) / (trips + PARTNER_PSEUDO_TRIPS)
        # Stage 4: (s, 8) best partners, written into (n + 1, 8) tables by category number.
        fits = (trips >= LEAST_TRIPS) & (beside >= LEAST_LIFT * every) & offered[slots] & (counts > 0)
        np.fill_diagonal(fits, val=False)
        beside = np.where(fits, beside, 0).astype(np.float32)
        best = greatest(ranking_keys(beside, hashes[slots], fits), PARTNERS)
        found = np.take_along_axis(beside, best, axis=1)
        width = best.shape[1]
        partners[slots, :width] = np.where(found > 0, slots[best], 0)
        partner_shares[slots, :width] = found
    return Assortment(shares, popular, partners, partner_shares)
