"""Run the fuzzing of record batches.

    python -m tests.verification.fuzz [--flips N] [--rounds N] [--seed N]

The flips go through the decoder alone; a round is a start of Apache Kafka whose logs hold a hundred flipped
batches. The status is 1 if anything was raised, passed over, or taken for what it is not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from rich.console import Console

from tests.verification.fuzz import kafka_logs
from tests.verification.fuzz.flips import Tally, run, told


def main() -> int:
    """Fuzz, and say what became of what."""
    parser = argparse.ArgumentParser(prog="python -m tests.verification.fuzz")
    parser.add_argument("--flips", type=int, default=100_000, help="batches flipped for the decoder alone")
    parser.add_argument("--rounds", type=int, default=10, help="starts of Apache Kafka, a hundred flips each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tally = Tally()
    run(given.flips, given.seed, tally)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(f"{given.flips:,} flipped batches through the decoder:", *told(tally), sep="\n  ")
    faults = list(tally.faults)
    if given.rounds:
        outcomes, missed = asyncio.run(kafka_logs.run(given.rounds, given.seed))
        console.print(f"{100 * given.rounds:,} flipped batches in logs of Apache Kafka:")
        console.print(*(f"  {name}: {count:,}" for name, count in sorted(outcomes.items())), sep="\n")
        faults += missed
    console.print(*(faults or ["Nothing was raised, passed over, or taken for what it is not."]), sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
