"""Status reporter: logs the counters, and warns of a silent service and of misrouted records."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.clock import Clock
    from streams.membership.lag import LagTracker
    from streams.metrics import Counts
    from streams.partition.partition import Partition

log = logging.getLogger(__name__)

REPORT_SECONDS = 30.0
"""Seconds between two reports of the counters."""
WARN_SECONDS = 60.0
"""Seconds between two warnings about a service that never went live. The warning must be noticed and must not
fill the log."""


class StatusReporter:
    """Reporter on the owned partitions.

    Args:
        owned: Function that returns the partitions owned at the moment.
        partitioner: Partitioner of the settings, for the warning about misrouted purchases.
        clock: Clocks of the machine.
        counts: Counters of the worker.
        lag: Tracker of the ends of the partitions' logs.
    """

    def __init__(
        self,
        owned: Callable[[], Iterable[Partition]],
        *,
        partitioner: str,
        clock: Clock,
        counts: Counts,
        lag: LagTracker,
    ) -> None:
        self._owned = owned
        self._partitioner = partitioner
        self._clock = clock
        self._counts = counts
        self._lag = lag
        self._reported = clock.elapsed()
        self._warned = float("-inf")

    async def run(self) -> None:
        """Check once a second, and report every 30 seconds, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            self.look()

    def look(self) -> None:
        """Log the warnings and the report that are due."""
        self.look_for_live()
        if self._clock.elapsed() - self._reported >= REPORT_SECONDS:
            self._reported = self._clock.elapsed()
            log.info("Counted so far: %s", json.dumps(self.report()))
            self.look_for_misrouted()
            self.look_for_history()

    def report(self) -> dict[str, Any]:
        """Return the counters, the lag, and the number of partitions in which nothing is sent yet."""
        return {**self._counts.snapshot(), "lag": self.lag(), "history": self.history()}

    def history(self) -> int:
        """Return the number of partitions whose records so far all count as history."""
        return sum(partition.reading and not partition.ledger.standing.sending for partition in self._owned())

    def look_for_history(self) -> None:
        """Log that nothing is sent, while history has no end yet or purchases remain to be applied."""
        now = self._clock.now_ms()
        waits = any(
            partition.reading and partition.ledger.clock.waits_for_live(now) for partition in self._owned()
        )
        if self.history() and (waits or self.lag()):
            log.info(
                "Loading history, nothing is sent: %d outputs so far, %d purchases still to apply. "
                "`cartpulse go-live` ends it.",
                self._counts.suppressed,
                self.lag(),
            )

    def look_for_live(self) -> None:
        """Warn once a minute of partitions on the wall clock that hold purchases and never went live."""
        silent = [
            partition.number
            for partition in self._owned()
            if partition.reading and partition.ledger.clock.silent
        ]
        now = self._clock.elapsed()
        if silent and now - self._warned >= WARN_SECONDS:
            self._warned = now
            log.warning(
                "Partition %s holds purchases and no `live` record: all of them count as history, and "
                "nothing is sent. `cartpulse go-live` ends history now, or at a moment with --at",
                ", ".join(map(str, silent)),
            )

    def look_for_misrouted(self) -> None:
        """Name the partitioner setting if more than one purchase in a hundred came to the wrong partition."""
        misrouted = self._counts.misrouted
        if misrouted * 100 > self._counts.applied + misrouted:
            log.warning(
                "%d purchases came to another partition than their customer's: do their producers partition "
                "by key as CARTPULSE_PARTITIONER=%s says?",
                misrouted,
                self._partitioner,
            )

    def lag(self) -> int:
        """Return the number of records that are not applied yet, as of the last fetch."""
        return sum(self._lag.lag(partition) for partition in self._owned())
