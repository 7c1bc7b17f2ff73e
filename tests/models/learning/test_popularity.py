"""Popularity: shares of trips by segment, faded with time, drawn to the whole, stored and read back."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from models.learning import popularity
from models.learning.popularity import CATEGORIES, HALF_LIFE_DAYS, Popularity


def learnt(shop: Popularity, trips: list[tuple[int, list[int]]], days: float = 1.0) -> Popularity:
    """After trips: segment and category numbers of each."""
    owners = np.repeat(np.arange(len(trips)), [len(bought) for _, bought in trips])
    segments = np.array([segment for segment, _ in trips], np.int64)
    categories = np.array([number for _, bought in trips for number in bought], np.int64)
    return shop.learnt(segments, owners, categories, days=days)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(popularity).failed == 0


def test_a_share_is_of_trips() -> None:
    shop = learnt(Popularity(), [(8, [1, 2]), (8, [1]), (8, [3]), (8, [])])
    assert shop.shares()[-1].tolist() == pytest.approx([0, 0.5, 0.25, 0.25])


def test_old_trips_fade() -> None:
    shop = learnt(learnt(Popularity(), [(8, [1])] * 4), [(8, [2])] * 4, days=HALF_LIFE_DAYS)
    assert shop.shares()[-1].tolist() == pytest.approx([0, 1 / 3, 2 / 3])


def test_a_segment_with_few_trips_is_drawn_to_the_whole() -> None:
    few = learnt(Popularity(), [(0, [1])] * 5 + [(1, [2])] * 95).shares()
    many = learnt(Popularity(), [(0, [1])] * 50_000 + [(1, [2])] * 950_000).shares()
    assert few[0, 1] < 0.1
    assert many[0, 1] > 0.9


def test_an_order_of_trips_shapes_nothing() -> None:
    trips = [(number % 9, [number % 5 + 1, 7]) for number in range(50)]
    assert learnt(Popularity(), trips).encode() == learnt(Popularity(), trips[::-1]).encode()


def test_it_is_bounded_and_read_back() -> None:
    shop = learnt(Popularity(), [(8, [CATEGORIES + 5, 3, CATEGORIES - 1])])
    assert len(shop.encode()) <= 74 * 1024
    assert Popularity.decode(shop.encode()).encode() == shop.encode()


@pytest.mark.parametrize(
    "data", [b"", b"abc", np.full(9, np.nan, "<f4").tobytes(), np.full(9, -1, "<f4").tobytes()]
)
def test_what_is_no_popularity_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="popularity"):
        Popularity.decode(data)
