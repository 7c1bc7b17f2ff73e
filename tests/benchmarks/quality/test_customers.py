"""Labels, value and emitted alerts as the benchmark of quality judges them, by hand."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.quality.baselines import lifetimes
from benchmarks.quality.log import journey as journeys
from benchmarks.quality.log.ours import Alert, Topics
from benchmarks.quality.log.windows import DEVELOPMENT, FINAL
from benchmarks.quality.tables import emitted, segments, value
from models.learning.rfm import SEGMENTS
from tests.benchmarks.quality import made_up
from tests.benchmarks.quality.test_log import history

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.quality.log.journey import Journey

NAMES = ["MILK"]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.fixture
def journey(tmp_path: Path) -> Journey:
    """Five households; the greater the number, the later, the more often and the more it buys."""
    lines = [
        (household, f"2017-01-{day:02} 17:{household:02}:00", 1, household)
        for household in range(1, 6)
        for day in range(10, 10 + household)
    ]
    return journeys.read(days=60, folder=made_up.write(tmp_path, *lines))


def test_examples_hold() -> None:
    assert not doctest.testmod(segments).failed


def test_the_exact_labels_rank_all_households_by_quintiles(journey: Journey) -> None:
    labels = segments.exact_labels(segments.baskets_of(journey), at("2017-01-31 00:00:00"))
    assert labels.households.tolist() == [1, 2, 3, 4, 5]
    # Scores 1 to 5 in each measure: R1 V1, R2 V2, R3 V3, R4 V4, R5 V5.
    named = [SEGMENTS[label] for label in labels.labels.tolist()]
    expected = ["Hibernating", "Hibernating", "Needs Attention", "Loyal Customers", "Champions"]
    assert named == expected


def test_a_label_that_nobody_revises_is_that_of_the_last_purchase_day(journey: Journey) -> None:
    baskets = segments.baskets_of(journey)
    ends = [segments.exact_labels(baskets, segments._instant(day + 1, 0) - 1) for day in range(20)]
    households, said = segments.at_last_purchase(baskets, at("2017-01-31 00:00:00"), ends)
    # On its only day, 10 January, household 1 was the first of five to buy, once, and the least.
    assert households[0] == 1
    assert said[0] == ends[9].labels[0]
    assert said[-1] == ends[13].labels[-1]


def test_labels_are_asked_on_sundays_wednesdays_and_ten_random_instants() -> None:
    for window, weeks in ((DEVELOPMENT, 11), (FINAL, 12)):
        assert len(segments.instants_of(window)) == 2 * weeks + 10
    # Sunday 30 July 2017, 20:00 in New York, is midnight in UTC.
    assert at("2017-07-31 00:00:00") in segments.instants_of(DEVELOPMENT)


def test_whoever_buys_in_the_days_held_out_is_active(journey: Journey) -> None:
    # 12 January is day 11: households 4 and 5 buy on day 12, household 5 on day 13 too, a dollar a unit.
    asked = value.ask(journey, 11, 2)
    assert asked.households.tolist() == [1, 2, 3, 4, 5]
    assert asked.active.tolist() == [False, False, False, True, True]
    assert asked.spend.tolist() == [0.0, 0.0, 0.0, 4.0, 10.0]


def test_bg_nbd_expects_more_of_whoever_bought_lately() -> None:
    random = np.random.default_rng(3)
    age = random.uniform(20, 40, 300)
    repeats = random.poisson(age / 4).astype(float)
    past = lifetimes.Past(repeats, age * np.where(repeats > 0, 0.9, 0), age, random.uniform(10, 30, 300))
    said = lifetimes.forecast(past, 13)
    assert np.all((said.active >= 0) & (said.active <= 1))
    # A Poisson stream of one purchase in four weeks: 3.25 in 13.
    assert float(said.purchases.mean()) == pytest.approx(3.25, rel=0.15)


def alert(date: str, occurred_at: str, said: float) -> Alert:
    return Alert(
        customer_id="1",
        category="MILK",
        state="raised",
        best_date=date,
        hit_probability=said,
        occurred_at=occurred_at,
        interval_low="2017-01-10",
        interval_high="2017-01-14",
        probability_7_days=0.4,
    )


def test_an_emitted_alert_is_judged_by_the_first_purchase_from_the_day_it_opens() -> None:
    topics = Topics()
    # Raised at six in the morning of 9 January, day 8, for 11 January, day 10: window 8 to 15.
    topics.alerts.append(alert("2017-01-11", "2017-01-09T11:00:00Z", 0.6))
    pairs = history((0, 3, 6, 17, 18))
    found = emitted.raised_alerts(topics, pairs, NAMES, range(7, 20), 20)
    assert (found.raised.tolist(), found.date.tolist(), found.until.tolist()) == ([8], [10], [17])
    assert not emitted.in_window(found, -2, 5)[0]
    assert emitted.bought_from_date(found, pairs, 1)[0]
    # 13 days have six windows of 8 days: 7-14, 8-15 and 9-16 hold no purchase, the other three do.
    assert emitted.any_window(found, pairs, 1, range(7, 20)).tolist() == [0.5]


def test_an_alert_whose_window_the_log_does_not_see_end_is_not_judged() -> None:
    topics = Topics()
    topics.alerts.append(alert("2017-01-11", "2017-01-09T11:00:00Z", 0.6))
    assert not len(emitted.raised_alerts(topics, history((0, 3, 6)), NAMES, range(7, 20), 17).keys)


def test_recall_asks_for_every_purchase_of_a_pair_with_three_before() -> None:
    topics = Topics()
    topics.alerts.append(alert("2017-01-11", "2017-01-09T11:00:00Z", 0.6))
    pairs = history((0, 3, 6, 9, 12))
    found = emitted.raised_alerts(topics, pairs, NAMES, range(7, 20), 20)
    # Of days 9 and 12 the alert foresaw the first.
    assert emitted.recall(found, pairs, 1, range(7, 20)) == 0.5
