"""The service that owns partitions of `purchases`: assignment, reading, commits, and the end of it all.

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
from streams.changelog.checkpoints import Checkpoints
from streams.changelog.standby import Standbys
from streams.clock import SystemClock
from streams.delivery.lease import Lease
from streams.delivery.outbox import Outbox
from streams.engine.checkpoint_writer import CheckpointWriter
from streams.engine.fetching import Fetcher
from streams.engine.gaps import Gaps
from streams.engine.housekeeping import Housekeeping
from streams.engine.opening import PartitionOpener
from streams.engine.rebalances import RebalanceListener
from streams.errors import BrokerUnreachable, DeliveryFailed, TopicMismatch
from streams.kafka.closing import CLOSE_SECONDS, BackgroundCloses, close
from streams.kafka.retry import PATIENCE, RetryPolicy
from streams.membership.commits import Commits
from streams.membership.conflicts import Reopenings, TakeOvers
from streams.membership.lag import LagTracker
from streams.membership.tasks import Tasks
from streams.membership.watchdog import Watchdog
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
    from streams.flow import DecoderLike, LedgerFactory
    from streams.kafka.clients import Connections
    from streams.partition.channel import BatchChannel
    from streams.settings.settings import Settings

log = logging.getLogger(__name__)

DRAIN_SECONDS = 3.0
"""How long a stop waits until what is computed is acknowledged; the rest the next owner computes again."""


class Partitions(mode.Service):
    """Owns partitions of `purchases`, as the group assigns them.

    Args:
        settings: of the service.
        ledgers: makes the ledger of a partition.
        decoder: raw records to columns.
        channel: on which batches travel to the agent.
        connections: the Kafka clients.
        clock: the machine's clocks.
        ending: how a worker that cannot go on is brought down.
        options: whatever else a `mode.Service` takes.
    """

    abstract: ClassVar[bool] = False
    logger = logging.getLogger("streams.engine.partitions.lifecycle")

    def __init__(
        self,
        settings: Settings,
        *,
        ledgers: LedgerFactory,
        decoder: DecoderLike,
        channel: BatchChannel,
        connections: Connections,
        clock: Clock | None = None,
        ending: Shutdown | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.settings = settings
        self.counts = Counts()
        self.owned: dict[int, Partition] = {}
        self.paused = False
        self._ledgers = ledgers
        self._decoder = decoder
        self._channel = channel
        self._connections = connections
        self._clock = clock or SystemClock()
        self._ending = ending or Shutdown()
        self._isolator = PoisonIsolator(self._clock)
        self._session = settings.session_timeout_ms / 1_000
        self._take_overs = TakeOvers(settings.group_instance_id)
        self._reopenings = Reopenings()
        self._kept: dict[int, PositionedLedger] = {}
        self._supervised = Tasks(self._ended)
        self._closing = BackgroundCloses()
        self._over = self._failing = False
        self._retry = RetryPolicy(self._clock, PATIENCE * settings.send_deadline_seconds)
        self._unassigned_since: float | None = self._clock.elapsed()

    async def on_start(self) -> None:
        """Connect, join the group and begin.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        try:
            await self._begin()
        except Exception as reason:
            self._ending.begin(reason)
            raise

    async def _begin(self) -> None:
        self._progress = asyncio.Event()
        outputs, rows = self._producers = await self._connections.producers()
        deadline = self.settings.send_deadline_seconds
        self._sent, self._rows = Outbox(outputs, deadline=deadline), Outbox(rows, deadline=deadline)
        self._consumer = await self._connections.consumer()
        self._commits = Commits(
            self._consumer, self.owned.values, clock=self._clock, session=self._session, counts=self.counts
        )
        self._holes = await self._connections.holes()
        salvage = self._connections.salvage()
        gaps = Gaps(
            self._consumer,
            accept=self.settings.accept_gap,
            counts=self.counts,
            retry=self._retry,
            holes=self._holes,
            salvage=salvage,
        )
        self._checkpoints = Checkpoints(self.settings, counts=self.counts, clock=self._clock)
        self._checkpoint_writer = CheckpointWriter(
            self._checkpoints, seconds=self.settings.checkpoint_seconds, clock=self._clock
        )
        self._standbys = Standbys(
            self.settings,
            connections=self._connections,
            ledgers=self._ledgers,
            checkpoints=self._checkpoints,
            counts=self.counts,
            holes=self._holes,
        )
        self._opener = PartitionOpener(
            self.settings,
            connections=self._connections,
            consumer=self._consumer,
            ledgers=self._ledgers,
            sent=self._sent,
            rows=self._rows,
            clock=self._clock,
            closing=self._closing,
            retry=self._retry,
            holes=self._holes,
            exactly_once=await self._connections.exactly_once(),
            reopen=self._reopen,
            fail=self.fail,
            checkpoints=self._checkpoints,
            standbys=self._standbys,
        )
        self._consumer.subscribe([self.settings.purchases_topic], listener=RebalanceListener(self))
        reading = Fetcher(
            self._consumer,
            self.owned,
            gaps=gaps,
            salvage=salvage,
            retry=self._retry,
            clock=self._clock,
            counts=self.counts,
            progress=self._progress,
            most=self.settings.batch_records,
        )
        self._supervised.run(reading.run())
        self._supervised.run(self._commits.run())
        ends = LagTracker(self._consumer, holes=self._holes)
        self._supervised.run(self._checkpoint_writer.run(self.owned.values))
        self._supervised.run(self._standbys.run())
        self.house = Housekeeping(
            self.owned.values,
            settings=self.settings,
            sent=self._sent,
            clock=self._clock,
            counts=self.counts,
            ends=ends,
        )
        self._supervised.run(self.house.run())
        watchdog = Watchdog(
            self.owned.values,
            clock=self._clock,
            lag=ends.lag,
            answered_at=ends.answered_at,
            paused=lambda: self.paused,
            unanswered_since=lambda: self._commits.unanswered_since,
            unassigned_since=lambda: self._unassigned_since,
            stall=self.settings.stall_seconds,
            patience=self._retry.patience,
            session=self._session,
        )
        self._supervised.run(watchdog.run())

    async def on_stop(self) -> None:
        """Deliver what is computed, commit, leave the group; all of it bounded."""
        self._ending.expect()
        if hasattr(self, "_consumer"):
            await self.release(0 if self._ending.reason else DRAIN_SECONDS)
        self._over = True
        await self._supervised.cancel()
        clients = [
            *([self._consumer] if hasattr(self, "_consumer") else []),
            *getattr(self, "_producers", ()),
        ]
        await asyncio.gather(
            self._closing.finish(), close(self._connections), *(close(client) for client in clients)
        )
        if clients and not self._ending.reason:  # a ledger whose agent failed may be ahead of what was sent
            await self._checkpoints.write_last(self._kept)

    def fail(self, reason: BaseException) -> None:
        """End the worker: one clear line, a non-zero status, and a timer in case the end does not come.

        What failed on the broker's side may have a cause that can be told: it is asked for first.
        """
        if self._failing or self._over:
            return
        self._failing = True
        if isinstance(reason, DeliveryFailed | BrokerUnreachable):
            self._ending.expect()
            self.add_future(self._fail_for_a_reason(reason))
        else:
            self._end(reason)

    def _ended(self, error: BaseException) -> None:
        if not self._over:
            self.fail(error)

    async def _fail_for_a_reason(self, reason: Exception) -> None:
        self._end(await self._connections.why(reason))

    def _end(self, reason: BaseException) -> None:
        if self._ending.begin(reason):
            self._over = True
            self.add_future(self.crash(reason))

    @property
    def failed(self) -> bool:
        """Whether the service brought the worker down, and has said why."""
        return self._ending.reason is not None

    @property
    def status(self) -> int:
        """The exit status that its end asks for; 0 when nothing brought it down."""
        return self._ending.status

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - a switch
        """Stop applying purchases, or go on; the lease is kept, and what is computed is delivered."""
        self.paused = paused
        for partition in self.owned.values():
            partition.hold(paused)
        self._progress.set()

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """A customer's state, if the partition is ours and knows the customer."""
        home = partition_of(customer, self.settings.partitions, self.settings.partitioner)
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
        there = self._consumer.partitions_for_topic(self.settings.purchases_topic)
        if there is not None and len(there) != self.settings.partitions:
            raise TopicMismatch(
                f"{self.settings.purchases_topic} has {len(there)} partitions now, and the state was made "
                f"for {self.settings.partitions}: customers would be looked for in the wrong one. Name new "
                "topics of so many partitions with CARTPULSE_TOPIC_PREFIX, and send the purchases there."
            )
        if there is not None:
            self._unassigned_since = None
        if self.should_stop:
            return  # it leaves in a moment; what it opened now, nobody would close
        lease = Lease(self._clock, self._session)
        kept, self._kept = self._kept, {}
        if self._take_overs.assigned(self._clock.elapsed()):
            self.counts.add("take_overs")
        assigned = sorted(assigned)
        self._standbys.assigned([source.partition for source in assigned], kept)
        for source in assigned:
            self._open(source, lease, kept.get(source.partition))

    def wait_for_assignment(self) -> None:
        """The group takes the partitions and is about to assign anew; that may not take for ever."""
        self._unassigned_since = self._clock.elapsed()

    def _open(
        self,
        source: TopicPartition,
        lease: Lease,
        kept: PositionedLedger | None,
        acknowledged: int | None = None,
    ) -> None:
        self._consumer.pause(source)
        self._consumer.seek(source, 0)
        partition = Partition(
            source.partition,
            lease=lease,
            settings=self.settings,
            decoder=self._decoder,
            hand_over=self._channel.queue.put_nowait,
            isolation=self._isolator,
            counts=self.counts,
            clock=self._clock,
            progress=self._progress.set,
            fail=self.fail,
        )
        partition.paused = self.paused
        self.owned[source.partition] = partition
        self._supervised.run(self._recover(partition, kept, acknowledged), partition)

    async def _recover(
        self, partition: Partition, kept: PositionedLedger | None, acknowledged: int | None
    ) -> None:
        if acknowledged is not None and not await self._retry.call(
            functools.partial(self._commits.member, partition.source, acknowledged),
            f"Opening partition {partition.number} again",
            over=lambda: partition.epoch.over,
        ):
            return  # it is another's, whom we would fence off; the group is about to say so
        opened = await self._opener.open(partition, kept)
        if partition.epoch.over:
            self._closing.begin(opened.delivery.close())
            return
        partition.start(opened.ledger, opened.delivery)
        self._supervised.run(opened.delivery.run(), partition, may_end=False)
        self._supervised.run(partition.work(), partition, may_end=False)
        # From here on, one step: the position, the first fetch, and who gets what it brings.
        self._consumer.seek(partition.source, opened.start)
        self._consumer.resume(partition.source)
        partition.reading = True
        self._commits.soon.set()
        self._progress.set()
        opened.note(partition.number, self.settings.ledger.fingerprint, self.counts)
        if all(other.reading for other in self.owned.values()):
            spare_the_collector()

    def _reopen(self, partition: Partition, why: str) -> None:
        """The changelog may hold what this worker does not know: read it again, whatever it is."""
        log.warning("Partition %d: %s; its state is read again", partition.number, why)
        self.counts.add("reopened")
        leaving = partition.closing
        acknowledged = None if partition.delivery is None else partition.delivery.acknowledged
        self._close(partition)
        if self._reopenings.too_many(partition.number, self._clock.elapsed()):
            self.fail(DeliveryFailed(f"partition {partition.number} was opened again and again: {why}"))
        elif not leaving:
            self._open(partition.source, partition.epoch.lease, None, acknowledged)

    def _close(self, partition: Partition) -> PositionedLedger | None:
        if partition.delivery is not None:
            self._closing.begin(partition.delivery.close())
        return partition.close()

    async def release(self, seconds: float) -> None:
        """Let go of all partitions, delivering and committing what is computed, if lease and time allow."""
        partitions = list(self.owned.values())
        for partition in partitions:
            partition.release()
        lease = next((partition.epoch.lease for partition in partitions), None)
        until = self._clock.elapsed() + seconds
        while lease is not None and not all(partition.idle for partition in partitions):
            left = min(until - self._clock.elapsed(), lease.remaining)
            self._progress.clear()
            if left <= 0:
                break
            with contextlib.suppress(TimeoutError):  # the lease may have been renewed meanwhile
                async with asyncio.timeout(left):
                    await self._progress.wait()
        if seconds and lease is not None and lease.valid:
            try:
                async with asyncio.timeout(min(CLOSE_SECONDS, lease.remaining)):
                    await self._commits.commit()
            except TimeoutError:
                log.info(
                    "The last commit was not answered; the next owner reads the position from the changelog"
                )
        for partition in partitions:
            kept = self._close(partition)
            if kept is not None:
                self._kept[partition.number] = kept
        self.owned.clear()
