"""Looked-up dates against an exhaustive search, and against the median rhythm on the real data."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from benchmarks.alert_quality import Replay, hits, known, select
from models.learning import alert_dates
from models.learning.alert_dates import AlertDates
from models.learning.intervals import LAPSE, Posterior
from models.settings import NOT_CONSUMED
from tests.support.ledgers import exact


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(alert_dates).failed == 0


@pytest.mark.parametrize(("lead", "grace"), [(2, 5), (0, 0), (0, 28), (14, 0), (14, 28)])
def test_a_looked_up_date_is_as_good_as_the_searched_one(lead: int, grace: int) -> None:
    generator = np.random.default_rng(4)
    some = Posterior(generator.uniform(-0.9, 6.0, 600), generator.uniform(0.1, 2.9, 600))
    dates = AlertDates(lead, grace)
    days, chance = dates.best(some)
    for index, (location, spread) in enumerate(zip(*some, strict=True)):
        searched = exact.hit_chances(location, spread, lead, grace)
        assert chance[index] == pytest.approx(searched[days[index]], abs=1e-9)
        assert chance[index] >= searched.max() - 0.002
    assert np.all(days > lead)


def test_beyond_the_grid_dates_stay_sensible() -> None:
    wild = Posterior(np.array([-5.0, 0.0, 9.0, 3.0]), np.array([0.01, 0.01, 0.01, 50.0]))
    days, chance = AlertDates(2, 5).best(wild)
    assert np.all(days >= 3)
    assert np.all((chance >= 0) & (chance <= 1 - LAPSE))


def test_the_chance_given_silence_counts_only_what_is_left_of_the_window() -> None:
    dates = AlertDates(2, 5)
    one = Posterior(np.log([14.0]), np.array([0.4]))
    date, chance = dates.best(one)
    before, at_opening, inside, after = (
        dates.hit_given(one, date, np.array([elapsed]))[0]
        for elapsed in (0, date[0] - 3, date[0] + 4, date[0] + 5)
    )
    assert before == pytest.approx(chance[0])
    assert at_opening > before > inside > after == 0


def test_negative_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="lead"):
        AlertDates(-1, 5)


def test_on_real_purchases_it_beats_the_customers_own_median_and_says_what_it_is_worth() -> None:
    trips = exact.trips(exact.complete_journey(), (*NOT_CONSUMED, ""))
    cycles = Replay(trips, exact.week_end(26)).run()
    cycles = select(cycles, known(cycles))
    for minimum in (0.0, 0.3, 0.35, 0.5):
        chosen = select(cycles, cycles.chance >= minimum)
        assert hits(chosen, chosen.date).mean() > 1.1 * hits(chosen, chosen.median).mean()
    watched = select(cycles, cycles.watched >= 70)
    assert hits(watched, watched.date).mean() == pytest.approx(watched.chance.mean(), abs=0.05)
    inside = (watched.actual >= watched.low) & (watched.actual <= watched.high)
    assert inside.mean() == pytest.approx(0.8, abs=0.05)
