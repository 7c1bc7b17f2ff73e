"""Segments against the exact batch computation, and histograms that forget how they came about."""

from __future__ import annotations

import copy
import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning import rfm as segments
from models.learning.rfm import DAY_MS, SEGMENTS, Histograms, RfmScores, label
from tests.support.ledgers import exact

START = 17_200 * DAY_MS
TIMES = st.integers(START - 2_000 * DAY_MS, START + 80 * DAY_MS)
CUSTOMERS = st.lists(st.tuples(TIMES, st.integers(0, 5_000), st.integers(-(10**6), 10**14)), max_size=25)


def standing(rows: list[tuple[int, int, int]]) -> RfmScores:
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return RfmScores(columns[:, 0], columns[:, 1], columns[:, 2])


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(segments).failed == 0


def test_every_pair_of_scores_has_the_label_of_its_definition() -> None:
    for recency in range(1, 6):
        for frequency in range(1, 6):
            for money in range(1, 6):
                wanted = exact.rfm_label(recency, (frequency + money + 1) // 2)
                scores = (np.array([score], np.int8) for score in (recency, frequency, money))
                assert label(*scores)[0] == wanted
    assert len(SEGMENTS) == 8


@pytest.mark.parametrize("day", [31, 90, 180, 270, 320, 364])
def test_labels_agree_with_the_exact_batch_computation(day: int) -> None:
    moment = exact.day_start_ms(exact.FIRST_DAY + day + 1)
    known = exact.customers(exact.complete_journey(), before_ms=moment)
    now = RfmScores(known.last_purchase, known.frequency, known.spend)
    cuts = Histograms.build(now, moment).thresholds(minimum_population=50)
    assert cuts is not None
    assert np.mean(label(*cuts.scores(now)) == exact.rfm_labels(known)) >= 0.998


def test_a_year_of_moves_and_rolls_equals_a_rebuild() -> None:
    lines = exact.complete_journey()
    days = [exact.FIRST_DAY + day for day in (20, 60, 61, 120, 260, 364)]
    who = np.unique(lines.customers)
    before = RfmScores(*(np.zeros(len(who), np.int64) for _ in range(3)))
    kept = Histograms(exact.day_start_ms(days[0]))
    for day in days:
        moment = exact.day_start_ms(day)
        known = exact.customers(lines, before_ms=moment)
        columns = [np.zeros(len(who), np.int64) for _ in range(3)]
        for column, values in zip(columns, known[1:], strict=True):
            column[np.searchsorted(who, known.customers)] = values
        after = RfmScores(*columns)
        kept.move(before, after)
        kept.roll(moment)
        assert kept == Histograms.build(after, moment)
        before = after


@given(first=CUSTOMERS, second=CUSTOMERS, roll=st.lists(st.integers(0, 1_600), max_size=3))
def test_histograms_depend_on_the_customers_and_the_day_alone(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]], roll: list[int]
) -> None:
    size = min(len(first), len(second))
    old, new = standing(first[:size]), standing(second[:size])
    moved = Histograms.build(old, START)
    last = START
    for days in roll:
        last = max(last, START + days * DAY_MS)
        moved.roll(last)
    moved.move(old, new)
    rebuilt = Histograms(last)
    for row in reversed(second[:size]):
        rebuilt.add(standing([row]))
    assert moved == rebuilt
    assert moved.thresholds() == rebuilt.thresholds()
    assert moved.population == int(np.count_nonzero(new.frequency))


@given(first=CUSTOMERS, second=CUSTOMERS, roll=st.lists(st.integers(0, 1_600), max_size=3))
def test_all_changes_since_a_mark_are_taken_back_and_none_before_it(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]], roll: list[int]
) -> None:
    size = min(len(first), len(second))
    old, new = standing(first[:size]), standing(second[:size])
    histograms = Histograms(START)
    histograms.add(old)
    histograms.mark()
    before = copy.deepcopy(histograms)
    histograms.move(old, new)
    for days in roll:
        histograms.roll(START + days * DAY_MS)
        histograms.add(standing(first[size:]))
        histograms.move(new, old)
        histograms.move(old, new)
    histograms.undo()
    assert histograms == before
    histograms.undo()
    assert histograms == before


@given(rows=CUSTOMERS.filter(lambda rows: any(frequency > 0 for _, frequency, _ in rows)))
def test_small_amounts_get_exactly_the_quintile_score(rows: list[tuple[int, int, int]]) -> None:
    there = standing([(when, min(often, 1_000), 0) for when, often, _ in rows if often > 0])
    cuts = Histograms.build(there, START).thresholds()
    assert cuts is not None
    np.testing.assert_array_equal(cuts.scores(there)[1], exact.quintile_scores(there.frequency))
    assert all(np.all((score >= 1) & (score <= 5)) for score in cuts.scores(there))


def test_buckets_are_gapless_and_begin_where_they_say() -> None:
    amounts = np.arange(200_000)
    buckets = segments._bucket(amounts)
    assert set(np.diff(buckets)) == {0, 1}
    firsts = np.flatnonzero(np.diff(buckets, prepend=-1))
    assert [segments._least(int(bucket)) for bucket in buckets[firsts[1:]]] == list(firsts[1:])
    assert segments._bucket(np.array([-5, 0])).tolist() == [0, 0]


def test_too_few_customers_are_not_ranked() -> None:
    few = standing([(START, 1, 10_000)] * 49)
    assert Histograms.build(few, START).thresholds(minimum_population=50) is None
    assert Histograms(START).thresholds(minimum_population=1) is None


def test_going_back_in_time_does_nothing() -> None:
    shop = Histograms.build(standing([(START, 1, 1)]), START)
    shop.roll(START - 9 * DAY_MS)
    assert shop == Histograms.build(standing([(START, 1, 1)]), START)
