"""The truth of the benchmark of quality: which lines, which days, which pairs, which window."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.quality.log import journey, windows
from benchmarks.quality.log.journey import Bought
from benchmarks.quality.log.pairs import NEVER, History
from tests.benchmarks.quality import made_up

if TYPE_CHECKING:
    from pathlib import Path


def history(*pairs: tuple[int, ...]) -> History:
    """Purchase days of category 0, a household each."""
    columns = [(number, 0, day) for number, days in enumerate(pairs, 1) for day in days]
    return History(Bought(*np.array(columns, np.int64).T))


@pytest.mark.parametrize("module", [journey, windows])
def test_examples_hold(module: object) -> None:
    assert not doctest.testmod(module).failed  # type: ignore[arg-type]


def test_lines_without_quantity_category_or_known_product_are_left_out_and_fuel_counts_for_spend(
    tmp_path: Path,
) -> None:
    noon = "2017-01-02 17:00:00"
    made_up.write(
        tmp_path, (1, noon, 1, 1), (1, noon, 2, 0), (1, noon, 9, 1), (1, noon, 3, 5), (1, noon, 4, 1)
    )
    lines = journey.read(days=10, folder=tmp_path)
    assert lines.cents.tolist() == [100, 500, 100]
    assert lines.consumed.tolist() == [True, False, False]
    bought = lines.bought("category")
    assert [lines.names["category"][name] for name in bought.names.tolist()] == ["MILK"]


def test_a_day_is_one_of_new_york(tmp_path: Path) -> None:
    # 4:59 UTC is a minute to midnight in winter; in summer the day ends at 4:00 UTC.
    made_up.write(
        tmp_path,
        (1, "2017-01-02 04:59:00", 1, 1),
        (1, "2017-01-02 05:00:00", 1, 1),
        (1, "2017-07-02 03:59:00", 1, 1),
        (1, "2017-07-02 04:00:00", 1, 1),
    )
    assert journey.read(days=365, folder=tmp_path).days.tolist() == [0, 1, 181, 182]


def test_a_type_is_told_apart_by_its_category(tmp_path: Path) -> None:
    made_up.write(tmp_path, (1, "2017-01-02 17:00:00", 1, 1))
    assert "MILK | WHOLE" in journey.read(days=10, folder=tmp_path).names["product_type"]


def test_nothing_after_the_window_is_read(tmp_path: Path) -> None:
    made_up.write(tmp_path, (1, "2017-01-02 17:00:00", 1, 1), (1, "2017-01-03 17:00:00", 1, 1))
    assert journey.read(days=2, folder=tmp_path).days.tolist() == [1]


def test_a_pair_is_asked_about_from_its_third_purchase_day_on() -> None:
    pairs = history((0, 5, 9, 20), (0, 9), (0, 3, 10))
    asked = pairs.at(10)
    assert pairs.households(asked).tolist() == [1]
    assert (asked.purchases.tolist(), asked.day.tolist()) == ([3], [9])
    assert pairs.elapsed(asked).tolist() == [0]
    assert asked.until.tolist() == [11]


def test_the_next_purchase_counts_from_the_last_day_known() -> None:
    asked = history((0, 5, 9, 20)).at(15)
    # Day 14 is the last known: day 20 is six days ahead.
    assert asked.until.tolist() == [6]


def test_a_purchase_that_is_not_seen_is_never() -> None:
    assert history((0, 5, 9)).at(10).until.tolist() == [NEVER]


def test_every_purchase_from_the_third_on_begins_a_cycle() -> None:
    asked = history((0, 5, 9, 20, 21)).after(range(5, 21))
    assert asked.day.tolist() == [9, 20]
    assert asked.until.tolist() == [11, 1]
    assert asked.purchases.tolist() == [3, 4]


def test_medians_know_the_past_alone() -> None:
    # Intervals 5, 4, 11: medians 5, 4.5, 5.
    assert history((0, 5, 9, 20)).medians().tolist() == [0.0, 5.0, 4.5, 5.0]


def test_development_knows_nothing_after_week_40_and_follows_every_purchase_for_91_days() -> None:
    window = windows.DEVELOPMENT
    assert windows.date_of(window.days - 1).isoformat() == "2017-10-01"
    assert window.purchase_days[-1] + windows.FOLLOW_UP == window.days - 1
    assert max(window.pair_cuts) - 1 + windows.FOLLOW_UP == window.days - 1
    assert max(window.digest_cuts) - 1 + 7 <= window.days - 1
    assert all(windows.date_of(cut - 1).strftime("%A") == "Sunday" for cut in window.digest_cuts)
    assert len(window.digest_cuts) == 12
