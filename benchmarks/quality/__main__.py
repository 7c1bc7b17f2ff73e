"""Quality of what Cartpulse says, beside baselines on the same pairs and labels.

    make quality                                 every section on weeks 1 to 40
    make quality ARGS=--fast                     one household in eight
    make quality ARGS="A1 B2"                    some sections
    make quality ARGS="--final --json FILE"      the whole year: once, at the end
    make quality ARGS="--predictions DIR"        what was predicted, without the truth
    make quality ARGS="--pictures DIR"           reliability, ranks, clusters and segments as SVG

Constants are chosen on weeks 1 to 40, and a label that needs a later week is not known there. The sections:
A1 next purchase of a pair at a cut, A2 time to it at every purchase, B1 one alert date a cycle, B2 weekly
digest, C next basket, D labels and clusters, E activity and value, and what is emitted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.quality import pictures, predictions
from benchmarks.quality.log.journey import FAST
from benchmarks.quality.log.windows import DEVELOPMENT, FINAL
from benchmarks.quality.report import PARTITIONS, SECTIONS, Run
from benchmarks.quality.tables.next_purchase import OURS
from benchmarks.speed.machine import this_machine


def main(arguments: list[str] | None = None) -> int:
    """Run the sections asked for and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="all of them if none is named")
    parser.add_argument("--fast", action="store_true", help="one household in eight, by CRC-32")
    parser.add_argument("--final", action="store_true", help="the whole year, for the report alone")
    parser.add_argument("--one-partition", action="store_true", help="leave the 16 partitions out")
    parser.add_argument("--no-learners", action="store_true", help="leave LightGBM and k-means out")
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="write what ledgers predicted, too")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw what was found, too, as SVG")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    given = parser.parse_args(arguments)
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    window = FINAL if given.final else DEVELOPMENT
    machine, begun = this_machine(), time.monotonic()
    households = f"one household in {FAST}" if given.fast else "all households"
    head = [*machine.lines(), f"{window.name} window, {window.days} days, {households}", ""]
    print("\n".join(head), flush=True)

    def tell(text: str) -> None:
        line = f"{time.monotonic() - begun:5,.0f} s  {text}"
        terminal = sys.stderr.isatty()
        print(
            f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True
        )

    sections = set(given.sections or SECTIONS)
    partitions = {OURS: 1} if given.one_partition else dict(PARTITIONS)
    run = Run(window, FAST if given.fast else 1, partitions, tell, learners=not given.no_learners)
    run.answer(sections)
    if given.predictions:
        predictions.write(run, given.predictions)
    tables = []
    for table in run.tables(sections):
        tables.append(table)
        print("\n".join(table.lines()), flush=True)
        tell(table.title)
    if given.pictures:
        for picture in pictures.draw(run, given.pictures):
            print(picture)
    print(f"took {time.monotonic() - begun:,.0f} s")
    if given.json:
        figures = {
            "machine": machine.as_json(),
            "window": window.name,
            "households": households,
            "tables": [table.as_json() for table in tables],
        }
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
