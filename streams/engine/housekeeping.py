"""Work that a worker does once a second: `live` records and ticks of the wall clock, and counters."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from models.records.control import live, tick
from streams.delivery.lease import Revoked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from models.settings import LedgerSettings
    from streams.clock import Clock
    from streams.delivery.outbox import Outbox
    from streams.membership.lag import LagTracker
    from streams.metrics import Counts
    from streams.partition.partition import Partition

log = logging.getLogger(__name__)

REPORT_SECONDS = 30.0

WARN_SECONDS = 60.0
"""Between two warnings of a service that never went live: it must not be overheard, nor fill a log."""

TICK_AGAIN_SECONDS = 600.0
"""After which a tick that was written and is due all the same is written again: of a worker whose clock is
ahead the ledger refuses it, as an event from the future, and the day would stay open."""


class Housekeeping:
    """Looks after the owned partitions.

    Args:
        owned: the partitions at the moment.
        settings: those of the ledger: they shape ticks.
        sent: where ticks go out.
        clock: the machine's clocks.
        counts: the worker's counters.
        ends: where the partitions' logs end.
    """

    def __init__(
        self,
        owned: Callable[[], Iterable[Partition]],
        *,
        settings: LedgerSettings,
        sent: Outbox,
        clock: Clock,
        counts: Counts,
        ends: LagTracker,
    ) -> None:
        self._owned = owned
        self._settings = settings
        self._sent = sent
        self._clock = clock
        self._counts = counts
        self._ends = ends
        self._reported = clock.elapsed()
        self._warned = float("-inf")
        self._ticked_at: dict[int, float] = {}

    async def run(self) -> None:
        """Do so until cancelled.

        Raises:
            DeliveryFailed: a tick could not be written.
        """
        while True:
            await asyncio.sleep(1.0)
            for partition in list(self._owned()):
                await self._ends.look(partition)
                await self.go_live(partition)
                await self.tick(partition)
            self.look_for_live()
            if self._clock.elapsed() - self._reported >= REPORT_SECONDS:
                self._reported = self._clock.elapsed()
                log.info("Counted so far: %s", json.dumps(self.report()))
                self.look_for_misrouted()
                self.look_for_history()

    def report(self) -> dict[str, Any]:
        """The counters, what is not applied yet, and in how many partitions nothing is sent yet."""
        return {**self._counts.snapshot(), "lag": self.lag(), "history": self.history()}

    def history(self) -> int:
        """Partitions whose log is history so far."""
        return sum(partition.reading and not partition.ledger.standing.sending for partition in self._owned())

    def look_for_history(self) -> None:
        """Say that nothing is sent, while there is something to do about it, or something to wait for."""
        now = self._clock.now_ms()
        waits = any(
            partition.reading and partition.ledger.clock.waits_for_live(now) for partition in self._owned()
        )
        if self.history() and (waits or self.lag()):
            log.info(
                "Loading history, nothing is sent: %d outputs so far, %d purchases still to apply. "
                "`cartpulse go-live` ends it.",
                self._counts["suppressed"],
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
        """Name the setting when more than one purchase in a hundred came to the wrong partition."""
        misrouted = self._counts["misrouted"]
        if misrouted * 100 > self._counts["applied"] + misrouted:
            log.warning(
                "%d purchases came to another partition than their customer's: do their producers partition "
                "by key as CARTPULSE_PARTITIONER=%s says?",
                misrouted,
                self._settings.partitioner,
            )

    def lag(self) -> int:
        """Records in the log that are not applied yet, as far as the last fetch knows."""
        return sum(self.lag_of(partition) for partition in self._owned())

    def lag_of(self, partition: Partition) -> int:
        """The same of one partition."""
        return self._ends.lag(partition)

    async def go_live(self, partition: Partition) -> None:
        """Write the `live` record of this moment to an empty partition on the wall clock, once.

        An own service is live from its beginning; `cartpulse topics` writes the record where it makes the
        topics.
        """
        if not partition.reading or not self._ends.reached(partition) or not partition.drained:
            return
        if not partition.ledger.clock.unopened or partition.opened:
            return
        if await self._write(partition, live(self._clock.now_ms())):
            partition.opened = True
            log.info(
                "Partition %d is live: it was empty, and the wall clock closes its days", partition.number
            )

    async def tick(self, partition: Partition) -> None:
        """Write the tick that is due to a partition that is read to its end, once."""
        if not partition.reading or not self._ends.reached(partition) or not partition.drained:
            return
        due = partition.ledger.tick_due(self._clock.now_ms())
        # Without a lease the tick would wait for one, and the other partitions for theirs meanwhile.
        if due is None or not partition.epoch.lease.valid:
            return
        now = self._clock.elapsed()
        if due == partition.ticked and now - self._ticked_at.get(partition.number, now) < TICK_AGAIN_SECONDS:
            return
        if not await self._write(partition, tick(due, self._settings)):
            return
        partition.ticked = due
        self._ticked_at[partition.number] = now
        self._counts.add("ticks_written")

    async def _write(self, partition: Partition, value: bytes) -> bool:
        """Append a record of the service's own; False where the partition is not ours any more.

        Raises:
            DeliveryFailed: It was refused, or not acknowledged in time.
        """
        builder = self._sent.builder()
        builder.append(timestamp=self._clock.now_ms(), key=None, value=value, headers=[])
        builder.close()
        try:
            await self._sent.send(builder, partition.source, partition.epoch)
        except Revoked:
            return False
        return True
