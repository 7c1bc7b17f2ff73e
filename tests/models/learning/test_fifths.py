"""Fifths with a margin against a rank that is computed value by value."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning import fifths
from models.learning.fifths import AT, LESS, MORE, Limits, cuts_of, scores_of


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(fifths).failed == 0


@given(
    values=st.lists(st.integers(-20, 20), min_size=1, max_size=60),
    margin=st.sampled_from([0.0, 0.05, 0.11, 0.5]),
)
def test_a_score_is_that_of_the_mid_rank_and_of_ranks_a_margin_away(values: list[int], margin: float) -> None:
    column = np.array(values)
    scores = scores_of(column, cuts_of(column, margin))
    steps = round(margin * 10_000)
    for place, value in enumerate(values):
        less, equal = sum(each < value for each in values), values.count(value)
        for row, shift in ((LESS, -steps), (AT, 0), (MORE, steps)):
            # rank + shift >= q / 5, in whole numbers
            passed = [
                (2 * less + equal) * 10_000 + 2 * len(values) * shift >= 2 * len(values) * 2_000 * q
                for q in range(1, 5)
            ]
            assert scores[row, place] == 1 + sum(passed)


def test_limits_come_back_from_their_bytes_and_damage_is_refused() -> None:
    draw = np.random.default_rng(5)
    cuts = np.stack([cuts_of(draw.integers(-(10**9), 10**9, 99), 0.1) for _ in range(3)])
    limits = Limits(6_000, cuts)
    again = Limits.decode(limits.encode())
    assert again.encode() == limits.encode()
    assert (again.began, len(limits.encode())) == (6_000, 292)
    with pytest.raises(ValueError, match="292 bytes"):
        Limits.decode(limits.encode()[:-1])
    for axis in (1, 2):
        with pytest.raises(ValueError, match="ascend"):
            Limits.decode(Limits(0, np.flip(cuts, axis)).encode())
