"""Lists as the benchmark of quality judges them, by hand."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from benchmarks.quality.baselines.additive import BINS, COLUMNS, START, Additive, places_of
from benchmarks.quality.log.journey import Bought
from benchmarks.quality.tables import baskets


def bought(*trips: tuple[int, int, tuple[int, ...]]) -> Bought:
    """Trips (household, day, names)."""
    lines = sorted((household, name, day) for household, day, names in trips for name in names)
    return Bought(*np.array(lines, np.int64).T)


def test_examples_hold() -> None:
    assert not doctest.testmod(baskets).failed


def test_a_short_basket_is_found_whole_at_the_first_places() -> None:
    assert baskets.score([1, 2, 3], {1, 2}) == pytest.approx((1.0, 1.0, 1.0))
    # More than ten bought: ten right names are the ideal list, and .5 of the basket.
    assert baskets.score(range(10), set(range(20))) == pytest.approx((0.5, 1.0, 1.0))


def test_trips_are_judged_from_the_fourth_on_by_what_was_known_the_day_before() -> None:
    log = bought((1, 0, (1,)), (1, 1, (1,)), (1, 2, (2,)), (1, 3, (2,)), (1, 4, (3,)))
    asked = list[int]()

    def lister(household: int, day: int) -> list[int]:
        assert household == 1
        asked.append(day)
        return [3]

    judged = baskets.judge(log, range(10), {"ours": lister})
    assert asked == [3, 4]
    assert judged.scores["ours"][:, 2].tolist() == [0.0, 1.0]
    # Before day 3: 1 twice, 2 once. Before day 4: 2 and 1 twice each; 2 was later, and decays less.
    assert judged.scores[baskets.OWN][:, 1].tolist() == pytest.approx([1 / np.log2(3), 0.0])
    assert judged.scores[baskets.DECAYED][1].tolist() == [0.0, 0.0, 0.0]


def test_ties_and_empty_places_go_to_what_is_popular() -> None:
    crowd = [(household, 0, (8, 9)) for household in (2, 3)] + [(4, 0, (9,))]
    log = bought(*crowd, (1, 0, (5,)), (1, 1, (5,)), (1, 2, (5,)), (1, 3, (9,)))
    judged = baskets.judge(log, range(3, 4), {})
    # Household 1 knows 5 alone; 9 is the most popular of the others and comes second.
    assert judged.scores[baskets.OWN][:, 1].tolist() == pytest.approx([1 / np.log2(3)])


def test_an_additive_model_learns_at_the_end_of_a_day_and_not_before() -> None:
    model, places = Additive(), np.zeros((COLUMNS, 2))
    places[0, 1] = 10.5
    before = model.score(places).tolist()
    assert before == pytest.approx([COLUMNS * START] * 2)
    model.observe(places, np.array([False, True]))
    assert model.score(places).tolist() == before
    model.end_day()
    after = model.score(places).tolist()
    assert after[1] > after[0]


def test_places_of_an_additive_model_are_those_of_the_household_s_past() -> None:
    # A name of trips 1, 2 and 4 of 4, on days 0, 7 and 21, asked for day 28.
    counts = np.array([[3.0], [1 + 0.97**2 + 0.97**3], [1 + 0.8**2 + 0.8**3]])
    places = places_of(counts, np.array([[4], [0], [21]]), trips=4, day=28)[:, 0]
    assert places.shape == (COLUMNS,)
    assert places[0] == pytest.approx(4 * np.log2(3))
    assert places[4] == 0
    assert places[5] == pytest.approx(4 * np.log2(7))
    # Seven days are two thirds of the mean interval of 10.5.
    assert places[6] == pytest.approx(16 + 3 * np.log2(7 / 10.5))
    assert ((places >= 0) & (places < BINS)).all()
