"""Pairs of categories bought together: decayed counts of trips that hold both, for popular categories."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from models.learning.popularity import HALF_LIFE_DAYS
from models.memory.dictionary import UNTRACKED

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = 256
"""Categories whose pairs are counted. All of their pairs take 132 KB."""
SHARD_SLOTS = 64
"""Slots whose counts one row of the changelog holds: 57 KB in the last row. A small shop writes one row."""
MOST_TRIPS = 4_096
"""Trips from which one boundary learns: half a million pairs. Of more trips, a sample by hash is taken."""
REPLACED_AT = 1.5
"""Ratio of popularity at which a category takes another category's slot. The ratio is above 1, so that slots
do not change hands daily."""
_COUNT = struct.Struct("<H")


class Pairs:
    """Immutable counts of trips by pair of slots, each slot held by one category. Methods return new pairs.

    Args:
        slots: (s,) category number of each slot.
        counts: (s, s) symmetric counts since the slots were taken: trips with both categories, and on the
            diagonal trips with the one.

    >>> pairs = Pairs().adopted(np.array([0, 5, 9]), np.zeros(3, np.uint64))
    >>> pairs = pairs.learnt(np.array([0, 0, 1]), np.array([1, 2, 2]), days=1)
    >>> sorted(pairs.slots.tolist()), pairs.counts.sum()
    ([1, 2], np.float32(5.0))
    """

    def __init__(
        self, slots: NDArray[np.int64] | None = None, counts: NDArray[np.float32] | None = None
    ) -> None:
        self.slots = np.zeros(0, np.int64) if slots is None else slots
        self.counts = np.zeros((0, 0), np.float32) if counts is None else counts

    @property
    def shards(self) -> int:
        """Count of the rows that hold the pairs."""
        return -(-len(self.slots) // SHARD_SLOTS)

    def adopted(self, popularity: NDArray[np.float64], hashes: NDArray[np.uint64]) -> Pairs:
        """Give slots to the most popular categories. The counts of a slot with a new owner begin at 0.

        Args:
            popularity: (n,) popularity of each category number; 0 leaves a category out.
            hashes: (n or more,) hash of each category's name, which settles ties.
        """
        # Stage 1: category numbers without a slot, most popular first. Free slots are given to the first of
        # them.
        wanted = np.flatnonzero(popularity > 0)
        wanted = wanted[np.lexsort((hashes[wanted], -popularity[wanted]))]
        fresh = wanted[~np.isin(wanted, self.slots)]
        free = max(SLOTS - len(self.slots), 0)
        slots = np.concatenate([self.slots, fresh[:free]])
        counts = np.zeros((len(slots), len(slots)), np.float32)
        counts[: len(self.slots), : len(self.slots)] = self.counts
        # Stage 2: the other categories may take the slots of the least popular owners.
        held = popularity[slots] if len(popularity) else np.zeros(len(slots))
        weakest = np.lexsort((hashes[slots], held))
        for slot, category in zip(weakest.tolist(), fresh[free:].tolist(), strict=False):
            if popularity[category] < REPLACED_AT * held[slot]:
                break
            slots[slot] = category
            counts[slot, :] = counts[:, slot] = 0
        return Pairs(slots, counts)

    def learnt(self, trips: NDArray[np.int64], categories: NDArray[np.int64], *, days: float) -> Pairs:
        """Return the pairs after trips, with older counts faded.

        Args:
            trips: (k,) number of each purchase's trip, from 0 on, at most `MOST_TRIPS`.
            categories: (k,) category number of each purchase.
            days: Days since counts were last learnt.
        """
        # Stage 1: (j,) trip and slot of each purchase in a category with a slot, sorted by trip.
        slot_of = np.full(max(int(self.slots.max(initial=0)), int(categories.max(initial=0))) + 1, -1)
        slot_of[self.slots] = np.arange(len(self.slots))
        places = slot_of[categories]
        order = np.argsort(trips[places >= 0], kind="stable")
        trips, places = trips[places >= 0][order], places[places >= 0][order]
        # Stage 2: (p,) pairs of slots within a trip, each purchase with all purchases of its trip, itself
        # included. The diagonal then counts the trips of one slot.
        sizes = np.bincount(trips) if len(trips) else np.zeros(0, np.int64)
        first = np.cumsum(sizes) - sizes
        others = sizes[trips]
        one = np.repeat(places, others)
        other = places[
            np.arange(len(one))
            - np.repeat(np.cumsum(others) - others, others)
            + np.repeat(first[trips], others)
        ]
        # Stage 3: (s, s) counts added to the faded older counts.
        many = len(self.slots)
        added = np.bincount(one * many + other, minlength=many * many).reshape(many, many)
        fade = np.float32(np.exp2(-days / HALF_LIFE_DAYS))
        return Pairs(self.slots, self.counts * fade + added.astype(np.float32))

    def encode(self) -> list[bytes]:
        """Encode the shards: each holds its slots, then their counts with all slots up to themselves."""
        shards = []
        for first in range(0, len(self.slots), SHARD_SLOTS):
            here = range(first, min(first + SHARD_SLOTS, len(self.slots)))
            counts = [self.counts[slot, : slot + 1].astype("<f4").tobytes() for slot in here]
            names = self.slots[here.start : here.stop].astype("<u2").tobytes()
            shards.append(b"".join((_COUNT.pack(len(here)), names, *counts)))
        return shards

    @classmethod
    def decode(cls, shards: list[bytes]) -> Pairs:
        """Decode the pairs from all shards, in order.

        Raises:
            ValueError: A shard is of another length than its count of slots needs, or holds impossible
                numbers.
        """
        # Stage 1: (s,) slots, and per slot the counts with all slots up to itself.
        slots: list[int] = []
        rows: list[NDArray[np.float32]] = []
        for shard in shards:
            if len(shard) < _COUNT.size:
                raise ValueError("a shard of pairs is cut off")
            (count,) = _COUNT.unpack_from(shard)
            numbers = range(len(slots) + 1, len(slots) + count + 1)
            if len(shard) != _COUNT.size + 2 * count + 4 * sum(numbers):
                raise ValueError(f"a shard of pairs of {len(shard)} bytes holds no {count} slots")
            slots += np.frombuffer(shard, "<u2", count, _COUNT.size).tolist()
            at = _COUNT.size + 2 * count
            for length in numbers:
                rows.append(np.frombuffer(shard, "<f4", length, at))
                at += 4 * length
        if len(set(slots)) != len(slots) or UNTRACKED in slots:
            raise ValueError("two slots of pairs are of one category")
        # Stage 2: (s, s) symmetric counts. Only one half is stored.
        counts = np.zeros((len(slots), len(slots)), np.float32)
        for slot, row in enumerate(rows):
            counts[slot, : slot + 1] = counts[: slot + 1, slot] = row
        if not np.all(np.isfinite(counts)) or np.any(counts < 0):
            raise ValueError("pairs hold numbers that no trip gives")
        return cls(np.array(slots, np.int64), counts)
