"""End of every command: one clear line for a failure or for Ctrl-C, and no traceback."""

import asyncio
import errno
import os
import signal
import threading
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final, TypeVar

import typer
from typer.core import TyperGroup

from streams.errors import CartpulseError
from streams.process.exit_status import Status, status_of

T = TypeVar("T")

FAILED: Final = int(Status.FAILED)
"""Exit status of a command that could not do its work; `streams.process.exit_status` lists the others."""
INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells expect it: 128 + SIGINT."""
TERMINATED: Final = 143
"""Exit status after SIGTERM: 128 + SIGTERM."""
LAST_SECONDS: Final = 2.5
"""Seconds after Ctrl-C in which a command may clean up what it started; people have doubts after three."""
ENDING: Final = "Ending ..."
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Error numbers of a write that finds no room. Such errors name no file."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C that the command has already answered with a line."""


class Commands(TyperGroup):
    """Group of commands whose failures become one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn its failure into one line on stderr and an exit status."""
        try:
            return super().invoke(ctx)
        except CartpulseError as error:
            typer.echo(f"cartpulse: {error}", err=True)
            raise typer.Exit(status_of(error)) from None
        except Interrupted:
            raise typer.Exit(INTERRUPTED) from None
        except KeyboardInterrupt:
            typer.echo(ENDING, err=True)
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.filename is None and error.errno not in _NO_ROOM:
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            typer.echo(f"cartpulse: {where}{error.strerror}", err=True)
            raise typer.Exit(FAILED) from None


def run(work: Coroutine[Any, Any, T], *, quiet: bool = False) -> T:
    """Run the work and return its result.

    Ctrl-C and SIGTERM cancel it, so that it can clean up what it started.

    After Ctrl-C the work has `LAST_SECONDS` for that. Then the process ends wherever it is; on Linux, the
    processes that it started end too. No acknowledged record is lost by that.

    Args:
        work: Coroutine to run.
        quiet: Print nothing at Ctrl-C, for work that only Ctrl-C ends.

    Raises:
        Interrupted: Ctrl-C was pressed.
    """
    deadline = threading.Timer(LAST_SECONDS, os._exit, (INTERRUPTED,))
    deadline.daemon = True

    async def cancellable() -> T:
        task = asyncio.current_task()
        if task is not None and threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            signal.signal(signal.SIGINT, partial(_interrupt, task, deadline, "" if quiet else ENDING))
        return await work

    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if deadline.ident is not None:
            raise Interrupted from None
        raise typer.Exit(TERMINATED) from None
    finally:
        deadline.cancel()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _interrupt(task: asyncio.Task[Any], deadline: threading.Timer, word: str, *_: object) -> None:
    """Cancel the work and print a line, even while the loop is busy.

    A second Ctrl-C ends the process at once.
    """
    if deadline.ident is not None:
        os._exit(INTERRUPTED)
    if word:
        typer.echo(word, err=True)
    deadline.start()
    task.get_loop().call_soon_threadsafe(task.cancel)
