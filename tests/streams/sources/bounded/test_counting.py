"""Counts stay right in bounded memory, or say that they are about right."""

from __future__ import annotations

import random

from streams.sources.bounded.counting import Distinct, Frequent


def test_few_names_are_counted_exactly() -> None:
    names = Distinct(most=100)
    for number in range(1_000):
        names.add(str(number % 100))
    assert (names.count, names.exact) == (100, True)


def test_more_names_than_are_held_are_counted_about_right() -> None:
    names = Distinct(most=1_024)
    for number in range(50_000):
        names.add(f"customer {number}")
        names.add(f"customer {number}")
    assert not names.exact
    assert len(names._held) <= 1_024
    assert abs(names.count - 50_000) < 5_000


def test_the_largest_of_many_names_is_found_although_rare_ones_are_let_go() -> None:
    chance = random.Random(4)
    texts = ["guest"] * 2_000 + [f"customer {number}" for number in range(8_000)]
    chance.shuffle(texts)
    names = Frequent(most=100)
    for text in texts:
        names.add(text)
    name, count = names.largest
    assert (name, names.exact, names.total) == ("guest", False, 10_000)
    assert 1_800 <= count <= 2_000
    assert len(names._counts) <= 100


def test_nothing_has_no_largest() -> None:
    assert Frequent().largest == ("", 0)
