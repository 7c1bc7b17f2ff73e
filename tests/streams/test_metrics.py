"""A worker's counters."""

from __future__ import annotations

from typing import get_args

import pytest

from models.contracts.changes import Counted
from streams.metrics import Counts, Times


def test_what_has_been_counted_is_told_by_name() -> None:
    counts = Counts()
    counts.batches += 1
    counts.applied += 40
    counts.applied += 2
    counts.dead_letters["json"] += 3
    assert counts.snapshot() == {"applied": 42, "batches": 1, "dead_letters.json": 3}


def test_a_level_is_told_while_it_is_known() -> None:
    counts = Counts()
    counts.partitions_assigned = 0
    counts.standby_lag = 2
    assert counts.snapshot() == {"partitions_assigned": 0, "standby_lag": 2}
    counts.partitions_assigned = None
    assert counts.snapshot() == {"standby_lag": 2}


def test_a_name_that_is_not_declared_is_refused() -> None:
    counts = Counts()
    with pytest.raises(AttributeError):
        counts.aplied += 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        counts.standby_lack = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        counts.take({"aplied": 1})  # type: ignore[dict-item]


def test_everything_that_a_ledger_counts_is_declared() -> None:
    counts = Counts()
    counts.take(dict.fromkeys(get_args(Counted), 2))
    assert counts.snapshot() == dict.fromkeys(get_args(Counted), 2)


def test_durations_are_counted_in_the_class_of_the_least_bound_they_do_not_exceed() -> None:
    times = Times()
    for seconds in (0.0005, 0.001, 0.0011, 100.0):
        times.observe(seconds)
    counted = dict(times.cumulative())
    assert (counted[0.001], counted[0.0025], counted[30.0], counted[float("inf")]) == (2, 3, 3, 4)
    assert times.seconds == 100.0026
