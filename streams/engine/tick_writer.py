"""Tick writer: writes the wall clock's records to the `purchases` partitions that the worker owns."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

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

TICK_AGAIN_SECONDS = 600.0
"""Seconds after which a tick that was written, but is still due, is written again. A ledger refuses the tick
of a worker whose clock is ahead, as an event from the future, and the day would stay open."""


class TickWriter:
    """Writer of `live` records to empty partitions, and of the ticks that close business days.

    Args:
        owned: Function that returns the partitions owned at the moment.
        settings: Ledger settings, which shape ticks.
        sent: Outbox through which the records are sent.
        clock: Clocks of the machine.
        counts: Counters of the worker.
        lag: Tracker of the ends of the partitions' logs.
    """

    def __init__(
        self,
        owned: Callable[[], Iterable[Partition]],
        *,
        settings: LedgerSettings,
        sent: Outbox,
        clock: Clock,
        counts: Counts,
        lag: LagTracker,
    ) -> None:
        self._owned = owned
        self._settings = settings
        self._sent = sent
        self._clock = clock
        self._counts = counts
        self._lag = lag
        self._opened: WeakSet[Partition] = WeakSet()
        """Partitions to which a `live` record was written because they were empty."""
        self._ticked: WeakKeyDictionary[Partition, tuple[int, float]] = WeakKeyDictionary()
        """Last tick per partition: its event time (ms since 1970 UTC), and when it was written (s of
        `Clock.elapsed`)."""

    async def run(self) -> None:
        """Check once a second until cancelled.

        Raises:
            DeliveryFailedError: A record could not be written.
        """
        while True:
            await asyncio.sleep(1.0)
            for partition in list(self._owned()):
                await self._lag.look(partition)
                await self.go_live(partition)
                await self.tick(partition)

    async def go_live(self, partition: Partition) -> None:
        """Write the `live` record of this moment to an empty partition on the wall clock, once.

        A service with topics of its own is live from its beginning. `cartpulse topics` writes the `live`
        record to the topics that it makes.
        """
        if not partition.reading or not self._lag.reached(partition) or not partition.drained:
            return
        if not partition.ledger.clock.unopened or partition in self._opened:
            return
        if await self._write(partition, live(self._clock.now_ms())):
            self._opened.add(partition)
            log.info(
                "Partition %d is live: it was empty, and the wall clock closes its days", partition.number
            )

    async def tick(self, partition: Partition) -> None:
        """Write the tick that is due, once, to a partition that is read to its end."""
        if not partition.reading or not self._lag.reached(partition) or not partition.drained:
            return
        due = partition.ledger.tick_due(self._clock.now_ms())
        # Without a valid lease the send would wait for one, and the ticks of the other partitions would wait
        # too.
        if due is None or not partition.epoch.lease.valid:
            return
        now = self._clock.elapsed()
        written, at = self._ticked.get(partition, (None, now))
        if due == written and now - at < TICK_AGAIN_SECONDS:
            return
        if not await self._write(partition, tick(due, self._settings)):
            return
        self._ticked[partition] = due, now
        self._counts.ticks_written += 1

    async def _write(self, partition: Partition, value: bytes) -> bool:
        """Append a control record; return False if the partition is not ours any more.

        Raises:
            DeliveryFailedError: The broker refused the record, or did not acknowledge it in time.
        """
        builder = self._sent.builder()
        builder.append(timestamp=self._clock.now_ms(), key=None, value=value, headers=[])
        builder.close()
        try:
            await self._sent.send(builder, partition.source, partition.epoch)
        except Revoked:
            return False
        return True
