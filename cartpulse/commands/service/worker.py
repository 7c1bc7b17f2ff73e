"""`cartpulse worker`: one worker in the foreground."""

from typing import Annotated

import structlog
import typer

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
    raise typer.Exit(run_worker(settings))


def run_worker(settings: Settings) -> int:
    """Run a worker of this release, and return its exit status."""
    from agents import worker  # noqa: PLC0415 - Faust takes a second to import, and no other command needs it

    return worker.run(worker.assemble(settings))
