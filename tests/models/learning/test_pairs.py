"""Pairs: what is bought together, for a bounded number of categories, stored in shards and read back."""

from __future__ import annotations

import doctest
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning import pairs
from models.learning.pairs import REPLACED_AT, SHARD_SLOTS, SLOTS, Pairs
from models.learning.popularity import HALF_LIFE_DAYS

HASHES = np.arange(5_000, dtype=np.uint64)


def with_slots(count: int) -> Pairs:
    """Slots for categories 1 to `count`."""
    return Pairs().adopted(np.r_[0.0, np.arange(count, 0, -1, dtype=np.float64) + 10], HASHES)


def learnt(known: Pairs, trips: list[list[int]], days: float = 1.0) -> Pairs:
    owners = np.repeat(np.arange(len(trips)), [len(bought) for bought in trips])
    return known.learnt(owners, np.array([one for bought in trips for one in bought], np.int64), days=days)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(pairs).failed == 0


@given(st.lists(st.lists(st.integers(1, 9), max_size=5, unique=True), max_size=12))
def test_it_counts_the_trips_that_hold_both(trips: list[list[int]]) -> None:
    found = learnt(with_slots(7), trips)
    wanted = Counter(pair for bought in trips for pair in product(bought, bought) if max(pair) <= 7)
    for (one, other), count in np.ndenumerate(found.counts):
        assert count == wanted[int(found.slots[one]), int(found.slots[other])]
    assert learnt(with_slots(7), trips[::-1]).encode() == found.encode()


def test_old_trips_fade() -> None:
    found = learnt(learnt(with_slots(2), [[1, 2]] * 4), [[1, 2]], days=HALF_LIFE_DAYS)
    assert found.counts.tolist() == [[3, 3], [3, 3]]


def test_the_most_popular_have_the_slots() -> None:
    popularity = np.zeros(SLOTS + 100)
    popularity[50:] = np.arange(SLOTS + 50) + 1
    known = Pairs().adopted(popularity, HASHES)
    assert set(known.slots.tolist()) == set(range(100, SLOTS + 100))


def test_a_much_more_popular_category_takes_a_slot_and_begins_at_nothing() -> None:
    known = learnt(with_slots(SLOTS), [[SLOTS, 1]] * 3)
    popularity = np.r_[0.0, np.full(SLOTS, 10.0), 10 * REPLACED_AT - 1]
    popularity[SLOTS] = 9.9
    assert set(known.adopted(popularity, HASHES).slots) == set(range(1, SLOTS + 1))
    popularity[-1] = 10 * REPLACED_AT
    moved = known.adopted(popularity, HASHES)
    assert set(moved.slots) == {*range(1, SLOTS), SLOTS + 1}
    place = moved.slots.tolist().index(SLOTS + 1)
    assert not moved.counts[place].any()
    assert not moved.counts[:, place].any()


@pytest.mark.parametrize("slots", [0, 1, SHARD_SLOTS, SHARD_SLOTS + 1, SLOTS])
def test_shards_are_bounded_and_read_back(slots: int) -> None:
    known = learnt(with_slots(slots), [[one, slots] for one in range(1, slots)])
    shards = known.encode()
    assert len(shards) == known.shards == -(-slots // SHARD_SLOTS)
    assert all(len(shard) <= 64 * 1024 for shard in shards)
    again = Pairs.decode(shards)
    assert again.slots.tolist() == known.slots.tolist()
    assert np.array_equal(again.counts, known.counts)


@pytest.mark.parametrize("cut", [0, 1, 5, -1])
def test_a_shard_cut_off_is_refused(cut: int) -> None:
    (shard,) = learnt(with_slots(5), [[1, 2]]).encode()
    with pytest.raises(ValueError, match="shard"):
        Pairs.decode([shard[:cut]])


def test_a_category_in_two_slots_is_refused() -> None:
    shards = with_slots(SHARD_SLOTS).encode()
    with pytest.raises(ValueError, match=r"holds no|one category"):
        Pairs.decode([*shards, *shards])
