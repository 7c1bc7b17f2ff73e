"""A trip hits when it holds something that was recommended before its day."""

from __future__ import annotations

import numpy as np

from cartpulse.demo.next_trips import Trips, judge_next_trips
from cartpulse.demo.received import Recommended

NAMES = ["MILK", "BREAD", *(f"c{number}" for number in range(20))]


def trips(*bought: tuple[int, int, int]) -> Trips:
    """Day, customer and category of each purchase."""
    columns = np.array(sorted(bought), np.int64)
    return Trips(columns[:, 1], columns[:, 2], columns[:, 0], NAMES)


def given(*said: tuple[float, str]) -> list[Recommended]:
    return [Recommended(instant, (category,)) for instant, category in said]


def test_the_last_recommendation_before_the_day_counts() -> None:
    found = judge_next_trips(
        trips((1, 7, 0), (2, 7, 1), (3, 7, 0)),
        {"7": given((1.5, "BREAD"), (2.5, "BREAD"), (3.5, "MILK"))},
        begin_of=float,
    )
    assert (found.trips, found.hit_share) == (2, 0.5)


def test_who_was_told_nothing_is_not_judged() -> None:
    found = judge_next_trips(trips((1, 7, 0), (2, 8, 1)), {}, begin_of=float)
    assert (found.trips, found.hit_share, found.popular_hit_share) == (0, None, None)


def test_what_was_popular_before_the_day_is_held_against_the_same_trips() -> None:
    crowd = [(1, customer, category) for customer in range(3) for category in range(2, 12)]
    found = judge_next_trips(trips(*crowd, (2, 7, 2), (3, 7, 0)), {"7": given((1.5, "MILK"))}, begin_of=float)
    assert (found.trips, found.hit_share, found.popular_hit_share) == (2, 0.5, 0.5)
