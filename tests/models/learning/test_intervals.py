"""Consumption statistics against the exact batch computation, closed forms against scipy."""

from __future__ import annotations

import doctest
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.learning import intervals as consumption
from models.learning.intervals import (
    LAPSE,
    LOG_STEPS,
    RATE_HALF_LIFE,
    RATE_PRIOR_DAYS,
    RATE_PRIOR_FACTOR,
    STEPS,
    UNSEEN_SHIFT,
    CategoryPrior,
    Posterior,
    Statistic,
    before_last,
    gamma_poisson_probability,
    interval_cdf,
    interval_posterior,
    mean_of_logits,
    observe,
    purchase_probability,
    renewal_interval,
    renewal_probability,
    renewal_quantile,
    renewal_survival,
)
from models.learning.priors import Priors
from models.settings import NOT_CONSUMED
from tests.support.ledgers import exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAPS = st.lists(st.integers(1, 400), min_size=0, max_size=30)


def bought(gaps: list[int], first: int = 6_000) -> consumption.Cells:
    cells = observe(np.zeros((1, len(Statistic)), np.float32), first, 1.0)
    for day in first + np.cumsum(gaps, dtype=np.int64):
        cells = observe(cells, day, 1.0)
    return cells


def prior(location: float = 3.0, variance: float = 0.8) -> CategoryPrior:
    return CategoryPrior(np.array([location]), np.array([variance]))


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(consumption).failed == 0


def test_days_folded_one_by_one_give_the_exact_statistics_of_the_real_data() -> None:
    trips = exact.before(exact.trips(exact.complete_journey(), NOT_CONSUMED), exact.week_end(16))
    expected = exact.statistics(trips)
    starts = exact.starts_of(trips)
    pairs = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(trips.days))))
    cells = np.zeros((len(starts), len(Statistic)), np.float32)
    for day in np.unique(trips.days):
        today = np.flatnonzero(trips.days == day)
        cells[pairs[today]] = observe(cells[pairs[today]], day, trips.quantities[today])
    columns = [
        (expected.purchases, Statistic.PURCHASES),
        (expected.first_day, Statistic.FIRST_DAY),
        (expected.last_day, Statistic.LAST_DAY),
        (expected.last_interval, Statistic.LAST_INTERVAL),
    ]
    for whole, column in columns:
        np.testing.assert_array_equal(cells[:, column], whole)
    exact.assert_statistics(cells, expected)


@given(gaps=GAPS)
def test_every_statistic_is_a_whole_number_of_its_steps_that_fits_16_bits(gaps: list[int]) -> None:
    steps = bought(gaps)[0, : Statistic.QUANTITY] * STEPS
    assert np.array_equal(steps, np.rint(steps))
    assert steps.min() >= 0
    assert steps.max() <= 65_535


def test_numbers_beyond_16_bits_stay_at_the_last_one() -> None:
    cells = observe(np.zeros((1, len(Statistic)), np.float32), 1, 1e9)
    assert cells[0, Statistic.QUANTITY] == 65_504
    cells = observe(observe(cells, 2, 1e9), 65_534, 1e9)
    assert cells[0, Statistic.VARIANCE_LOG] == pytest.approx((np.log(65_532) / 2) ** 2, abs=1e-3)
    cells[0, Statistic.PURCHASES] = 65_535
    assert observe(cells, 65_535, 1.0)[0, Statistic.PURCHASES] == 65_535


@given(gaps=GAPS.filter(bool))
def test_a_cell_before_its_last_interval_is_the_cell_of_the_trip_before(gaps: list[int]) -> None:
    before, wanted = before_last(bought(gaps))[0], bought(gaps[:-1])[0]
    for column in (Statistic.PURCHASES, Statistic.LAST_DAY):
        assert before[column] == wanted[column]
    off = 0.5 / LOG_STEPS * len(gaps) / max(1, len(gaps) - 1)
    assert before[Statistic.MEAN_LOG] == pytest.approx(wanted[Statistic.MEAN_LOG], abs=off + 1e-6)


@given(gaps=st.lists(GAPS, min_size=1, max_size=8))
def test_cells_do_not_depend_on_which_others_share_their_step(gaps: list[list[int]]) -> None:
    alone = np.concatenate([bought(one) for one in gaps])
    day, quantity = alone[:, Statistic.LAST_DAY] + 3, np.arange(1.0, len(gaps) + 1)
    together = observe(alone, day, quantity)
    apart = [observe(alone[i : i + 1], day[i], quantity[i]) for i in range(len(gaps))]
    np.testing.assert_array_equal(together, np.concatenate(apart))


def test_a_trip_that_is_not_later_is_refused_and_changes_nothing() -> None:
    cells = bought([7, 7])
    kept = cells.copy()
    with pytest.raises(ValueError, match="later"):
        observe(cells, cells[0, Statistic.LAST_DAY], 1.0)
    np.testing.assert_array_equal(cells, kept)


def test_no_cells_are_no_trouble() -> None:
    none, nothing = np.zeros((0, len(Statistic)), np.float32), Priors().of(np.zeros(0, np.int64))
    assert observe(none, 6_000, 1.0).shape == none.shape
    assert purchase_probability(none, nothing, np.zeros(0), 7).shape == (0,)


def test_evidence_draws_the_posterior_from_the_category_to_the_customer() -> None:
    far = [abs(interval_posterior(bought([7] * n), prior()).location[0] - np.log(7)) for n in range(12)]
    assert far[0] == pytest.approx(3 + UNSEEN_SHIFT - np.log(7))
    assert all(later < earlier for earlier, later in pairwise(far))
    assert far[-1] < 0.3


def test_irregular_customers_get_a_wider_spread() -> None:
    regular, irregular = (interval_posterior(bought(gaps), prior()) for gaps in ([7] * 12, [1, 49] * 6))
    assert irregular.spread[0] > 1.5 * regular.spread[0]


@given(location=st.floats(-1, 7), spread=st.floats(0.1, 3), days=st.integers(1, 2_000))
def test_the_interval_is_a_log_normal_in_whole_days(location: float, spread: float, days: int) -> None:
    one = Posterior(np.array([location]), np.array([spread]))
    wanted = stats.lognorm.cdf(days + 0.5, spread, scale=np.exp(location))
    assert interval_cdf(one, days)[0] == pytest.approx(wanted, abs=1e-12)
    assert renewal_survival(one, days)[0] == pytest.approx(LAPSE + (1 - LAPSE) * (1 - wanted), abs=1e-12)
    assert interval_cdf(one, 0)[0] == 0
    assert renewal_survival(one, 0)[0] == 1


@given(location=st.floats(1, 6), spread=st.floats(0.2, 2), share=st.floats(0.05, 0.95))
def test_quantiles_count_the_lapsed(location: float, spread: float, share: float) -> None:
    one = Posterior(np.array([location]), np.array([spread]))
    days = renewal_quantile(one, share)[0]
    reached = (1 - LAPSE) * stats.lognorm.cdf(days, spread, scale=np.exp(location))
    assert reached == pytest.approx(share, abs=1e-9) or days == 1


def test_a_quantile_that_is_never_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        renewal_quantile(Posterior(np.zeros(1), np.ones(1)), 1 - LAPSE)


def test_the_interval_opens_before_it_closes() -> None:
    low, high = renewal_interval(Posterior(np.linspace(-1, 7, 50), np.linspace(0.1, 3, 50)))
    assert np.all((low >= 1) & (low <= high))


def test_after_a_silence_that_no_chance_explains_the_interval_is_far_away_and_finite() -> None:
    for elapsed in (400, 5_000, 40_000):
        for coverage in (0.0, 0.8):
            low, high = renewal_interval(Posterior(np.log([7.0]), np.array([0.1])), elapsed, coverage)
            assert elapsed < low[0] <= high[0] <= 1 << 16


@pytest.mark.parametrize("elapsed", [0, 3, 20, 60])
def test_an_interval_holds_what_it_says_as_far_as_whole_days_allow(elapsed: int) -> None:
    generator = np.random.default_rng(9)
    some = Posterior(generator.uniform(1.5, 4.5, 500), generator.uniform(0.15, 1.2, 500))
    low, high = renewal_interval(some, elapsed)
    left = renewal_survival(some, elapsed)

    def held_until(last: NDArray[np.int64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = (renewal_survival(some, low - 1) - renewal_survival(some, last)) / left
        return share

    shorter, longer = (held_until(high + days) for days in (-1, 1))
    due = 1 - interval_cdf(some, elapsed)
    farthest = interval_cdf(some, high) - interval_cdf(some, elapsed) > 0.97 * due
    assert np.all((shorter < 0.801) | (low == high), where=due > 0.01)
    assert np.all((longer > 0.8) | farthest, where=due > 0.01)
    assert not np.any(farthest[due > 0.5])


def test_silence_makes_lapsing_likelier_than_any_purchase() -> None:
    one = Posterior(np.log([7.0]), np.array([0.5]))
    assert renewal_probability(one, 7, 7)[0] > renewal_probability(one, 0, 7)[0]
    assert renewal_probability(one, 200, 7)[0] < 1e-4


@given(gaps=GAPS, elapsed=st.integers(0, 400), horizon=st.integers(1, 100))
def test_gamma_poisson_is_the_negative_binomials_chance_of_not_none(
    gaps: list[int], elapsed: int, horizon: int
) -> None:
    days = np.cumsum([0, *gaps]).astype(np.float64)
    ages = days[-1] + elapsed - days
    trips = np.exp2(-ages[1:] / RATE_HALF_LIFE).sum() + RATE_PRIOR_DAYS * RATE_PRIOR_FACTOR * np.exp(-3.0)
    watched = RATE_HALF_LIFE / np.log(2) * (1 - np.exp2(-ages[0] / RATE_HALF_LIFE)) + RATE_PRIOR_DAYS
    none = stats.nbinom.pmf(0, trips, watched / (watched + horizon))
    said = gamma_poisson_probability(bought(gaps), prior(), elapsed, horizon)[0]
    assert said == pytest.approx(1 - none, abs=0.01), "the count is rounded"
    cells = bought(gaps)
    cells[0, Statistic.DECAYED_112] = 1 + np.exp2((days[:-1] - days[-1]) / RATE_HALF_LIFE).sum()
    said = gamma_poisson_probability(cells, prior(), elapsed, horizon)[0]
    assert said == pytest.approx(1 - none, abs=1e-5)


@given(gaps=GAPS, elapsed=st.integers(0, 4_000))
def test_the_combined_chance_lies_between_the_two_and_grows_with_the_horizon(
    gaps: list[int], elapsed: int
) -> None:
    cells, category = bought(gaps), prior()
    chances = [purchase_probability(cells, category, elapsed, horizon)[0] for horizon in (1, 7, 14, 28, 400)]
    assert all(0 < chance < 1 for chance in chances)
    assert all(near <= far + 1e-12 for near, far in pairwise(chances))
    renewal = renewal_probability(interval_posterior(cells, category), elapsed, 7)[0]
    rate = gamma_poisson_probability(cells, category, elapsed, 7)[0]
    assert min(renewal, rate, 1 - 1e-6) - 1e-12 <= chances[1] <= max(renewal, rate, 1e-6) + 1e-12


def test_certainty_stays_finite() -> None:
    assert mean_of_logits(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == pytest.approx([1 - 1e-6, 1e-6])
