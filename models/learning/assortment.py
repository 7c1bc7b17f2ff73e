"""What may be offered until the next boundary: shares by segment, the most popular, and what goes with what.

It is derived from `Popularity`, `Pairs` and the settings in force, and stored nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.memory.ranking import greatest, ranking_keys
from models.settings import CategoryClass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.learning.pairs import Pairs
    from models.learning.popularity import Popularity
    from models.memory.dictionary import Dictionary

POPULAR = 48
"""Categories of a segment's list: a new customer's ten, and enough for one who has bought most of them."""
PARTNERS = 8
"""Categories offered beside one."""
LEAST_LIFT = 1.2
"""A partner is so many times as frequent beside a category as on any trip: what all buy goes with all."""
LEAST_TRIPS = 10.0
"""Decayed trips with a category before its pairs say something."""
PARTNER_PSEUDO_TRIPS = 20.0
"""A partner's share over all trips counts as this many beside those with the category."""


class Assortment(NamedTuple):
    """Tables over n category numbers; number 0 stands for none."""

    shares: NDArray[np.float32]
    """(9, n + 1) share of each segment's trips with a category; the last row that of all trips, the last
    column 0, for numbers that are not counted."""
    popular: NDArray[np.int64]
    """(9, 48) most popular of each segment, best first."""
    partners: NDArray[np.int64]
    """(n + 1, 8) what goes with each category, best first."""
    partner_shares: NDArray[np.float32]
    """(n + 1, 8) share of its buyers' trips that hold the partner too."""


def assortment_of(popularity: Popularity, pairs: Pairs, categories: Dictionary) -> Assortment:
    """Return the assortment of a partition as its newest boundary froze it.

    Args:
        popularity: Shares of trips by category and segment.
        pairs: Trips that hold two categories.
        categories: Names and classes of the partition's categories.
    """
    learnt = popularity.shares()
    groups, known = learnt.shape
    hashes = categories.hashes[:known]
    offered = categories.classes[:known] == CategoryClass.EVERYWHERE
    shares = np.zeros((groups, known + 1), np.float32)
    shares[:, :known] = learnt
    best = greatest(ranking_keys(learnt, hashes, offered & (learnt > 0)), POPULAR)
    popular = np.zeros((groups, POPULAR), np.int64)
    popular[:, : best.shape[1]] = np.where(np.take_along_axis(offered & (learnt > 0), best, axis=1), best, 0)
    partners = np.zeros((known + 1, PARTNERS), np.int64)
    partner_shares = np.zeros((known + 1, PARTNERS), np.float32)
    slots, counts = pairs.slots, pairs.counts
    if len(slots):
        every = learnt[-1, slots]
        trips = np.diagonal(counts)[:, None]
        beside = (counts + PARTNER_PSEUDO_TRIPS * every) / (trips + PARTNER_PSEUDO_TRIPS)
        fits = (trips >= LEAST_TRIPS) & (beside >= LEAST_LIFT * every) & offered[slots] & (counts > 0)
        np.fill_diagonal(fits, val=False)
        beside = np.where(fits, beside, 0).astype(np.float32)
        best = greatest(ranking_keys(beside, hashes[slots], fits), PARTNERS)
        found = np.take_along_axis(beside, best, axis=1)
        width = best.shape[1]
        partners[slots, :width] = np.where(found > 0, slots[best], 0)
        partner_shares[slots, :width] = found
    return Assortment(shares, popular, partners, partner_shares)
