"""Files that decide what counts and what is sent, each with the quick tests that watch it."""

from __future__ import annotations

from dataclasses import dataclass

_STATE = "tests/models/state/"
_SEGMENTS = "tests/models/segments/"


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
    Watched("models/alerts/lifecycle.py", ("tests/models/alerts/test_lifecycle.py",)),
    Watched("models/ledger/baskets.py", ("tests/models/ledger/test_baskets.py", _STATE + "test_visits.py")),
    Watched("models/segments/settling.py", (_SEGMENTS + "test_settling.py",)),
)

TOO_SLOW: tuple[str, ...] = ()
"""Tests that are left out, because a mutant that survives pays for every test of its file."""
