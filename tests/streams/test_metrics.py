"""A worker's counters."""

from __future__ import annotations

from streams.metrics import Counts


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
