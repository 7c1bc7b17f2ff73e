"""`cartpulse worker`: one worker, in the foreground."""

from typing import Annotated

import typer

from cartpulse.options import Broker, settings_with
from streams.app import run_worker

EXAMPLE = "Example: KAFKA_BROKER=kafka-1:9092 CARTPULSE_PARTITIONS=4 cartpulse worker"


def worker(
    broker: Broker = None,
    accept_gap: Annotated[
        bool | None,
        typer.Option("--accept-gap", help="Go on although purchases not yet applied are gone; counts them."),
    ] = None,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; it then drains and ends within ten seconds.

    Start as many as there are partitions: they share them out, and take over from one that dies.
    """
    raise typer.Exit(run_worker(settings_with(kafka_broker=broker, accept_gap=accept_gap)))
