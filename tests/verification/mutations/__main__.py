"""Put each fault into a copy of the tree, and see which test notices (`make mutants`).

`models` instead lets a tool make the faults, in the rules of what counts (`make mutants ARGS=models`).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.verification.mutations import models
from tests.verification.mutations.plan import MUTATIONS, Mutation

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
COPIED = ("models", "streams", "agents", "cartpulse", "tests", "tools", "pyproject.toml")
LONGEST_SECONDS = 600


class Caught(NamedTuple):
    """What became of a mutation."""

    mutation: Mutation
    noticed: str | None
    """By what; None if nothing noticed."""
    seconds: float


def try_out(mutation: Mutation) -> Caught:
    """Run what has to notice a mutation on a copy of the tree that has it.

    Raises:
        Misfit: the tree has changed, and the mutation has to follow.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cartpulse-mutation-") as folder:
        tree = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, tree / name)
        mutation.apply(tree)
        done = subprocess.run(
            [sys.executable, *mutation.noticed_by],
            cwd=tree,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    noticed = _symptom(done.stdout) if done.returncode else None
    if done.returncode and noticed is None:
        raise RuntimeError(f"{mutation.name}: no test failed, but the command:\n{done.stdout}\n{done.stderr}")
    return Caught(mutation, noticed, time.monotonic() - began)


def _symptom(written: str) -> str | None:
    """The line that says what was noticed."""
    violated = re.search(r"^VIOLATED (.*)$", written, re.MULTILINE)
    if violated:
        seed = re.search(r"--seed (\d+)", written)
        return f"simulation, seed {seed[1] if seed else '?'}: {violated[1]}"
    failed = re.search(r"^FAILED \S+::(\S+)", written, re.MULTILINE)
    return f"unit test: {failed[1]}" if failed else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all; the answer is 1 if one was not noticed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["models"]:
        return models.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m tests.verification.mutations", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    told = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS if told.only in mutation.name]
    survivors = 0
    with ThreadPoolExecutor(told.jobs) as pool:
        for mutation, noticed, seconds in pool.map(try_out, chosen):
            survivors += noticed is None
            sys.stdout.write(f"{seconds:6.1f} s  {mutation.name}\n          {noticed or 'SURVIVED'}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} mutations, {survivors} survived\n")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
