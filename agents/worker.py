"""Worker process, from its settings to its exit status."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from typing import TYPE_CHECKING

import faust

from agents.commands import add_commands
from agents.purchases import add_purchases
from models.ledger.ledger import Ledger
from models.records.decoder import Decoder
from streams.app import Engine, create_engine
from streams.errors import LogUnreadableError
from streams.flow import purchases
from streams.kafka.undecodable import raised_in_a_fetch
from streams.process.exit_status import status_of
from streams.process.memory import keep_buffers

if TYPE_CHECKING:
    from streams.flow import DecoderLike, LedgerFactory
    from streams.settings.settings import Settings

SILENT = logging.CRITICAL + 1
"""Level above CRITICAL, set for the loggers of Faust and mode, and for `streams.engine.partitions.lifecycle`,
in which mode logs what our service raises. These loggers would print a traceback of a failure that our own
code already logs in one line where the failure arises."""


def assemble(
    settings: Settings, *, ledgers: LedgerFactory | None = None, decoder: DecoderLike | None = None
) -> Engine:
    """Make the engine with all its agents.

    Args:
        settings: Service settings.
        ledgers: Factory of a partition's ledger. Default: this release's `Ledger`.
        decoder: Decoder of raw records into columns. Default: this release's `Decoder`.
    """
    shape = settings.ledger

    def ledger(partition: int, partitions: int) -> Ledger:
        return Ledger(shape, partition=partition, partitions=partitions)

    flow = purchases(settings, ledgers=ledgers or ledger, decoder=decoder or Decoder(shape))
    engine = create_engine(flow, settings)
    add_purchases(engine)
    add_commands(engine)
    return engine


def run(engine: Engine) -> int:
    """Run a worker until SIGTERM, SIGINT or a failure ends it, and return the exit status (`Status`).

    Faust's own worker runs the app, so that `faust -A agents.app worker` behaves the same. Faust would print
    a traceback of a failure; our own code logs the reason in one line where the failure arises.
    """
    for name in ("mode", "faust", "streams.engine.partitions.lifecycle"):
        logging.getLogger(name).setLevel(SILENT)
    threading.excepthook = _note_thread
    keep_buffers()
    worker = faust.Worker(
        engine.app, override_logging=False, redirect_stdouts=False, quiet=True, stderr=io.StringIO()
    )
    worker.spinner = None  # the spinner draws on the terminal
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    if status and not engine.partitions.failed and worker.crash_reason is not None:
        reason = _readable_reason(worker.crash_reason, engine)
        logging.getLogger(__name__).critical("The worker ends: %s", reason)
        status = status_of(reason)
    return engine.partitions.status or status


def _readable_reason(reason: BaseException, engine: Engine) -> BaseException:
    """Turn a decoding error of Faust's own consumer into one that names the topic and the remedy.

    Other reasons are returned unchanged.
    """
    if not raised_in_a_fetch(reason):
        return reason
    return LogUnreadableError(
        f"{', '.join(engine.commands.topics)} holds a record batch that cannot be decoded ({reason}). It "
        "keeps commands for a day and nothing that lasts: delete the topic, make it anew by `cartpulse "
        "topics`, and start the workers again."
    )


def _note_thread(ended: threading.ExceptHookArgs) -> None:
    """Log an error that ended a thread, except an expected cancellation.

    Faust's consumer thread is cancelled when the worker ends while the broker is away. Such
    a cancellation is expected, and prints no traceback.
    """
    if not issubclass(ended.exc_type, asyncio.CancelledError):
        logging.getLogger(__name__).error("A thread ended: %r", ended.exc_value)
