"""Run schedules and name the seed of the first that fails, or replay one."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, get_args

from tests.verification.simulation.schedule import Guarantee
from tests.verification.simulation.world import quiet, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.verification.simulation.world import Verdict

SECONDS_BETWEEN_LINES = 5.0

SHOWN = (
    "recoveries",
    "rows_corrected",
    "reopened",
    "commits_refused",
    "standbys_begun",
    "checkpoints_written",
)
"""Counts that tell whether the schedules reach what they are for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the answer is the exit status."""
    guarantees = get_args(Guarantee)
    parser = argparse.ArgumentParser(prog="python -m tests.verification.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, help="how many, of all guarantees together")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--guarantee", choices=(*guarantees, "both"), default="both")
    parser.add_argument("--trace", action="store_true", help="write down everything that happens")
    told = parser.parse_args(arguments)
    chosen = guarantees if told.guarantee == "both" else (told.guarantee,)
    began = said = time.monotonic()
    faults = exits = 0
    counts: Counter[str] = Counter()
    worst = 0.0
    with quiet():
        for number in range(told.schedules):
            verdict = simulate(told.seed + number // len(chosen), chosen[number % len(chosen)])
            faults, exits = faults + len(verdict.plan.faults), exits + verdict.exits
            counts.update(verdict.counts)
            worst = max(worst, verdict.settled_after)
            if told.trace or verdict.violations:
                _show(verdict, trace=told.trace)
            if verdict.violations:
                return 1
            if time.monotonic() - said > SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                sys.stdout.write(f"{number + 1} of {told.schedules} schedules, {said - began:.0f} s\n")
                sys.stdout.flush()
    sys.stdout.write(", ".join(f"{name} {counts[name]}" for name in SHOWN) + "\n")
    sys.stdout.write(
        f"{told.schedules} schedules, {faults} faults, {exits} workers that ended, nothing violated, "
        f"settled at most {worst:.1f} virtual s after the last fault; {time.monotonic() - began:.0f} s\n"
    )
    return 0


def _show(verdict: Verdict, *, trace: bool) -> None:
    lines = [*verdict.plan.lines()]
    if trace:
        lines += [" ".join(str(part) for part in event) for event in verdict.trace]
    lines += [f"trace {verdict.digest}", *(f"VIOLATED {text}" for text in verdict.violations)]
    if verdict.violations:
        lines.append(f"replay it with: {verdict.command}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
