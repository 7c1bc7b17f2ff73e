"""What priors learn, when it can be seen, and that the order of learning does not matter."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning import priors as module
from models.learning.intervals import LOG_STEPS, Statistic, interval_posterior, observe
from models.learning.priors import CATEGORIES, Priors
from models.settings import NOT_CONSUMED
from tests.support.ledgers import exact

if TYPE_CHECKING:
    from random import Random

    from models.learning.intervals import Cells


def cells_after(days: list[list[int]]) -> Cells:
    rows = []
    for trips in days:
        cell = np.zeros((1, len(Statistic)), np.float32)
        for day in trips:
            cell = observe(cell, day, 1.0)
        rows.append(cell)
    return np.concatenate(rows)


def taught(gaps: list[float], categories: list[int]) -> Priors:
    priors = Priors()
    cells = cells_after([[6_000]] * len(gaps))
    priors.learn(categories, cells, 6_000 + np.array(gaps))
    priors.adopt()
    return priors


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(module).failed == 0


def test_before_anything_is_known_there_is_a_weak_belief() -> None:
    fresh = Priors().of([0, 77, -1, CATEGORIES + 5])
    assert fresh.location == pytest.approx([3.0] * 4)
    assert fresh.variance == pytest.approx([0.8] * 4)


def test_what_a_day_teaches_is_seen_at_the_next_boundary_only() -> None:
    priors = Priors()
    priors.learn([1] * 50, cells_after([[6_000]] * 50), 6_007)
    assert priors.of([1]).location[0] == 3.0
    priors.adopt()
    assert priors.of([1]).location[0] < 2.4


def test_a_known_category_keeps_its_own_and_an_unknown_one_gets_the_whole() -> None:
    generator = np.random.default_rng(1)
    gaps = np.concatenate(
        [generator.lognormal(np.log(5), 0.5, 400), generator.lognormal(np.log(60), 0.5, 400)]
    )
    learnt = taught(list(np.maximum(np.rint(gaps), 1)), [1] * 400 + [2] * 400).of([1, 2, 3, -1])
    assert learnt.location[:2] == pytest.approx(np.log([5, 60]), abs=0.15)
    assert learnt.location[2] == pytest.approx(learnt.location[:2].mean(), abs=0.1)
    assert learnt.location[3] == pytest.approx(learnt.location[2], abs=1e-9)


def test_categories_alike_are_drawn_together_and_different_ones_are_left_apart() -> None:
    generator = np.random.default_rng(2)
    numbers = [number for number in range(30) for _ in range(10)]
    alike = taught(list(np.maximum(np.rint(generator.lognormal(3, 1, 300)), 1)), numbers)
    centres = np.repeat(generator.normal(3, 1.5, 30), 10)
    apart = taught(list(np.maximum(np.rint(generator.lognormal(centres, 0.3)), 1)), numbers)
    assert np.std(alike.of(np.arange(30)).location) < 0.2
    assert np.std(apart.of(np.arange(30)).location) > 0.9


def test_a_frequent_buyer_does_not_speak_for_the_category() -> None:
    priors = Priors()
    priors.learn([1] * 20, cells_after([[6_000]] * 20), 6_040)
    frequent = list(range(6_000, 6_100, 2))
    for index in range(1, len(frequent)):
        priors.learn([1], cells_after([frequent[:index]]), frequent[index])
    priors.adopt()
    assert np.exp(priors.of([1]).location[0]) > 20


def test_the_variance_is_the_one_within_customers() -> None:
    generator = np.random.default_rng(3)
    priors = Priors()
    for centre in generator.normal(3, 1, 400):
        days = 6_000 + np.cumsum(np.maximum(np.rint(generator.lognormal(centre, 0.5, 6)), 1)).astype(int)
        for index in range(1, 6):
            priors.learn([1], cells_after([list(days[:index])]), days[index])
    priors.adopt()
    assert priors.of([1]).variance[0] == pytest.approx(0.25, abs=0.06)


@given(
    seen=st.lists(st.tuples(st.integers(-1, 5), st.integers(1, 300), st.integers(1, 300)), max_size=30),
    random=st.randoms(use_true_random=False),
)
def test_the_order_and_grouping_of_a_days_lessons_do_not_matter(
    seen: list[tuple[int, int, int]], random: Random
) -> None:
    order = list(range(len(seen)))
    random.shuffle(order)
    whole, single = Priors(categories=4), Priors(categories=4)
    if seen:
        cells = cells_after([[6_000, 6_000 + first] for _, first, _ in seen])
        days = np.array([6_000 + first + second for _, first, second in seen])
        whole.learn([category for category, _, _ in seen], cells, days)
        for index in order:
            single.learn([seen[index][0]], cells[index : index + 1], days[index])
    assert whole.encode() == single.encode()
    whole.adopt()
    single.adopt()
    assert whole.encode() == single.encode()


def test_days_folded_one_by_one_give_the_exact_priors_and_posteriors_of_the_real_data() -> None:
    end = exact.week_end(12)
    trips = exact.before(exact.trips(exact.complete_journey(), NOT_CONSUMED), end)
    starts = exact.starts_of(trips)
    pairs = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(trips.days))))
    cells, learnt = np.zeros((len(starts), len(Statistic)), np.float32), Priors()
    for day in np.unique(trips.days):
        today = np.flatnonzero(trips.days == day)
        learnt.learn(trips.categories[today], cells[pairs[today]], day)
        cells[pairs[today]] = observe(cells[pairs[today]], day, trips.quantities[today])
        learnt.adopt()
    numbers = np.arange(len(exact.complete_journey().names))
    location, variance = exact.category_priors(trips, len(numbers), end)
    np.testing.assert_allclose(learnt.of(numbers).location, location, rtol=1e-4)
    np.testing.assert_allclose(learnt.of(numbers).variance, variance, rtol=1e-4)
    wanted = exact.posteriors(exact.statistics(trips), location, variance)
    found = interval_posterior(cells, learnt.of(trips.categories[starts]))
    np.testing.assert_allclose(found.location, wanted[0], atol=2 / LOG_STEPS)
    np.testing.assert_allclose(found.spread, wanted[1], atol=4 / LOG_STEPS)


def test_rows_are_bounded_and_come_back_whole() -> None:
    priors = Priors()
    priors.learn(np.arange(CATEGORIES), cells_after([[6_000]] * CATEGORIES), 6_010)
    priors.adopt()
    priors.learn([7], cells_after([[6_000]]), 6_020)
    row = priors.encode()
    assert len(row) < 256 * 1024
    again = Priors.decode(row)
    assert again.encode() == row
    again.adopt()
    priors.adopt()
    np.testing.assert_array_equal(again.of(np.arange(9)).location, priors.of(np.arange(9)).location)
    assert len(Priors().encode()) == 80


@pytest.mark.parametrize("damage", [b"", b"x" * 79, b"\xff" * 80, b"\x00" * 80 * (CATEGORIES + 2)])
def test_a_damaged_row_is_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match="priors"):
        Priors.decode(damage)


def test_old_evidence_fades() -> None:
    priors = taught([3.0] * 100, [1] * 100)
    young = priors.of([1]).location[0]
    priors.adopt(days=20 * 365)
    assert priors.of([1]).location[0] > young + 1
