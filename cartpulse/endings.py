"""How every command ends: a failure in one clear line, Ctrl-C in silence, neither in a traceback."""

import asyncio
import errno
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import typer
from typer.core import TyperGroup

from streams.errors import CartpulseError
from streams.statuses import Status, status_of

T = TypeVar("T")

FAILED: Final = int(Status.FAILED)
"""Exit status of a command that could not do its work; `streams.statuses` lists the others."""
INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells expect it: 128 + SIGINT."""
TERMINATED: Final = 143
"""Exit status after SIGTERM: 128 + SIGTERM."""
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a write may meet; such errors name no file."""


class Commands(TyperGroup):
    """A group whose commands end well."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn its failure into one line on stderr and a status."""
        try:
            return super().invoke(ctx)
        except CartpulseError as error:
            typer.echo(f"cartpulse: {error}", err=True)
            raise typer.Exit(status_of(error)) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.filename is None and error.errno not in _NO_ROOM:
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            typer.echo(f"cartpulse: {where}{error.strerror}", err=True)
            raise typer.Exit(FAILED) from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work; Ctrl-C and SIGTERM cancel it, so that it can put away what it started."""

    async def cancellable() -> T:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None
