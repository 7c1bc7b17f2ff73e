"""What is bought together: decayed counts of trips that hold two categories, for those that matter most."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from models.learning.popularity import HALF_LIFE_DAYS
from models.memory.dictionary import UNTRACKED

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = 256
"""Categories whose pairs are counted: all pairs of them take 132 KB."""
SHARD_SLOTS = 64
"""Slots whose counts one row of the changelog holds: 57 KB in the last; a small shop writes one."""
MOST_TRIPS = 4_096
"""Trips of which one boundary learns: half a million pairs. Of more, a sample by hash is taken."""
REPLACED_AT = 1.5
"""A category takes another's slot when it is this many times as popular: slots do not change hands daily."""
_COUNT = struct.Struct("<H")


class Pairs:
    """Counts of trips by pair of slots, each slot a category's. It is not changed, but replaced.

    Args:
        slots: (s,) category number of each slot.
        counts: (s, s) symmetric; trips with both, and on the diagonal with one, since the slot was its.

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
        """Rows that hold it."""
        return -(-len(self.slots) // SHARD_SLOTS)

    def adopted(self, popularity: NDArray[np.float64], hashes: NDArray[np.uint64]) -> Pairs:
        """The pairs with slots for the most popular categories; a new owner of a slot begins at nothing.

        Args:
            popularity: (n,) how popular each category number is; 0 leaves it out.
            hashes: (n or more,) hash of its name, which settles ties.
        """
        wanted = np.flatnonzero(popularity > 0)
        wanted = wanted[np.lexsort((hashes[wanted], -popularity[wanted]))]
        fresh = wanted[~np.isin(wanted, self.slots)]
        free = max(SLOTS - len(self.slots), 0)
        slots = np.concatenate([self.slots, fresh[:free]])
        counts = np.zeros((len(slots), len(slots)), np.float32)
        counts[: len(self.slots), : len(self.slots)] = self.counts
        held = popularity[slots] if len(popularity) else np.zeros(len(slots))
        weakest = np.lexsort((hashes[slots], held))
        for slot, category in zip(weakest.tolist(), fresh[free:].tolist(), strict=False):
            if popularity[category] < REPLACED_AT * held[slot]:
                break
            slots[slot] = category
            counts[slot, :] = counts[:, slot] = 0
        return Pairs(slots, counts)

    def learnt(self, trips: NDArray[np.int64], categories: NDArray[np.int64], *, days: float) -> Pairs:
        """The pairs after some trips, the older counts faded.

        Args:
            trips: (k,) number of each purchase's trip, from 0 on, `MOST_TRIPS` at most.
            categories: (k,) its category number.
            days: Days since the last time.
        """
        slot_of = np.full(max(int(self.slots.max(initial=0)), int(categories.max(initial=0))) + 1, -1)
        slot_of[self.slots] = np.arange(len(self.slots))
        places = slot_of[categories]
        order = np.argsort(trips[places >= 0], kind="stable")
        trips, places = trips[places >= 0][order], places[places >= 0][order]
        sizes = np.bincount(trips) if len(trips) else np.zeros(0, np.int64)
        first = np.cumsum(sizes) - sizes
        others = sizes[trips]
        one = np.repeat(places, others)
        other = places[
            np.arange(len(one))
            - np.repeat(np.cumsum(others) - others, others)
            + np.repeat(first[trips], others)
        ]
        many = len(self.slots)
        added = np.bincount(one * many + other, minlength=many * many).reshape(many, many)
        fade = np.float32(np.exp2(-days / HALF_LIFE_DAYS))
        return Pairs(self.slots, self.counts * fade + added.astype(np.float32))

    def encode(self) -> list[bytes]:
        """The shards: slots, then their counts with the slots before them and themselves."""
        shards = []
        for first in range(0, len(self.slots), SHARD_SLOTS):
            here = range(first, min(first + SHARD_SLOTS, len(self.slots)))
            counts = [self.counts[slot, : slot + 1].astype("<f4").tobytes() for slot in here]
            names = self.slots[here.start : here.stop].astype("<u2").tobytes()
            shards.append(b"".join((_COUNT.pack(len(here)), names, *counts)))
        return shards

    @classmethod
    def decode(cls, shards: list[bytes]) -> Pairs:
        """The pairs of all shards, in order.

        Raises:
            ValueError: A shard is of another length than it says, or holds impossible numbers.
        """
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
        counts = np.zeros((len(slots), len(slots)), np.float32)
        for slot, row in enumerate(rows):
            counts[slot, : slot + 1] = counts[: slot + 1, slot] = row
        if not np.all(np.isfinite(counts)) or np.any(counts < 0):
            raise ValueError("pairs hold numbers that no trip gives")
        return cls(np.array(slots, np.int64), counts)
