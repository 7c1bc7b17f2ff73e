"""Alerts are held against what was bought: hits, misses, the unknown, the customer's own rhythm."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartpulse.demo.outcomes import Outcome, PurchaseDays, Verdict, judge, median_interval, score
from cartpulse.demo.received import Alert, Evidence
from models.state.calendar import date_of

HIT, MISS, UNKNOWN = Outcome.HIT, Outcome.MISS, Outcome.UNKNOWN
LAST_DAY = 1000


def alert(*, last: int, best: int) -> Alert:
    return Alert(
        alert_id="a",
        customer_id="1",
        category="ROLLS",
        best_date=date_of(best),
        evidence=Evidence(3, 7.0, date_of(last)),
        occurred_at=datetime(2017, 1, 1, tzinfo=UTC),
    )


def verdict(days: list[int], *, last: int, best: int, last_day: int = LAST_DAY) -> Verdict:
    return judge(alert(last=last, best=best), days, last_day, lead=2, grace=5)


@pytest.mark.parametrize(
    ("bought", "outcome"), [(107, MISS), (108, HIT), (110, HIT), (115, HIT), (116, MISS)]
)
def test_a_hit_is_a_purchase_from_two_days_before_the_date_to_five_after(
    bought: int, outcome: Outcome
) -> None:
    judged = verdict([90, 100, bought, 130], last=100, best=110)
    assert judged.outcome is outcome
    assert judged.bought == bought


def test_only_the_next_purchase_of_the_cycle_counts() -> None:
    assert verdict([90, 100, 101, 110], last=100, best=110).outcome is MISS


def test_no_purchase_until_the_window_has_passed_is_a_miss() -> None:
    assert verdict([90, 100], last=100, best=110, last_day=150).outcome is MISS


def test_an_alert_whose_window_reaches_past_the_data_is_unknown_even_if_it_hit() -> None:
    assert verdict([90, 100, 110], last=100, best=110, last_day=114).outcome is UNKNOWN
    assert verdict([90, 100, 110], last=100, best=110, last_day=115).outcome is HIT


def test_the_rhythm_is_the_last_purchase_plus_the_median_of_earlier_intervals() -> None:
    judged = verdict([60, 70, 80, 100, 111, 300], last=100, best=130)
    assert judged.rhythm is HIT  # 100 + 10, bought on 111; the interval of 189 days came later
    assert judged.outcome is MISS


def test_a_rhythm_that_has_passed_moves_to_the_day_of_the_alert() -> None:
    judged = verdict([90, 100, 120], last=100, best=121)
    assert judged.rhythm is MISS  # 110
    assert judged.rhythm_updated is HIT  # 119


def test_a_rhythm_beyond_the_data_is_unknown_where_nothing_was_bought() -> None:
    assert verdict([50, 100], last=100, best=110, last_day=154).rhythm is UNKNOWN
    assert verdict([50, 100], last=100, best=110, last_day=155).rhythm is MISS


def test_shares_are_of_the_cycles_of_which_everything_is_known() -> None:
    verdicts = [
        Verdict(HIT, MISS, HIT, 1),
        Verdict(HIT, HIT, HIT, 1),
        Verdict(MISS, MISS, MISS, None),
        Verdict(MISS, HIT, MISS, 9),
        Verdict(UNKNOWN, UNKNOWN, UNKNOWN, None),
        Verdict(MISS, UNKNOWN, UNKNOWN, None),
    ]
    result = score(verdicts)
    assert (result.cycles, result.unknown) == (4, 2)
    assert (result.hit_share, result.rhythm_hit_share, result.rhythm_updated_hit_share) == (0.5, 0.5, 0.5)


def test_nothing_to_judge_gives_no_shares() -> None:
    assert score([]).hit_share is None


@pytest.mark.parametrize(
    ("days", "interval"), [([], 1), ([5], 1), ([5, 8], 3), ([1, 3, 6], 3), ([1, 3, 6, 100], 3)]
)
def test_the_median_interval_rounds_up_from_a_half(days: list[int], interval: int) -> None:
    assert median_interval(days) == interval


lines = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(1, 60)), min_size=1)


@settings(deadline=None)  # a machine under load is no fault of the code
@given(lines)
def test_purchase_days_are_those_of_the_lines_each_once(entries: list[tuple[int, int, int]]) -> None:
    customers, categories, days = (np.array(column, np.int64) for column in zip(*entries, strict=True))
    truth = PurchaseDays(customers, categories, days, ["A", "B", "C", "D"])
    for customer in range(1, 6):
        for number, name in enumerate("ABCD"):
            expected = sorted({day for who, what, day in entries if (who, what) == (customer, number)})
            assert truth.of(customer, name) == expected
    assert truth.last_day == max(day for _, _, day in entries)
