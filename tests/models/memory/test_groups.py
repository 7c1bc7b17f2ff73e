"""Ranks inside groups against sorting group by group."""

from __future__ import annotations

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.memory import groups as ranking
from models.memory.groups import among_first, best_within, first_within, rank_within

ITEMS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3), st.integers(-2, 2)), max_size=60)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(ranking).failed == 0


@given(items=ITEMS)
def test_each_item_gets_its_place_among_those_of_its_owner(items: list[tuple[int, int, int]]) -> None:
    owners, first, second = np.array(items, np.int64).reshape(-1, 3).T
    wanted = [0] * len(items)
    for owner in set(owners.tolist()):
        mine = [at for at, item in enumerate(items) if item[0] == owner]
        for place, at in enumerate(sorted(mine, key=lambda at: items[at][1:])):
            wanted[at] = place
    assert rank_within(owners, first, second).tolist() == wanted


@given(items=ITEMS, most=st.integers(1, 20))
def test_the_first_so_many_are_those_with_the_least_places(
    items: list[tuple[int, int, int]], most: int
) -> None:
    owners, first, second = np.array(items, np.int64).reshape(-1, 3).T
    wanted = rank_within(owners, first, second) < most
    assert among_first(owners, most, first, second).tolist() == wanted.tolist()
    assert among_first(owners, most, first).tolist() == (rank_within(owners, first) < most).tolist()


@given(items=ITEMS, most=st.integers(1, 20))
def test_the_first_so_many_come_in_order_of_owner_and_rank(
    items: list[tuple[int, int, int]], most: int
) -> None:
    owners, first, second = np.array(items, np.int64).reshape(-1, 3).T
    place = rank_within(owners, first, second)
    wanted = sorted((owner, at, item) for item, (owner, at) in enumerate(zip(owners, place, strict=True)))
    assert first_within(owners, most, first, second).tolist() == [item for _, at, item in wanted if at < most]


@given(items=st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), min_size=1, max_size=60))
def test_the_best_has_the_greatest_score_and_among_equals_the_smallest_hash(
    items: list[tuple[int, int]],
) -> None:
    owners, scores = np.array(sorted(items), np.int64).T
    hashes = np.random.default_rng(len(items)).permutation(len(items)).astype(np.uint64)
    place = rank_within(owners, -scores, hashes)
    assert best_within(owners, scores.astype(float), hashes).tolist() == np.flatnonzero(place == 0).tolist()


def test_without_keys_items_keep_their_order() -> None:
    assert rank_within(np.array([2, 1, 2, 2, 1])).tolist() == [0, 0, 1, 2, 1]


def test_nothing_has_no_ranks() -> None:
    assert rank_within(np.zeros(0, np.int64), np.zeros(0)).tolist() == []
