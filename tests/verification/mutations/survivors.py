"""List of the mutants that no test can notice, each with the reason, and the comparison with a run."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.verification.mutations.runner import Change

if TYPE_CHECKING:
    from collections.abc import Collection

LIST = Path(__file__).with_name("survivors.toml")
MOST_SURVIVORS = 0.03
"""Share of the mutants tried that may survive, listed ones included. With more, faults would hide in the
list."""


class Verdict(NamedTuple):
    """Comparison of the survivors of a run with the list."""

    unlisted: list[Change]
    gone: list[Change]
    """Listed changes that are no mutant of the code any more."""
    killed: list[Change]
    """Listed changes that a test notices by now."""


def listed(path: Path = LIST) -> dict[Change, str]:
    """Read the list: the reason of each change.

    Raises:
        ValueError: A change is listed twice or without a reason.
    """
    found: dict[Change, str] = {}
    for survivor in tomllib.loads(path.read_text(encoding="utf-8"))["survivor"]:
        why = survivor.pop("why")
        change = Change(**survivor)
        if change in found or not why:
            raise ValueError(f"{path.name}: {change} is there twice, or without a reason")
        found[change] = why
    return found


def compare(survived: Collection[Change], killed: Collection[Change], known: Collection[Change]) -> Verdict:
    """Compare the survivors of some files with the list of these files.

    Args:
        survived: Changes that survived.
        killed: Changes that a test noticed.
        known: Listed changes of the same files.
    """
    # Two mutants may be one change, where a line stands twice: it has survived if one of them has.
    alive = set(survived)
    return Verdict(
        unlisted=[change for change in dict.fromkeys(survived) if change not in known],
        gone=[change for change in known if change not in alive and change not in killed],
        killed=[change for change in known if change not in alive and change in killed],
    )
