"""Shutdown of a worker that cannot go on, with a limit on its duration."""

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
"""Seconds after which the process is ended by force. With the broker away, Faust's own services take a minute
to stop, and the documented limit is ten seconds."""


def exit_after(seconds: float, status: int = Status.FAILED) -> None:
    """Arrange that this process exits with this status after so many seconds, whatever hangs."""

    def leave() -> None:
        log.critical(
            "The worker did not stop within %g s and is ended; nothing acknowledged is lost", seconds
        )
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


class Shutdown:
    """Shutdown of one worker process.

    Args:
        last_resort: Function that arranges that the process exits after so many seconds. Default:
            `exit_after`.
    """

    def __init__(self, last_resort: Callable[[float], None] | None = None) -> None:
        self.reason: BaseException | None = None
        self._last_resort = last_resort or self._exit_after

    def begin(self, reason: BaseException) -> bool:
        """Begin the end of a worker that cannot go on.

        The first call logs the reason, starts the timer and returns True.
        """
        if self.reason is not None:
            return False
        self.reason = reason
        log.critical("The worker ends: %s", " ".join(str(reason).split()) or repr(reason))
        self._last_resort(LAST_RESORT_SECONDS)
        return True

    @property
    def status(self) -> int:
        """Exit status of the process, as `streams.process.exit_status` lists them."""
        return Status.ENDED if self.reason is None else status_of(self.reason)

    def expect(self) -> None:
        """Start the same timer for a stop that was requested, or that `begin` will follow."""
        if self.reason is None:
            self._last_resort(LAST_RESORT_SECONDS)

    def _exit_after(self, seconds: float) -> None:
        exit_after(seconds, self.status or Status.FAILED)
