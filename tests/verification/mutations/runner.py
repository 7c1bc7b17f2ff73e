"""Mutants made by mutmut from one file of the models, and what the file's tests made of each."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.verification.mutations.rules import TOO_SLOW, Watched

SETTINGS = """\
[mutmut]
source_paths=models
only_mutate={file}
do_not_mutate_patterns=^\\s*raise
also_copy=
{copied}
pytest_add_cli_args=
    -p
    no:cacheprovider
    -p
    tests.verification.mutations.plugin
    --hypothesis-profile=mutants
pytest_add_cli_args_test_selection=
{tests}
timeout_multiplier=6
timeout_constant=5
"""
"""Settings of mutmut. A mutant times out after half a minute and six times what its tests take. With less, a
survivor on a busy machine would pass for an endless loop."""
_SURVIVED = (0, 5, 33)
"""Exit codes: all tests passed; none ran; none calls the function."""
_MANGLED = re.compile(r"\bx(?:_|ǁ\w+?ǁ)(\w+?)__mutmut_\w+")


class Change(NamedTuple):
    """A mutant by what it changes, which stays the same wherever the function moves in its file."""

    file: str
    function: str
    was: str
    """Changed lines, without their indentation, as one line."""
    now: str
    """Lines in their place; empty if there are none."""


class Outcome(NamedTuple):
    """Result of the mutants of one file."""

    killed: list[Change]
    survived: list[Change]
    left_out: int
    """Mutants that were made and not tried, because they decide nothing."""

    @property
    def made(self) -> int:
        """Mutants that were tried."""
        return len(self.killed) + len(self.survived)


def configure(tree: Path, watched: Watched) -> None:
    """Write the settings of mutmut for a file into a copy of the repository."""
    tests = [*watched.tests, *(f"--deselect={test}" for test in TOO_SLOW if test.startswith(watched.tests))]
    (tree / "setup.cfg").write_text(
        SETTINGS.format(
            file=watched.file,
            copied=_lines(["streams", "agents", "cartpulse", "tools"]),
            tests=_lines(tests),
        ),
        encoding="utf-8",
    )


def changes_of(tree: Path, file: str) -> dict[str, Change]:
    """Make the mutants of a file, by mutmut's names for them.

    Args:
        tree: Copy of the repository whose `setup.cfg` configures mutmut.
        file: Path of the file.
    """
    from mutmut.configuration import Config  # noqa: PLC0415 - it reads the folder's settings when it is used
    from mutmut.mutation.file_mutation import mutate_file_contents  # noqa: PLC0415 - the same

    with contextlib.chdir(tree):
        Config.reset()
        made = mutate_file_contents(file, Path(file).read_text(encoding="utf-8"))
    lines = made.code.splitlines()

    def text(name: str) -> list[str]:
        span = made.line_span_by_function_name[name]
        return [_MANGLED.sub(r"\1", line).strip() for line in lines[span.start - 1 : span.end]]

    module = file.removesuffix(".py").replace("/", ".")
    found: dict[str, Change] = {}
    for name in made.mutant_names:
        function = name.rpartition("__mutmut_")[0]
        difference = list(difflib.ndiff(text(f"{function}__mutmut_orig"), text(name)))
        was, now = (
            " ".join(line[2:] for line in difference if line.startswith(mark)) for mark in ("- ", "+ ")
        )
        told = re.sub("^x[_ǁ]", "", function).replace("ǁ", ".")
        found[f"{module}.{name}"] = Change(file, told, was, now)
    return found


def decides_nothing(change: Change) -> bool:
    """Return True for a change that says nothing about the rules.

    - `None` in place of a value raises wherever the line runs: it asks only whether the line runs, which the
      other mutants of the line ask as well.
    - `strict` of `zip` guards against a fault in the code beside it.
    - The name of a sort in other letters is the same sort to numpy.
    """
    none = change.now.count("None") > change.was.count("None")
    strict = change.was.count("strict=True") > change.now.count("strict=True")
    sort = 'kind="' in change.was and change.now.lower() == change.was.lower()
    return none or strict or sort


def run(tree: Path, watched: Watched, *, jobs: int) -> Outcome:
    """Try all mutants of a file.

    Args:
        tree: Copy of the repository, which the run may change.
        watched: File and its tests.
        jobs: Mutants tried at once.

    Raises:
        RuntimeError: The tests fail without any mutant, or mutmut does.
    """
    configure(tree, watched)
    shutil.rmtree(tree / "mutants", ignore_errors=True)
    changes = changes_of(tree, watched.file)
    tried = {name: change for name, change in changes.items() if not decides_nothing(change)}
    done = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), "run", f"--max-children={jobs}", *tried],
        cwd=tree,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    codes = _exit_codes(tree / "mutants" / f"{watched.file}.meta") if not done.returncode else {}
    if any(codes.get(name) is None for name in tried):
        raise RuntimeError(f"mutmut did not try all of {watched.file}:\n{done.stdout[-4000:]}\n{done.stderr}")
    survived = [change for name, change in tried.items() if codes[name] in _SURVIVED]
    killed = [change for name, change in tried.items() if codes[name] not in _SURVIVED]
    return Outcome(killed, survived, len(changes) - len(tried))


def _exit_codes(meta: Path) -> dict[str, int | None]:
    """Read the exit code of the tests of each mutant."""
    codes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return codes


def _lines(items: list[str]) -> str:
    return "\n".join(f"    {item}" for item in items)
