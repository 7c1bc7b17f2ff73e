"""Service that owns a flow's partitions: assignment, reading, commits, and shutdown.

The service runs beside Faust's own transport, with a consumer and a consumer group of its own. Faust
supervises the service, and carries its batches to an ordinary agent over a channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any, ClassVar

import mode

from models.records.partitioner import partition_of
from streams.clock import SystemClock
from streams.delivery.lease import Lease
from streams.engine.rebalances import RebalanceListener
from streams.engine.running import connect
from streams.errors import BrokerUnreachableError, DeliveryFailedError, EngineError, TopicMismatchError
from streams.kafka.closing import CLOSE_SECONDS, BackgroundCloses, close
from streams.kafka.retry import PATIENCE, RetryPolicy
from streams.membership.conflicts import Reopenings, TakeOvers
from streams.membership.tasks import Tasks
from streams.metrics import Counts
from streams.partition.isolation import PoisonIsolator
from streams.partition.partition import Partition
from streams.process.memory import spare_the_collector
from streams.process.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.structs import TopicPartition

    from streams.changelog.recovery import PositionedLedger
    from streams.clock import Clock
    from streams.engine.running import Running
    from streams.flow import Flow
    from streams.kafka.clients import Connections
    from streams.partition.channel import BatchChannel
    from streams.settings.settings import Settings

log = logging.getLogger(__name__)

DRAIN_SECONDS = 3.0
"""Most seconds that a stop waits until computed steps are acknowledged. The next owner computes the remaining
steps again."""


class Partitions(mode.Service):
    """Owner of those partitions of a flow's source that the consumer group assigns to this worker.

    Args:
        flow: Flow to run.
        settings: Service settings.
        channel: Channel on which batches travel to the agent.
        connections: Maker of Kafka clients.
        clock: Clocks of the machine.
        shutdown: Shutdown that ends a worker that cannot go on.
        options: Further options of a `mode.Service`.
    """

    abstract: ClassVar[bool] = False
    logger = logging.getLogger("streams.engine.partitions.lifecycle")

    def __init__(
        self,
        flow: Flow,
        *,
        settings: Settings,
        channel: BatchChannel,
        connections: Connections,
        clock: Clock | None = None,
        shutdown: Shutdown | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.settings = settings
        self.counts = Counts()
        self.owned: dict[int, Partition] = {}
        self.paused = False
        self.clock = clock or SystemClock()
        self.retry = RetryPolicy(self.clock, PATIENCE * settings.send_deadline_seconds)
        self.closing = BackgroundCloses()
        self.progress = asyncio.Event()
        self.unassigned_since: float | None = self.clock.elapsed()
        self._flow = flow
        self._channel = channel
        self._connections = connections
        self._stopper = shutdown or Shutdown()
        self._isolator = PoisonIsolator(self.clock)
        self._session = settings.session_timeout_ms / 1_000
        self._take_overs = TakeOvers(settings.group_instance_id)
        self._reopenings = Reopenings()
        self._kept: dict[int, PositionedLedger] = {}
        self._supervised = Tasks(self._ended)
        self._over = self._failing = False
        self._clients: list[Any] = []
        """Kafka clients that were started, the consumer first."""
        self._running: Running | None = None

    @property
    def running(self) -> Running:
        """Parts of the engine, once the worker is connected.

        Raises:
            EngineError: The worker is not connected.
        """
        if self._running is None:
            raise EngineError("the worker is not connected yet")
        return self._running

    async def on_start(self) -> None:
        """Connect, join the group and begin to work.

        Raises:
            BrokerUnreachableError: No broker answers.
        """
        try:
            await self._begin()
        except Exception as reason:
            self._stopper.begin(reason)
            raise

    async def _begin(self) -> None:
        self._running = running = await connect(self._flow, self, self._connections, self._clients)
        running.consumer.subscribe([self._flow.source], listener=RebalanceListener(self))
        for work in running.work():
            self._supervised.run(work)

    async def on_stop(self) -> None:
        """Deliver computed steps, commit, and leave the group. Each of these steps has a time limit."""
        self._stopper.expect()
        if self._running is not None:
            await self.release(0 if self._stopper.reason else DRAIN_SECONDS)
        self._over = True
        await self._supervised.cancel()
        await asyncio.gather(
            self.closing.finish(),
            close(self._connections),
            *(close(client) for client in self._clients),
        )
        # After a failure no checkpoint is written: a ledger whose agent failed may be ahead of what was sent.
        if self._running is not None and not self._stopper.reason:
            await self._running.checkpoints.write_last(self._kept)

    def fail(self, reason: BaseException) -> None:
        """End the worker with one clear log line and a non-zero status.

        A timer ends the process if the stop hangs.

        After a failure on the broker's side, the broker is first asked for a more specific reason.
        """
        if self._failing or self._over:
            return
        self._failing = True
        if isinstance(reason, DeliveryFailedError | BrokerUnreachableError):
            self._stopper.expect()
            self.add_future(self._fail_for_a_reason(reason))
        else:
            self._end(reason)

    def _ended(self, error: BaseException) -> None:
        if not self._over:
            self.fail(error)

    async def _fail_for_a_reason(self, reason: Exception) -> None:
        self._end(await self._connections.why(reason))

    def _end(self, reason: BaseException) -> None:
        if self._stopper.begin(reason):
            self._over = True
            self.add_future(self.crash(reason))

    @property
    def failed(self) -> bool:
        """True if the service ended the worker and has logged the reason."""
        return self._stopper.reason is not None

    @property
    def status(self) -> int:
        """Exit status for the process; 0 if no failure ended the worker."""
        return self._stopper.status

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - a switch
        """Stop applying purchases, or go on.

        The lease is still renewed, and computed steps are still delivered.
        """
        self.paused = paused
        for partition in self.owned.values():
            partition.hold(paused)
        self.progress.set()

    def report(self) -> dict[str, Any]:
        """Return the counters and the lag; the counters alone before the worker is connected."""
        return self._running.status.report() if self._running is not None else self.counts.snapshot()

    def lag_of(self, partition: Partition) -> int:
        """Return the number of a partition's records that are not applied yet; 0 while it is unknown."""
        return self._running.lag.lag(partition) if self._running is not None else 0

    def still_of(self, partition: Partition) -> float:
        """Return the seconds for which a partition has had work and has made no progress."""
        return self._running.watchdog.still(partition) if self._running is not None else 0.0

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """Return a customer's state, or None if the partition is not ours or the customer is unknown."""
        home = partition_of(customer, self._flow.partitions, self._flow.partitioner)
        partition = self.owned.get(home)
        return partition.ledger.describe(customer) if partition is not None and partition.recovered else None

    # --- assignment -----------------------------------------------------------------------------------------

    def assign(self, assigned: Iterable[TopicPartition]) -> None:
        """Take over assigned partitions: pause each, give each a position, and recover each on its own.

        `assign` must not wait: the group receives no heartbeat until it returns. aiokafka would choose a
        position for a partition without one, and records fetched for the old position would be lost or
        doubled.

        Raises:
            TopicMismatchError: The topic's partition count differs from the one for which the state was made.
        """
        there = self.running.consumer.partitions_for_topic(self._flow.source)
        if there is not None and len(there) != self._flow.partitions:
            raise TopicMismatchError(
                f"{self._flow.source} has {len(there)} partitions now, and the state was made "
                f"for {self._flow.partitions}: customers would be looked for in the wrong one. Name new "
                "topics of so many partitions with CARTPULSE_TOPIC_PREFIX, and send the purchases there."
            )
        if there is not None:
            self.unassigned_since = None
        if self.should_stop:
            return  # the worker leaves in a moment, and nobody would close partitions that it opened now
        lease = Lease(self.clock, self._session)
        kept, self._kept = self._kept, {}
        if self._take_overs.assigned(self.clock.elapsed()):
            self.counts.take_overs += 1
        assigned = sorted(assigned)
        self.running.standbys.assigned([source.partition for source in assigned], kept)
        for source in assigned:
            self._open(source, lease, kept.get(source.partition))

    def wait_for_assignment(self) -> None:
        """Note that the group has revoked the partitions and will assign anew.

        The watchdog limits this wait.
        """
        self.unassigned_since = self.clock.elapsed()

    def _open(
        self,
        source: TopicPartition,
        lease: Lease,
        kept: PositionedLedger | None,
        acknowledged: int | None = None,
    ) -> None:
        self.running.consumer.pause(source)
        self.running.consumer.seek(source, 0)
        partition = Partition(
            source.partition,
            flow=self._flow,
            lease=lease,
            sweep_limit=self.settings.sweep_limit,
            paused=self.paused,
            hand_over=self._channel.queue.put_nowait,
            isolation=self._isolator,
            counts=self.counts,
            clock=self.clock,
            progress=self.progress.set,
            fail=self.fail,
        )
        self.owned[source.partition] = partition
        self._supervised.run(self._recover(partition, kept, acknowledged), partition)

    async def _recover(
        self, partition: Partition, kept: PositionedLedger | None, acknowledged: int | None
    ) -> None:
        if acknowledged is not None and not await self.retry.call(
            functools.partial(self.running.commits.member, partition.source, acknowledged),
            f"Opening partition {partition.number} again",
            over=lambda: partition.epoch.over,
        ):
            return  # opening the partition would fence off its new owner; a rebalance is about to follow
        opened = await self.running.opener.open(partition, kept)
        if partition.epoch.over:
            self.closing.begin(opened.delivery.close())
            return
        partition.start(opened.ledger, opened.delivery)
        self._supervised.run(opened.delivery.run(), partition, may_end=False)
        self._supervised.run(partition.work(), partition, may_end=False)
        # From here on there is no await: the seek, the resume and the start of reading take effect in one
        # step.
        self.running.consumer.seek(partition.source, opened.start)
        self.running.consumer.resume(partition.source)
        partition.begin_reading()
        self.running.commits.soon.set()
        self.progress.set()
        opened.note(partition.number, self._flow.fingerprint, self.counts)
        if all(other.reading for other in self.owned.values()):
            spare_the_collector()

    def reopen(self, partition: Partition, why: str) -> None:
        """Open a partition again, because its changelog may hold rows that this worker has not read."""
        log.warning("Partition %d: %s; its state is read again", partition.number, why)
        self.counts.reopened += 1
        leaving = partition.closing
        acknowledged = None if partition.delivery is None else partition.delivery.acknowledged
        self._close(partition)
        if self._reopenings.too_many(partition.number, self.clock.elapsed()):
            self.fail(DeliveryFailedError(f"partition {partition.number} was opened again and again: {why}"))
        elif not leaving:
            self._open(partition.source, partition.epoch.lease, None, acknowledged)

    def _close(self, partition: Partition) -> PositionedLedger | None:
        if partition.delivery is not None:
            self.closing.begin(partition.delivery.close())
        return partition.close()

    async def release(self, seconds: float) -> None:
        """Release all partitions.

        Deliver and commit computed steps first, as far as the lease and the time allow.
        """
        partitions = list(self.owned.values())
        for partition in partitions:
            partition.release()
        lease = next((partition.epoch.lease for partition in partitions), None)
        until = self.clock.elapsed() + seconds
        while lease is not None and not all(partition.idle for partition in partitions):
            left = min(until - self.clock.elapsed(), lease.remaining)
            self.progress.clear()
            if left <= 0:
                break
            with contextlib.suppress(TimeoutError):  # the lease may have been renewed meanwhile
                async with asyncio.timeout(left):
                    await self.progress.wait()
        if seconds and lease is not None and lease.valid:
            try:
                async with asyncio.timeout(min(CLOSE_SECONDS, lease.remaining)):
                    await self.running.commits.commit()
            except TimeoutError:
                log.info(
                    "The last commit was not answered; the next owner reads the position from the changelog"
                )
        for partition in partitions:
            kept = self._close(partition)
            if kept is not None:
                self._kept[partition.number] = kept
        self.owned.clear()
