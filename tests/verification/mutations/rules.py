"""Files that decide what counts and what is sent, each with the quick tests that watch it."""

from __future__ import annotations

from dataclasses import dataclass

_STATE = "tests/models/state/"
_SEGMENTS = "tests/models/segments/"
_ALERTS = "tests/models/alerts/test_lifecycle.py"
_BASKETS = "tests/models/ledger/test_baskets.py"


@dataclass(frozen=True, slots=True)
class Watched:
    """A file whose mutants tests must notice.

    Args:
        file: Path of the file.
        tests: Files of tests, from the root of the repository. Of these every mutant gets the tests that call
            the changed function, the quickest first.
    """

    file: str
    tests: tuple[str, ...]


WATCHED = (
    Watched("models/state/ring.py", (_STATE + "test_ring.py",)),
    Watched("models/state/open_days.py", (_STATE + "test_open_days.py",)),
    Watched("models/state/habits.py", (_STATE + "test_habits.py",)),
    Watched("models/state/visits.py", (_STATE + "test_visits.py",)),
    Watched("models/alerts/lifecycle.py", (_ALERTS,)),
    Watched("models/segments/changes.py", (_SEGMENTS + "test_changes.py",)),
    Watched("models/ledger/baskets.py", (_BASKETS, _STATE + "test_visits.py")),
    Watched("models/ledger/day_end.py", ("tests/models/ledger/test_day_end.py", _BASKETS, _ALERTS)),
    Watched("models/segments/settling.py", (_SEGMENTS + "test_settling.py",)),
    Watched("models/segments/recency.py", (_SEGMENTS + "test_recency.py",)),
    Watched("models/learning/fifths.py", ("tests/models/learning/test_fifths.py",)),
)

TOO_SLOW = tuple(
    f"{_SEGMENTS}test_changes.py::test_{name}"
    for name in (
        "a_customer_of_one_day_is_new_and_neither_lost_nor_a_champion_on_a_young_log",
        "a_segment_stays_while_ranks_within_the_margin_give_it",
    )
)
"""Tests that are left out, because a mutant that survives pays for every test of its file."""
