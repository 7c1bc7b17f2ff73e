"""A worker's counters."""

from __future__ import annotations

from streams.metrics import Counts, Times


def test_counters_add_up_and_are_told_by_name() -> None:
    counts = Counts()
    counts.add("batches")
    counts.add("applied", 40)
    counts.add("applied", 2)
    assert counts["applied"] == 42
    assert counts["never"] == 0
    assert counts.snapshot() == {"applied": 42, "batches": 1}


def test_a_level_stands_where_it_was_last_put() -> None:
    counts = Counts()
    counts.level("standby_lag", 40)
    counts.level("standby_lag", 2)
    assert counts.snapshot() == {"standby_lag": 2}


def test_a_level_that_is_not_known_any_more_is_none() -> None:
    counts = Counts()
    counts.add("batches")
    counts.level("partitions_assigned", 3)
    assert counts.levels() == {"partitions_assigned": 3}
    assert counts.counted() == {"batches": 1}
    counts.level("partitions_assigned", None)
    assert counts.levels() == {}


def test_durations_are_counted_in_the_class_of_the_least_bound_they_do_not_exceed() -> None:
    times = Times()
    for seconds in (0.0005, 0.001, 0.0011, 100.0):
        times.observe(seconds)
    counted = dict(times.cumulative())
    assert (counted[0.001], counted[0.0025], counted[30.0], counted[float("inf")]) == (2, 3, 3, 4)
    assert times.seconds == 100.0026
