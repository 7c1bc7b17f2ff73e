"""Popularity of categories in a partition: shares of trips by segment, learnt as days are folded.

A *trip* is a customer's business day on which something was consumed. Counts of a day are integers, so that
no order of trips changes them. The counts join the decayed sums at the next boundary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.learning.rfm import SEGMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Shares = NDArray[np.float32]

CATEGORIES = 2_048
"""Greatest category number, plus one, that is counted: the row takes 74 KB at most."""
GROUPS = len(SEGMENTS) + 1
"""Count of the segments, plus one group for customers without a segment."""
HALF_LIFE_DAYS = 56.0
"""Half-life of counts, in days: short enough for seasons, long enough for a shop of some hundred
customers."""
SEGMENT_PSEUDO_TRIPS = 300.0
"""Weight of the share over all customers, in trips of a segment."""


class Popularity:
    """Immutable decayed counts of trips, by segment and category. Methods return new objects.

    Args:
        trips: (9,) trips of each segment's customers; the last entry counts customers without a segment.
        counts: (9, n) trips that hold each category number.

    >>> shop = Popularity().learnt(np.array([0, 0, 8]), np.array([0, 1, 2]), np.array([3, 3, 4]), days=1)
    >>> [f"{share:.3f}" for share in shop.shares()[8, 3:5]]
    ['0.667', '0.333']
    >>> Popularity.decode(shop.encode()).encode() == shop.encode()
    True
    """

    def __init__(self, trips: Shares | None = None, counts: Shares | None = None) -> None:
        self.trips = np.zeros(GROUPS, np.float32) if trips is None else trips
        self.counts = np.zeros((GROUPS, 0), np.float32) if counts is None else counts

    def learnt(
        self,
        segments: NDArray[np.int64],
        trips: NDArray[np.int64],
        categories: NDArray[np.int64],
        *,
        days: float,
    ) -> Popularity:
        """Return the popularity after trips, with older counts faded.

        Args:
            segments: (t,) index of each trip's segment into `SEGMENTS`; 8 for no segment.
            trips: (k,) index of each purchase's trip.
            categories: (k,) category number of each purchase.
            days: Days since counts were last learnt.
        """
        kept = categories < CATEGORIES
        trips, categories = trips[kept], categories[kept]
        known = max(self.counts.shape[1], int(categories.max()) + 1 if len(categories) else 0)
        fade = np.float32(np.exp2(-days / HALF_LIFE_DAYS))
        counts = np.zeros((GROUPS, known), np.float32)
        counts[:, : self.counts.shape[1]] = self.counts * fade
        places = segments[trips] * known + categories
        counts += np.bincount(places, minlength=GROUPS * known).reshape(GROUPS, known).astype(np.float32)
        added = np.bincount(segments, minlength=GROUPS).astype(np.float32)
        return Popularity(self.trips * fade + added, counts)

    def shares(self) -> Shares:
        """Return the (9, n) share of trips with each category.

        A segment's share is drawn to the share of all customers, which the last row holds.
        """
        every = self.counts.sum(axis=0) / max(float(self.trips.sum()), 1e-9)
        shares = (self.counts + SEGMENT_PSEUDO_TRIPS * every) / (self.trips[:, None] + SEGMENT_PSEUDO_TRIPS)
        shares[-1] = every
        found: Shares = shares.astype(np.float32)
        return found

    def encode(self) -> bytes:
        """Encode the counts: 36 bytes per category and 36 more, at most 74 KB."""
        return self.trips.astype("<f4").tobytes() + self.counts.astype("<f4").tobytes()

    @classmethod
    def decode(cls, data: bytes) -> Popularity:
        """Decode the popularity that `encode` wrote.

        Raises:
            ValueError: The bytes are of a length that `encode` never writes, or hold impossible numbers.
        """
        known, rest = divmod(len(data), GROUPS * 4)
        if rest or not 1 <= known <= CATEGORIES + 1:
            raise ValueError(f"a popularity of {len(data)} bytes is no whole number of categories")
        numbers = np.frombuffer(data, "<f4").astype(np.float32)
        if not np.all(np.isfinite(numbers)) or np.any(numbers < 0):
            raise ValueError("a popularity holds numbers that no trip gives")
        return cls(numbers[:GROUPS], numbers[GROUPS:].reshape(GROUPS, known - 1))
