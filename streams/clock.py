"""The one place that reads the clocks of the machine; everything else is given one of these."""

from __future__ import annotations

import time
from typing import Protocol

# CLOCK_MONOTONIC stands still while a laptop or a virtual machine sleeps, and a lease must not.
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Two clocks: one to tell the date by, one to measure durations with."""

    def now_ms(self) -> int:
        """Wall time, ms since 1970 UTC; may jump."""

    def elapsed(self) -> float:
        """Seconds since some moment in the past; never goes back, and runs on through suspension."""


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def elapsed(self) -> float:
        """Seconds since the machine started, its sleep included where the system can tell."""
        return time.clock_gettime(_ELAPSED)
