"""Measures of the benchmark of quality, by hand."""

from __future__ import annotations

import doctest
from itertools import combinations

import numpy as np
import pytest

from benchmarks.quality.measures import scores
from benchmarks.quality.measures.scores import Ranking


def test_examples_hold() -> None:
    assert not doctest.testmod(scores).failed


def test_equal_scores_are_half_in_order() -> None:
    seen = np.array([True, False, True, False])
    assert scores.area(np.zeros(4), seen) == 0.5
    assert scores.concordance(np.zeros(4), np.array([1, 2, 3, 99]), 91) == 0.5


def test_concordance_is_that_of_all_pairs_of_which_one_is_known_to_buy_first() -> None:
    random = np.random.default_rng(1)
    score, until = random.integers(0, 5, 40).astype(float), random.integers(1, 30, 40)
    right = total = 0.0
    for one, other in combinations(range(40), 2):
        first, last = sorted((one, other), key=lambda place: until[place])
        if until[first] == until[last] or until[first] > 20:
            continue
        total += 1
        right += (score[first] > score[last]) + (score[first] == score[last]) / 2
    assert scores.concordance(score, until, 20) == pytest.approx(right / total)


def test_calibration_compares_tenths_of_what_was_said() -> None:
    said = np.arange(100) / 100
    # A tenth has 10 rows: of the first, .045 is said and all are seen; of the others what is said.
    seen = np.zeros(100, bool)
    seen[:10] = True
    expected = np.mean([1 - 0.045, *(np.arange(10, 100).reshape(9, 10).mean(axis=1) / 100)])
    assert scores.calibration_error(said, seen) == pytest.approx(expected)


def test_equal_scores_are_one_depth_of_a_ranking() -> None:
    # By rows one would read a precision of 1 at the first place; two equal scores are one place.
    ranking = Ranking(np.array([0.9, 0.9, 0.1]), np.array([True, False, True]))
    assert ranking.precision.tolist() == [0.5, pytest.approx(2 / 3)]
    assert ranking.average_precision == pytest.approx(0.5 * 0.5 + 0.5 * 2 / 3)


def test_recall_is_of_all_that_could_be_found_and_precision_of_what_counts() -> None:
    ranking = Ranking(
        np.array([3.0, 2.0, 1.0, -np.inf]),
        np.array([True, False, True, False]),
        counts=np.array([True, False, True, True]),
        relevant=4,
    )
    assert ranking.precision.tolist() == [1.0, 1.0]
    assert ranking.recall.tolist() == [0.25, 0.5]
    assert ranking.precision_at(0.5) == 1.0
    assert ranking.precision_at(0.6) == 0.0
    assert ranking.recall_at(0.5) == 0.5
    assert ranking.best_f1 == pytest.approx((2 / 3, 1.0, 0.5))


def test_a_difference_is_drawn_by_household() -> None:
    # Two households, ten rows each: a draw has one of them twice, or both.
    households = np.repeat([1, 2], 10)
    one, other = np.repeat([1.0, 0.0], 10), np.zeros(20)
    found = scores.difference(one, other, households)
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)
