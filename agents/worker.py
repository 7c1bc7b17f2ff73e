"""One worker process, from its settings to its exit status."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import faust

from agents.commands import add_commands
from agents.purchases import add_purchases
from streams.app import Engine, create_engine

if TYPE_CHECKING:
    from streams.ports import DecoderLike, LedgerFactory
    from streams.settings import Settings

log = logging.getLogger(__name__)


def assemble(settings: Settings, *, ledgers: LedgerFactory, decoder: DecoderLike) -> Engine:
    """The engine with all its agents."""
    engine = create_engine(settings, ledgers=ledgers, decoder=decoder)
    add_purchases(engine)
    add_commands(engine)
    return engine


def run(engine: Engine) -> int:
    """Run a worker until SIGTERM, SIGINT or the end of it; the answer is the exit status.

    Faust's own worker runs the app, so that `faust -A agents.app worker` is the same thing. What it would
    print of a failure is a traceback; the reason is logged in one line where it arises.
    """
    for name in ("mode", "faust", "streams.partitions.lifecycle"):
        logging.getLogger(name).setLevel(logging.CRITICAL if name != "faust" else logging.ERROR)
    worker = faust.Worker(
        engine.app, override_logging=False, redirect_stdouts=False, quiet=True, stderr=io.StringIO()
    )
    worker.spinner = None  # it draws on the terminal
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    else:
        status = 0
    return status
