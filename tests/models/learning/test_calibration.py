"""Calibration: said chances come true, orders stay, outcomes are counted exactly and fade."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning import calibration as module
from models.learning.calibration import BINS, HALF_LIFE_DAYS, SCALE, Calibration, Calibrations

if TYPE_CHECKING:
    from random import Random

OUTCOMES = st.lists(st.tuples(st.integers(0, SCALE), st.booleans()), max_size=60)


def learnt(outcomes: list[tuple[int, bool]], before: Calibration | None = None) -> Calibration:
    chances, happened = np.array([chance for chance, _ in outcomes], np.int64), [it for _, it in outcomes]
    return (before or Calibration()).learnt(chances, np.array(happened, np.bool_), days=1.0)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(module).failed == 0


def test_without_outcomes_the_model_s_own_word_is_said() -> None:
    chances = np.linspace(0, 1, 101)
    np.testing.assert_allclose(Calibration().of(chances), chances, atol=1e-6)


def test_many_outcomes_of_a_shy_model_are_believed() -> None:
    random = np.random.default_rng(1)
    true = random.uniform(0, 1, 40_000)
    said = true**2
    found = Calibration().learnt(
        np.rint(said * SCALE).astype(int), random.uniform(0, 1, 40_000) < true, days=1
    )
    grid = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(found.of(grid**2), grid, atol=0.05)


@given(outcomes=OUTCOMES, one=st.floats(0, 1), other=st.floats(0, 1))
def test_no_order_is_changed_and_the_least_chance_is_the_one_of_which_it_is_said(
    outcomes: list[tuple[int, bool]], one: float, other: float
) -> None:
    found = learnt(outcomes)
    low, high = found.of(np.array(sorted((one, other))))
    assert 0 <= low <= high <= 1
    assert found.of(np.array([found.least(one)]))[0] == pytest.approx(one, abs=1e-6)


@given(outcomes=OUTCOMES, random=st.randoms(use_true_random=False))
def test_the_order_of_a_day_s_outcomes_plays_no_part_and_its_bytes_come_back(
    outcomes: list[tuple[int, bool]], random: Random
) -> None:
    other = outcomes.copy()
    random.shuffle(other)
    row = learnt(outcomes).encode()
    assert learnt(other).encode() == row
    assert learnt(outcomes, Calibration.decode(row)).encode() == learnt(outcomes, learnt(outcomes)).encode()


def test_old_outcomes_fade_by_half_in_four_weeks() -> None:
    once = learnt([(5_000, True)] * 8)
    later = once.learnt(np.zeros(0, np.int64), np.zeros(0, np.bool_), days=HALF_LIFE_DAYS)
    np.testing.assert_allclose(later.counts, once.counts / 2)


@pytest.mark.parametrize(
    "data",
    [b"", bytes(8), np.full((3, BINS), np.nan).tobytes(), np.full((3, BINS), -1.0).tobytes(),
     np.stack([np.zeros(BINS), np.ones(BINS), np.ones(BINS)]).tobytes()],
)  # fmt: skip
def test_bytes_that_no_calibration_wrote_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="calibration"):
        Calibration.decode(data)


def test_both_corrections_of_an_alert_come_back() -> None:
    both = Calibrations(learnt([(5_000, True)]), learnt([(2_000, False)]))
    again = Calibrations.decode(both.encode())
    assert again.encode() == both.encode()
    assert again.hit.encode() != again.week.encode()
