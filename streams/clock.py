"""Clocks of the machine. No other module of a worker reads the wall clock: its code is given a `Clock`."""

from __future__ import annotations

import time
from typing import Protocol

# CLOCK_MONOTONIC stands still while a laptop or a virtual machine sleeps. A lease must expire during such a
# sleep.
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Pair of clocks: wall time for dates, elapsed time for durations."""

    def now_ms(self) -> int:
        """Return the wall time in ms since 1970 UTC; wall time may jump."""

    def elapsed(self) -> float:
        """Return the seconds since some moment in the past.

        This clock never goes back, and runs on through suspension.
        """


class SystemClock:
    """Clocks of this machine."""

    def now_ms(self) -> int:
        """Return the wall time in ms since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def elapsed(self) -> float:
        """Return the seconds since the machine started, including its sleep where the system counts sleep."""
        return time.clock_gettime(_ELAPSED)
