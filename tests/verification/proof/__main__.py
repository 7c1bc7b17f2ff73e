"""Break things on Apache Kafka, and count what was lost, doubled or differs.

    python -m tests.verification.proof --minutes 5 --seed 1 --json proof.json
    python -m tests.verification.proof --only "kill -9 of a worker" --guarantee exactly_once
    python -m tests.verification.proof list
    python -m tests.verification.proof merge A.json B.json --json C.json
    python -m tests.verification.proof report proof.json --markdown docs/reliability.md

The exit status is 1 if anything that has to be zero is not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")  # as in every worker: a ledger reserves address space

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streams.errors import KafkaUnavailableError
from tests.verification.proof.brokers import Brokers
from tests.verification.proof.report import ZEROS, Finished, Report
from tests.verification.proof.runner import Runner, planned
from tests.verification.proof.scenario import BOTH, Guarantee, Scenario, scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.verification.proof.runner import Run

TERMINATED = 143
"""Exit status after SIGTERM: 128 + SIGTERM."""

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console.width = 140  # the table's; a file has no width of its own


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the answer is the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"list": listed, "merge": merge, "report": report}
    if words and words[0] in commands:
        return commands[words[0]](words[1:])
    return prove(words)


def prove(words: Sequence[str]) -> int:
    """Make the runs that are missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.verification.proof")
    parser.add_argument("--minutes", type=float, help="begin no run that would not be over by then")
    parser.add_argument("--seed", type=int, default=1, help="of the load and of the schedule of faults")
    parser.add_argument("--only", action="append", help="scenarios whose name contains this; may be repeated")
    parser.add_argument("--runs", type=int, help="of each scenario, instead of its own number")
    parser.add_argument("--guarantee", choices=[*get_args(Guarantee), "both"], default="both")
    parser.add_argument("--json", type=Path, help="the report; runs that are in it are not made again")
    given = parser.parse_args(words)
    result = Report.read(given.json) if given.json else Report()
    guarantees = [each for each in BOTH if given.guarantee in (each, "both")]
    runs = planned(chosen(given.only), guarantees, seed=given.seed, report=result, most=given.runs)
    total = sum(run.scenario.seconds for run in runs)
    console.print(f"{len(runs)} runs are to be made, in about {total / 60:.0f} minutes")
    logging.disable(logging.CRITICAL)  # the replay isolates events as workers do, and clients say much
    try:
        asyncio.run(make(runs, result, given.json, given.minutes))
    except KafkaUnavailableError as reason:
        console.print(reason, style="red")
        return 1
    except asyncio.CancelledError:  # SIGTERM
        return TERMINATED
    console.print(result.table())
    return 0 if result.clean else 1


async def make(runs: Sequence[Run], result: Report, path: Path | None, minutes: float | None) -> None:
    """Make the runs, as many as there is time for."""
    task, told_to_end = asyncio.current_task(), asyncio.Event()

    def end() -> None:
        told_to_end.set()
        if task is not None:
            task.cancel()

    # So that brokers and workers are put away, as after Ctrl-C.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    until = float("inf") if minutes is None else time.monotonic() + minutes * 60
    bar = Progress(
        TextColumn("{task.completed:.0f} of {task.total:.0f} runs, {task.fields[failed]} failed"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    try:
        async with Brokers() as brokers:
            runner = Runner(brokers, console.print)
            shown = bar.add_task("", total=len(runs), failed=0)
            for run in runs:
                if time.monotonic() + run.scenario.seconds > until:
                    console.print(f"{run.name}: not begun, it would not be over in time", style="yellow")
                    continue
                console.print(run.name, style="bold")
                with bar if console.is_terminal else contextlib.nullcontext():
                    finished = await runner.run(run)
                result.add(finished)
                bar.update(shown, advance=1, failed=sum(not each.clean for each in result.finished))
                if path is not None:
                    result.write(path)
                tell(finished)
    except asyncio.CancelledError as error:
        if told_to_end.is_set():
            raise
        raise RuntimeError("a client of the proof was cancelled, and took all of it along") from error


def tell(run: Finished) -> None:
    """What a run came to."""
    stall = f"longest stall {run.longest_stall_seconds} s"
    if run.clean:
        console.print(f"  [green]clean[/green]: {run.events:,} events, {stall}, {run.seconds} s")
    else:
        numbers = ", ".join(f"{zero} {getattr(run, zero)}" for zero in ZEROS)
        console.print(f"  [red]FAILED[/red]: {numbers}, {stall}", run.failure or "", style="red")
    if run.slow:
        console.print(f"  [yellow]{run.slow}[/yellow]")
    if run.kept:
        console.print(f"  logs, schedule and findings: {run.kept}")


def chosen(only: Sequence[str] | None) -> list[Scenario]:
    """The scenarios that one of these texts names, whole or in part, or all.

    Raises:
        SystemExit: a text is in no name.
    """
    every = scenarios()
    names: set[str] = set()
    for text in only or every:
        found = [text] if text in every else [name for name in every if text in name]
        if not found:
            raise SystemExit(f"No scenario is called {text!r}; there are:\n" + "\n".join(every))
        names.update(found)
    return [each for name, each in every.items() if name in names]


def listed(words: Sequence[str]) -> int:
    """Say which scenarios there are, and how long they take."""
    argparse.ArgumentParser(prog="python -m tests.verification.proof list").parse_args(words)
    for each in scenarios().values():
        console.print(f"{each.runs:3d} x {len(each.guarantees)} x {each.seconds:4.0f} s  {each.name}")
    return 0


def merge(words: Sequence[str]) -> int:
    """Make one report of several."""
    parser = argparse.ArgumentParser(prog="python -m tests.verification.proof merge")
    parser.add_argument("reports", type=Path, nargs="+")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args(words)
    result = Report()
    for path in given.reports:
        result = result.merged(Report.read(path))
    result.write(given.json)
    console.print(result.table())
    return 0 if result.clean else 1


def report(words: Sequence[str]) -> int:
    """Show a report, or put it into a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.verification.proof report")
    parser.add_argument("report", type=Path)
    page = Path("docs/reliability.md")
    parser.add_argument("--markdown", type=Path, nargs="?", const=page, help=f"a page with markers; {page}")
    given = parser.parse_args(words)
    result = Report.read(given.report)
    if given.markdown:
        result.write_markdown(given.markdown)
    else:
        console.print(result.table())
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main())
