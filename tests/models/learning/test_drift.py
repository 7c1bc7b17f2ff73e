"""Drift: how often habits that stay are called changed, and how soon those that change are found."""

from __future__ import annotations

import numpy as np
import pytest

from models.learning.drift import LEAST_INTERVALS, began, judge, spread_of

HABITS = 2_000
SPREAD = 0.93
"""Standard deviation of ln D within habits of The Complete Journey."""


def alarms(factor: float, *, before: int = 20, after: int = 60) -> np.ndarray:
    """Alarms of habits, (before + after, habits), whose intervals are multiplied from one on."""
    random, sums = np.random.default_rng(3), np.zeros((HABITS, 2), np.uint8)
    mean, squares = np.zeros(HABITS), np.zeros(HABITS)
    found = np.zeros((before + after, HABITS), np.bool_)
    for number in range(before + after):
        logs = random.normal(2.5, SPREAD, HABITS) + (np.log(factor) if number >= before else 0)
        if number:
            known = np.full(HABITS, number)
            judged = judge(sums, (logs - mean) / spread_of(squares / number, known), known)
            sums, found[number] = judged.sums, judged.alarm
        off = logs - mean
        mean += off / (number + 1)
        squares += off * (logs - mean)
    return found


def test_one_in_a_hundred_intervals_of_habits_that_stay_raises_an_alarm() -> None:
    found = alarms(1.0)[LEAST_INTERVALS:]
    assert 0.008 <= found.mean() <= 0.013


@pytest.mark.parametrize(
    ("factor", "delay"), [(2.0, 12), (3.0, 6), (4.0, 4), (0.5, 12), (1 / 3, 6), (0.25, 4)]
)
def test_half_of_the_habits_that_change_are_found_within_a_few_intervals(factor: float, delay: int) -> None:
    after = alarms(factor)[20:]
    first = np.where(after.any(axis=0), after.argmax(axis=0) + 1, len(after))
    assert np.median(first) <= delay


def test_a_single_long_interval_is_a_holiday_and_no_other_habit() -> None:
    sums = judge(np.zeros((1, 2), np.uint8), np.array([9.0]), np.array([50]))
    assert not sums.alarm[0]
    assert not judge(sums.sums, np.array([0.0]), np.array([51])).alarm[0]


def test_a_young_habit_is_not_judged() -> None:
    found = judge(np.full((1, 2), 200, np.uint8), np.array([3.0]), np.array([LEAST_INTERVALS - 1]))
    assert not found.alarm[0]
    assert not found.sums.any()


def test_the_smaller_the_shift_the_longer_ago_it_began() -> None:
    ago = began(np.array([0.5, 0.75, 1.0, 2.0, 4.0, -4.0]))
    assert ago.tolist() == sorted(ago.tolist(), reverse=True)
    assert ago[0] == 16
    assert ago[-1] == 1
