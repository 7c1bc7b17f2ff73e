"""Delivery and recovery under a thousand schedules of faults, each from a seed that replays it exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, get_args

import pytest

from tests.verification.simulation.__main__ import SHOWN, main
from tests.verification.simulation.schedule import Guarantee, schedule
from tests.verification.simulation.world import quiet, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEDULES = int(os.environ.get("SCHEDULES", "1000"))
"""Of both guarantees together."""

AT_ONCE = 100
"""Schedules of one test. After each the garbage of the whole process is collected, in a third of a second."""

GUARANTEES: tuple[Guarantee, ...] = get_args(Guarantee)


class Judged(NamedTuple):
    """Of a verdict all but the trace, which is long."""

    violations: list[str]
    command: str
    counts: Counter[str]


@cache
def judged(seed: int, guarantee: Guarantee) -> Judged:
    """Run a schedule, once for all tests of this file; to be called in `quiet`."""
    verdict = simulate(seed, guarantee)
    return Judged(verdict.violations, verdict.command, verdict.counts)


def chunks() -> Iterator[tuple[Guarantee, range]]:
    for guarantee in GUARANTEES:
        seeds = range(SCHEDULES // len(GUARANTEES))
        for first in seeds[::AT_ONCE]:
            yield guarantee, range(first, min(first + AT_ONCE, len(seeds)))


@pytest.mark.parametrize(
    ("guarantee", "seeds"), [*chunks()], ids=lambda part: str(part).replace("range", "seeds")
)
def test_nothing_is_lost_nor_counted_twice_whatever_happens(guarantee: Guarantee, seeds: range) -> None:
    with quiet():
        for seed in seeds:
            verdict = judged(seed, guarantee)
            assert not verdict.violations, f"{verdict.violations}; replay it with: {verdict.command}"


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_seed_gives_the_same_run_whatever_python_hashes_by(guarantee: Guarantee) -> None:
    digests = set()
    for seed_of_hashes in ("1", "2"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.verification.simulation",
                "--schedules=6",
                f"--guarantee={guarantee}",
                "--trace",
            ],
            env={**os.environ, "PYTHONHASHSEED": seed_of_hashes},
            check=True,
            capture_output=True,
            text=True,
        )
        digests.add(tuple(line for line in done.stdout.splitlines() if line.startswith("trace ")))
    with quiet():
        digests.add(tuple(f"trace {simulate(seed, guarantee).digest}" for seed in range(6)))
    assert len(digests) == 1
    assert len(set(digests.pop())) == 6


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_the_schedules_reach_what_they_are_for(guarantee: Guarantee) -> None:
    counts: Counter[str] = Counter()
    with quiet():
        for seed in range(80):
            counts.update(judged(seed, guarantee).counts)
    missing = {*SHOWN} - {name for name, count in counts.items() if count}
    # A transaction of a zombie's never counts, so there is nothing to correct.
    assert missing <= ({"rows_corrected"} if guarantee == "exactly_once" else set())


def test_a_schedule_is_its_seed() -> None:
    assert schedule(7, "exactly_once") == schedule(7, "exactly_once")
    assert schedule(7, "exactly_once") != schedule(8, "exactly_once")


def test_the_command_replays_a_seed_with_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules=1", "--seed=3", "--guarantee=at_least_once", "--trace"]) == 0
    written = capsys.readouterr().out
    assert "seed 3, at_least_once" in written
    assert "w0 starts" in written
    assert "nothing violated" in written
