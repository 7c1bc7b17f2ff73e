"""How a worker that cannot go on is brought down, and how long that may take."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from streams.process.exit_status import Status, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LAST_RESORT_SECONDS = 9.0
"""With the broker away, Faust's own services take a minute to stop; the promise is ten seconds."""


def exit_after(seconds: float, status: int = Status.FAILED) -> None:
    """Arrange that this process is gone, with that status, after so many seconds, whatever hangs."""

    def leave() -> None:
        log.critical(
            "The worker did not stop within %g s and is ended; nothing acknowledged is lost", seconds
        )
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


class Shutdown:
    """The end of one worker process.

    Args:
        last_resort: arranges that the process is gone after so many seconds.
    """

    def __init__(self, last_resort: Callable[[float], None] | None = None) -> None:
        self.reason: BaseException | None = None
        self._last_resort = last_resort or self._exit_after

    def begin(self, reason: BaseException) -> bool:
        """The worker cannot go on; True the first time, when one line says why and the time begins to run."""
        if self.reason is not None:
            return False
        self.reason = reason
        log.critical("The worker ends: %s", " ".join(str(reason).split()) or repr(reason))
        self._last_resort(LAST_RESORT_SECONDS)
        return True

    @property
    def status(self) -> int:
        """With which status the process ends, as `streams.process.exit_status` lists them."""
        return Status.ENDED if self.reason is None else status_of(self.reason)

    def expect(self) -> None:
        """A stop was asked for, or goes on after `begin`: the same time runs."""
        if self.reason is None:
            self._last_resort(LAST_RESORT_SECONDS)

    def _exit_after(self, seconds: float) -> None:
        exit_after(seconds, self.status or Status.FAILED)
