"""Speed beside something, in one run.

    make bench                                   parts, pair with the commit before, and full
    make bench ARGS=--fast                       the same in ten minutes
    make bench ARGS="pair --rev main"            the ledger of this tree and of another commit
    make bench ARGS="--json FILE"                the figures as JSON, too

`parts` takes the ledger apart, `pair` runs it beside another commit's and compares their bytes, `full` runs
the whole service beside that of commit b99619e. Processor times are those of the process. A machine that was
busy before the start is named on top: such figures set no record.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.speed import full, pair, parts
from benchmarks.speed.machine import this_machine

BENCHMARKS = ("parts", "pair", "full")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks asked for and print their tables; the exit status is 1 if outputs differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("which", nargs="*", metavar="parts|pair|full", help="all of them if none is named")
    parser.add_argument("--fast", action="store_true", help="shorter runs, ten minutes in all")
    parser.add_argument("--rev", default="HEAD", help="commit beside which `pair` runs")
    parser.add_argument("--days", type=int, help="days that are measured")
    parser.add_argument("--rounds", type=int, help="rounds of `parts` and of `full`")
    parser.add_argument("--other-outputs", action="store_true", help="its outputs differ on purpose")
    parser.add_argument("--other-rows", action="store_true", help="its rows differ on purpose")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    given = parser.parse_args(arguments)
    unknown = set(given.which) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    machine = this_machine()
    figures: dict[str, Any] = {"machine": machine.as_json()}
    print("\n".join(machine.lines()))
    status = 0
    for which in given.which or BENCHMARKS:
        print(f"\n## {which}\n", flush=True)
        begun = time.monotonic()
        try:
            result = _run(which, given)
        except pair.DifferentOutputsError as error:
            print(error)
            status = 1
            continue
        print("\n".join(result.lines()), flush=True)
        tell(f"{which} took {time.monotonic() - begun:,.0f} s\n")
        figures[which] = result.as_json()
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return status


def _run(which: str, given: argparse.Namespace) -> parts.Parts | pair.Pair | full.Full:
    fast, days, rounds = given.fast, given.days, given.rounds
    if which == "parts":
        return parts.run(
            warm_days=40 if fast else 120, days=days or (10 if fast else 30), rounds=rounds or 3, tell=tell
        )
    if which == "pair":
        return pair.run(
            given.rev,
            warm_days=20,
            days=days or 10,
            compare_outputs=not given.other_outputs,
            compare_rows=not given.other_rows,
            tell=tell,
        )
    return full.run(
        full.FAST if fast else full.FULL,
        days=days or (30 if fast else 120),
        rounds=rounds or (1 if fast else 3),
        tell=tell,
    )


def tell(text: str) -> None:
    """Write progress to standard error, on one line where that is a terminal."""
    terminal = sys.stderr.isatty()
    print(f"\r\033[K{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
