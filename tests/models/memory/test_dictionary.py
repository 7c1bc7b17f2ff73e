"""Names as numbers: bounded, kept in shards, taken back by truncation."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.memory import dictionary
from models.memory.dictionary import UNTRACKED, Dictionary

NAMES = st.lists(st.text(min_size=1, max_size=60), max_size=60)
LONG = [f"{number:04d}" + "x" * 1_000 for number in range(100)]
"""More than six shards."""


def roomy() -> Dictionary:
    return Dictionary(most_names=10_000, most_bytes=10_000_000)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(dictionary).failed == 0


@given(names=NAMES)
def test_numbers_follow_the_first_appearance_and_lead_back_to_the_name(names: list[str]) -> None:
    known = roomy()
    numbers = known.numbers(names)
    assert [known.name(number) for number in numbers] == names
    assert list(dict.fromkeys(numbers)) == list(range(1, len(set(names)) + 1))
    assert known.find(names) == numbers


def test_looking_up_adds_nothing() -> None:
    known = roomy()
    assert known.find(["MILK"]) == [UNTRACKED]
    assert len(known) == 0


@given(first=NAMES, second=NAMES)
def test_shards_written_as_names_come_give_the_same_dictionary_back(
    first: list[str], second: list[str]
) -> None:
    known, stored = roomy(), dict[int, bytes]()
    for names in (first, LONG[:20], second, LONG):
        before = len(known)
        known.numbers(names)
        stored |= dict(known.shards_since(before))
    again = roomy()
    again.load([stored[shard] for shard in range(len(stored))])
    assert [again.name(number) for number in range(len(again) + 1)] == [
        known.name(number) for number in range(len(known) + 1)
    ]
    assert again.hashes[: len(again) + 1].tolist() == known.hashes[: len(known) + 1].tolist()
    assert max(map(len, stored.values())) <= 16_384


def test_only_shards_with_new_names_are_written_again() -> None:
    known = roomy()
    known.numbers(LONG)
    before = len(known)
    assert known.shards_since(before) == []
    known.numbers(["MILK"])
    ((shard, content),) = known.shards_since(before)
    assert shard > 0
    assert content.endswith(b"MILK")


@given(first=NAMES, second=NAMES)
def test_truncation_forgets_the_later_names_as_if_they_had_never_come(
    first: list[str], second: list[str]
) -> None:
    known, untouched = roomy(), roomy()
    for each in (known, untouched):
        each.numbers(first)
    known.numbers([*second, *LONG])
    known.truncate(len(untouched))
    assert known.find([*first, *second]) == untouched.find([*first, *second])
    assert known.numbers([*second, *LONG]) == untouched.numbers([*second, *LONG])
    assert known.shards_since(0) == untouched.shards_since(0)


def test_names_beyond_the_bounds_are_untracked_and_the_rest_stays() -> None:
    few = Dictionary(most_names=2, most_bytes=100)
    assert few.numbers(["a", "b", "c", "a"]) == [1, 2, UNTRACKED, 1]
    small = Dictionary(most_names=10, most_bytes=12)
    assert small.numbers(["1234567890", "b", "Ä"]) == [1, UNTRACKED, UNTRACKED]
    assert small.name(UNTRACKED) == ""


def test_room_freed_by_truncation_is_there_again() -> None:
    small = Dictionary(most_names=10, most_bytes=12)
    small.numbers(["1234567890"])
    small.truncate(0)
    assert small.numbers(["abc"]) == [1]


@pytest.mark.parametrize("cut", [1, 3])
def test_a_shard_that_is_cut_off_is_refused(cut: int) -> None:
    known = roomy()
    known.numbers(["MILK"])
    ((_, content),) = known.shards_since(0)
    with pytest.raises(ValueError, match="ends inside"):
        roomy().load([content[:cut]])
