"""`cartpulse worker`: one worker, in the foreground."""

import contextlib
import ctypes
from collections.abc import Mapping
from typing import Annotated, Final

import structlog
import typer

from cartpulse.endings import run
from cartpulse.options import Broker, settings_with
from streams.logs import configure
from streams.settings import Settings
from streams.topics import create_topics

EXAMPLE = "Example: KAFKA_BROKER=kafka-1:9092 CARTPULSE_PARTITIONS=4 cartpulse worker"


MALLOPT: Final = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3}
"""The parameter of glibc's `mallopt` that does what an environment variable does."""


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
    log = structlog.get_logger("cartpulse.worker")
    log.info("The worker starts", settings=settings.shown())
    topics = run(create_topics(settings))
    log.info("The topics are there", made=topics.made)
    for note in topics.notes:
        log.warning(note)
    raise typer.Exit(run_worker(settings))


def run_worker(settings: Settings) -> int:
    """Run a worker of this release; the answer is the exit status."""
    from agents import worker  # noqa: PLC0415 - Faust takes a second to import, and no other command needs it

    _set_allocator(worker.ALLOCATOR)
    return worker.run(worker.assemble(settings))


def _set_allocator(environment: Mapping[str, str]) -> None:
    """Set glibc's thresholds as its environment variables would have, had they been there at the start.

    Does nothing where the C library has no such settings.
    """
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        for name, parameter in MALLOPT.items():
            library.mallopt(parameter, int(environment[name]))
