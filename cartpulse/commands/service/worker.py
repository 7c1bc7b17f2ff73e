"""`cartpulse worker`: one worker, or several, in the foreground."""

import asyncio
from typing import Annotated

import structlog
import typer

from cartpulse.commands.service.supervise import Supervisor, environments
from cartpulse.console.exit import run
from cartpulse.console.options import Broker, settings_with
from streams.errors import CartpulseError
from streams.kafka.topics import create_topics
from streams.process.logs import configure
from streams.process.shutdown import Shutdown
from streams.settings.settings import Settings

EXAMPLE = "Example: KAFKA_BROKER=kafka-1:9092 CARTPULSE_PARTITIONS=4 cartpulse worker"


def worker(
    broker: Broker = None,
    accept_gap: Annotated[
        bool | None,
        typer.Option("--accept-gap", help="Go on although purchases not yet applied are gone; counts them."),
    ] = None,
    supervise: Annotated[
        int | None,
        typer.Option(
            "--supervise", metavar="N", min=1, help="Run N workers, and start again those that end."
        ),
    ] = None,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; it then drains and ends within ten seconds.

    Start as many as there are partitions: they share them out, and take over from one that dies.
    """
    settings = settings_with(kafka_broker=broker, accept_gap=accept_gap)
    configure(settings)
    log = structlog.get_logger("cartpulse.commands.service.worker")
    log.info("The worker starts", settings=settings.shown())
    try:
        topics = run(create_topics(settings))
    except CartpulseError as error:
        ending = Shutdown()
        ending.begin(error)
        raise typer.Exit(ending.status) from None
    log.info("The topics are there", made=topics.made)
    for note in topics.notes:
        log.warning(note)
    if supervise is None:
        raise typer.Exit(run_worker(settings))
    raise typer.Exit(asyncio.run(Supervisor(environments(settings, supervise)).run()))


def run_worker(settings: Settings) -> int:
    """Run a worker of this release; the answer is the exit status."""
    from agents import worker  # noqa: PLC0415 - Faust takes a second to import, and no other command needs it

    return worker.run(worker.assemble(settings))
