"""Let mutmut change the rules of what counts, and see that the tests of each file notice.

The files that decide what counts are watched (`rules.py`). A mutant gets the quick tests of its file, and
stops at the first that fails. A mutant that survives is on the list `survivors.toml`, with the reason why no
test can notice it. The command fails if one is not, if a listed one is gone or noticed by now, or if more
than 3 % of all survive. All files take 30 minutes of one busy core, `--only ring` a quarter of a minute.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.verification.mutations.rules import WATCHED
from tests.verification.mutations.runner import Change, Outcome, run
from tests.verification.mutations.survivors import MOST_SURVIVORS, compare, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
COPIED = ("models", "streams", "agents", "cartpulse", "tests", "tools")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all mutants of the watched files; return 1 if the list and the survivors differ."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.verification.mutations models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="files whose path contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants at once")
    told = parser.parse_args(arguments)
    chosen = [watched for watched in WATCHED if told.only in watched.file]
    outcomes: list[Outcome] = []
    for watched in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cartpulse-mutants-") as folder:
            outcomes.append(run(_copied(Path(folder)), watched, jobs=told.jobs))
        _say(f"{time.monotonic() - began:6.1f} s  {watched.file}: {_counts(outcomes[-1:])}")
    files = {watched.file for watched in chosen}
    known = [change for change in listed() if change.file in files]
    answer, sentences = judged(outcomes, known, whole=len(chosen) == len(WATCHED))
    for sentence in sentences:
        _say(sentence)
    return answer


def _copied(tree: Path) -> Path:
    """Copy what the tests of the models need, but for the settings of mutmut."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def judged(outcomes: Sequence[Outcome], known: Sequence[Change], *, whole: bool) -> tuple[int, list[str]]:
    """Compare a run with the list.

    Args:
        outcomes: Results of some files.
        known: Listed changes of these files.
        whole: True if these are all files, of which only few mutants may survive.

    Returns:
        Exit status, and the sentences that say why.
    """
    survived = [change for outcome in outcomes for change in outcome.survived]
    killed = [change for outcome in outcomes for change in outcome.killed]
    verdict = compare(survived, killed, known)
    sentences = [
        f"{what}\n{_told(change)}"
        for what, changes in (
            ("SURVIVED and is not on the list", verdict.unlisted),
            ("LISTED, and no mutant of the code any more", verdict.gone),
            ("LISTED, and a test notices it by now", verdict.killed),
        )
        for change in changes
    ]
    made = len(survived) + len(killed)
    crowd = whole and len(survived) > MOST_SURVIVORS * made
    if crowd:
        sentences.append(f"TOO MANY survive: more than {MOST_SURVIVORS:.0%}")
    sentences.append(f"{_counts(outcomes)}, {len(known)} listed, {len(verdict.unlisted)} unlisted")
    return int(crowd or any(verdict) or not made), sentences


def _counts(outcomes: Sequence[Outcome]) -> str:
    killed = sum(len(outcome.killed) for outcome in outcomes)
    survived = sum(len(outcome.survived) for outcome in outcomes)
    return f"{killed + survived} mutants made, {killed} killed, {survived} survived"


def _told(change: Change) -> str:
    """Return a change as `survivors.toml` lists it."""
    fields = "".join(f"{name} = '''{value}'''\n" for name, value in change._asdict().items())
    return f'[[survivor]]\n{fields}why = ""\n'


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
