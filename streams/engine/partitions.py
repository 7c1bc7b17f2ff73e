"""The service that owns a flow's partitions: assignment, reading, commits, and the end of it all.

It stands beside Faust's own transport, with a consumer and a group of its own. Faust supervises it, and
carries its batches to an ordinary agent over a channel.
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
from streams.errors import BrokerUnreachable, DeliveryFailed, EngineFault, TopicMismatch
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
"""How long a stop waits until what is computed is acknowledged; the rest the next owner computes again."""


class Partitions(mode.Service):
    """Owns partitions of a flow's source, as the group assigns them.

    Args:
        flow: Flow to run.
        settings: Service settings.
        channel: Channel on which batches travel to the agent.
        connections: Maker of Kafka clients.
        clock: The machine's clocks.
        shutdown: Way in which a worker that cannot go on is brought down.
        options: Whatever else a `mode.Service` takes.
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
        """Kafka clients that were started: the consumer first."""
        self._running: Running | None = None

    @property
    def running(self) -> Running:
        """Parts of the engine, once the worker is connected.

        Raises:
            EngineFault: The worker is not connected.
        """
        if self._running is None:
            raise EngineFault("the worker is not connected yet")
        return self._running

    async def on_start(self) -> None:
        """Connect, join the group and begin.

        Raises:
            BrokerUnreachable: no broker answers.
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
        """Deliver what is computed, commit, leave the group; all of it bounded."""
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
        # A ledger whose agent failed may be ahead of what was sent.
        if self._running is not None and not self._stopper.reason:
            await self._running.checkpoints.write_last(self._kept)

    def fail(self, reason: BaseException) -> None:
        """End the worker: one clear line, a non-zero status, and a timer in case the end does not come.

        What failed on the broker's side may have a cause that can be told: it is asked for first.
        """
        if self._failing or self._over:
            return
        self._failing = True
        if isinstance(reason, DeliveryFailed | BrokerUnreachable):
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
        """Whether the service brought the worker down, and has said why."""
        return self._stopper.reason is not None

    @property
    def status(self) -> int:
        """The exit status that its end asks for; 0 when nothing brought it down."""
        return self._stopper.status

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - a switch
        """Stop applying purchases, or go on; the lease is kept, and what is computed is delivered."""
        self.paused = paused
        for partition in self.owned.values():
            partition.hold(paused)
        self.progress.set()

    def report(self) -> dict[str, Any]:
        """Return the counters and the lag; the counters alone before the worker is connected."""
        return self._running.status.report() if self._running is not None else self.counts.snapshot()

    def lag_of(self, partition: Partition) -> int:
        """Return how many records of a partition are not applied yet; 0 while that is not known."""
        return self._running.lag.lag(partition) if self._running is not None else 0

    def still_of(self, partition: Partition) -> float:
        """Return for how many seconds a partition has had work and has not got on."""
        return self._running.watchdog.still(partition) if self._running is not None else 0.0

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """A customer's state, if the partition is ours and knows the customer."""
        home = partition_of(customer, self._flow.partitions, self._flow.partitioner)
        partition = self.owned.get(home)
        return partition.ledger.describe(customer) if partition is not None and partition.recovered else None

    # --- assignment -----------------------------------------------------------------------------------------

    def assign(self, assigned: Iterable[TopicPartition]) -> None:
        """Take partitions: each paused, each given a position, each recovered on its own.

        It must not wait: the group hears no heartbeat until it returns. A partition without a position would
        be given one by aiokafka, and what was fetched for its old one would be lost or doubled.

        Raises:
            TopicMismatch: the topic has another number of partitions than the state was made for.
        """
        there = self.running.consumer.partitions_for_topic(self._flow.source)
        if there is not None and len(there) != self._flow.partitions:
            raise TopicMismatch(
                f"{self._flow.source} has {len(there)} partitions now, and the state was made "
                f"for {self._flow.partitions}: customers would be looked for in the wrong one. Name new "
                "topics of so many partitions with CARTPULSE_TOPIC_PREFIX, and send the purchases there."
            )
        if there is not None:
            self.unassigned_since = None
        if self.should_stop:
            return  # it leaves in a moment; what it opened now, nobody would close
        lease = Lease(self.clock, self._session)
        kept, self._kept = self._kept, {}
        if self._take_overs.assigned(self.clock.elapsed()):
            self.counts.add("take_overs")
        assigned = sorted(assigned)
        self.running.standbys.assigned([source.partition for source in assigned], kept)
        for source in assigned:
            self._open(source, lease, kept.get(source.partition))

    def wait_for_assignment(self) -> None:
        """The group takes the partitions and is about to assign anew; that may not take for ever."""
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
            return  # it is another's, whom we would fence off; the group is about to say so
        opened = await self.running.opener.open(partition, kept)
        if partition.epoch.over:
            self.closing.begin(opened.delivery.close())
            return
        partition.start(opened.ledger, opened.delivery)
        self._supervised.run(opened.delivery.run(), partition, may_end=False)
        self._supervised.run(partition.work(), partition, may_end=False)
        # From here on, one step: the position, the first fetch, and who gets what it brings.
        self.running.consumer.seek(partition.source, opened.start)
        self.running.consumer.resume(partition.source)
        partition.begin_reading()
        self.running.commits.soon.set()
        self.progress.set()
        opened.note(partition.number, self._flow.fingerprint, self.counts)
        if all(other.reading for other in self.owned.values()):
            spare_the_collector()

    def reopen(self, partition: Partition, why: str) -> None:
        """The changelog may hold what this worker does not know: read it again, whatever it is."""
        log.warning("Partition %d: %s; its state is read again", partition.number, why)
        self.counts.add("reopened")
        leaving = partition.closing
        acknowledged = None if partition.delivery is None else partition.delivery.acknowledged
        self._close(partition)
        if self._reopenings.too_many(partition.number, self.clock.elapsed()):
            self.fail(DeliveryFailed(f"partition {partition.number} was opened again and again: {why}"))
        elif not leaving:
            self._open(partition.source, partition.epoch.lease, None, acknowledged)

    def _close(self, partition: Partition) -> PositionedLedger | None:
        if partition.delivery is not None:
            self.closing.begin(partition.delivery.close())
        return partition.close()

    async def release(self, seconds: float) -> None:
        """Let go of all partitions, delivering and committing what is computed, if lease and time allow."""
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
