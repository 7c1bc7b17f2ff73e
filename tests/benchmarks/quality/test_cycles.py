"""Alerts and quantiles as the benchmark of quality judges them, by hand."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from benchmarks.quality.baselines import rules
from benchmarks.quality.log.ours import Answer, Cycles
from benchmarks.quality.log.pairs import NEVER
from benchmarks.quality.tables import cycles, next_purchase
from tests.benchmarks.quality.test_log import history


def said(dates: list[float], chances: list[float]) -> Cycles:
    middle = np.array(dates)
    return Cycles(np.stack([middle - 3, middle, middle + 3]), middle, np.array(chances))


def test_examples_hold() -> None:
    assert not doctest.testmod(cycles).failed
    assert not doctest.testmod(next_purchase).failed


def test_an_alert_that_a_purchase_comes_before_is_no_false_alarm_and_its_cycle_still_asks_for_recall() -> (
    None
):
    # Window of day 10: 8 to 15. Bought on day 5: superseded. On day 8: a hit. Never: a false alarm.
    ranking = cycles.alerts(said([10, 10, 10], [0.3, 0.2, 0.1]), np.array([5, 8, NEVER]))
    assert ranking.precision.tolist() == [1.0, 0.5]
    assert ranking.recall.tolist() == [0.5, 0.5]


def test_a_cycle_that_ends_after_91_days_is_none_that_could_be_found() -> None:
    ranking = cycles.alerts(said([90, 10], [0.2, 0.1]), np.array([92, 10]))
    assert ranking.recall.tolist() == [1.0, 2.0]


def test_the_rules_name_the_median_of_intervals_as_the_date() -> None:
    pairs = history((0, 6, 10, 14), (0, 5, 9))
    found = cycles.rules_of(pairs, range(9, 16), pairs.medians())
    # In order of household and day: at day 10 intervals 6, 4; at day 14 6, 4, 4; at day 9 5, 4.
    assert found[next_purchase.MEDIAN].date.tolist() == [5.0, 4.0, 4.5]
    assert found[next_purchase.MEDIAN].chance.tolist() == [-5.0, -4.0, -4.5]


def test_a_due_date_that_has_passed_is_tomorrow() -> None:
    pairs = history((0, 6, 10), (0, 4, 20))
    asked = pairs.at(22)
    # Medians 5 and 10, elapsed 11 and 1.
    found = rules.remaining_median(pairs, asked, pairs.medians())
    assert found.tolist() == [1.0, 9.0]


def test_cycles_are_answered_on_their_own_day() -> None:
    pairs = history((0, 6, 10, 14), (0, 5, 14))
    asked = pairs.after(range(10, 15))
    one = Answer(None, said([3], [0.5]), np.array([True]), np.array([False]))
    two = Answer(None, said([4, 7], [0.6, 0.7]), np.array([True, False]), np.array([False, False]))
    answered, held, _ = cycles.gathered({10: one, 14: two}, asked)
    assert answered.date.tolist() == [3.0, 4.0, 7.0]
    assert held.tolist() == [True, True, False]


def test_pinball_losses_are_cut_off_where_the_follow_up_ends() -> None:
    losses = cycles._losses(said([10], [0.5]), np.array([NEVER]))
    # Quantiles 7, 10, 13 and 91 days: .1 x 84, .5 x 81, .9 x 78.
    assert losses.tolist() == [pytest.approx((8.4 + 40.5 + 70.2) / 3)]
