"""`cartpulse demo`: a year of real purchases through a real broker and a real worker."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cartpulse import STARTED
from cartpulse.console.exit import FAILED, run
from cartpulse.console.terminal import signs_of_life
from cartpulse.demo import latency
from cartpulse.demo.play import Play
from cartpulse.demo.report import show
from streams.sources.complete_journey import Level

EXAMPLE = "Example: cartpulse demo --days 60 --json demo.json"

DAYS_OF_THE_YEAR = 365


def demo(
    *,
    days: Annotated[
        int | None, typer.Option(help="Only the first days of the year.", min=1, max=DAYS_OF_THE_YEAR)
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Days to replay in one second; at full speed if not given.", min=0.01)
    ] = None,
    level: Annotated[
        Level, typer.Option(help="What stands for a category: one of 300, or one of 2,400 types.")
    ] = "category",
    partitions: Annotated[
        int, typer.Option(help="Partitions; one suits up to 50,000 customers.", min=1, max=64)
    ] = 1,
    workers: Annotated[
        int, typer.Option(help="Workers that share the partitions; no more than there are.", min=1, max=64)
    ] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON.", dir_okay=False)
    ] = None,
    latency_seconds: Annotated[
        float, typer.Option(help="Length of the latency pass; 0 leaves it out.", min=0, max=600)
    ] = latency.SECONDS,
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker", metavar="HOST:PORT", help="A broker that runs; the topics stay there to be read."
        ),
    ] = None,
) -> None:
    """Replay real purchases through a local broker and a worker, and show what comes out.

    Starts a broker and workers of its own, replays a year of 2,469 households, measures the latency in a
    pass of its own, and ends all that it started. Nothing needs to be set up, nothing is left behind; with
    --broker the topics are.
    """
    # Stage 1: refuse options that cannot work, before anything is started.
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json_file.absolute().parent}", param_hint="--json")
    if workers > partitions:
        raise typer.BadParameter(
            f"{workers} workers cannot share {partitions} partitions: one would have nothing to do; "
            f"add --partitions {workers}",
            param_hint="--workers",
        )
    # Stage 2: play, with a line now and then where no progress bar can be drawn.
    play = Play(
        Console(),
        began=STARTED,
        days=days,
        speed=speed,
        partitions=partitions,
        workers=workers,
        latency_seconds=latency_seconds,
        broker=broker,
        level=level,
    )
    with signs_of_life(play.console, play.sign):
        report, told = run(play.run())
    # Stage 3: write the figures and show them. A lost basket is a failure.
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    show(play.console, report, told)
    if report.lost:
        raise typer.Exit(FAILED)
