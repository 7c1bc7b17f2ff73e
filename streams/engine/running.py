"""Running engine: the parts that a worker has from joining the group until it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from streams.changelog.checkpoints import Checkpoints
from streams.changelog.standby import Standbys
from streams.delivery.outbox import Outbox
from streams.engine.checkpoint_writer import CheckpointWriter
from streams.engine.fetching import Fetcher
from streams.engine.gaps import Gaps
from streams.engine.opening import PartitionOpener
from streams.engine.status_reporter import StatusReporter
from streams.engine.tick_writer import TickWriter
from streams.membership.commits import Commits
from streams.membership.lag import LagTracker
from streams.membership.watchdog import Watchdog

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Iterator

    from streams.clock import Clock
    from streams.flow import Flow
    from streams.kafka.clients import Connections
    from streams.kafka.closing import BackgroundCloses
    from streams.kafka.retry import RetryPolicy
    from streams.metrics import Counts
    from streams.partition.partition import Partition
    from streams.settings.settings import Settings


class Owner(Protocol):
    """Owner of the partitions, reduced to what the parts of the engine use."""

    settings: Settings
    counts: Counts
    owned: dict[int, Partition]
    paused: bool
    clock: Clock
    retry: RetryPolicy
    closing: BackgroundCloses
    progress: asyncio.Event
    """Event that is set when a partition may take more records, or something was finished."""
    unassigned_since: float | None
    """Moment since which the worker waits for an assignment; None while it has one."""

    def reopen(self, partition: Partition, why: str) -> None:
        """Read a partition's changelog again, for this reason."""

    def fail(self, reason: BaseException) -> None:
        """End the worker for this reason."""


@dataclass(frozen=True, slots=True)
class Running:
    """Parts of the engine that exist once the worker is connected."""

    consumer: Any
    """Group member's consumer."""
    commits: Commits
    checkpoints: Checkpoints
    checkpoint_writer: CheckpointWriter
    standbys: Standbys
    opener: PartitionOpener
    fetcher: Fetcher
    lag: LagTracker
    ticks: TickWriter
    status: StatusReporter
    watchdog: Watchdog

    def work(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield the coroutines that run until the worker stops."""
        parts = (self.fetcher, self.commits, self.checkpoint_writer, self.standbys)
        watchers = (self.ticks, self.status, self.watchdog)
        for part in (*parts, *watchers):
            yield part.run()


async def connect(flow: Flow, owner: Owner, connections: Connections, clients: list[Any]) -> Running:
    """Connect to the broker, join the group, and put the parts of the engine together.

    Args:
        flow: Flow to run.
        owner: Owner of the flow's partitions.
        connections: Maker of Kafka clients.
        clients: List to which every started client is appended, even if a later client fails. The owner
            closes them.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    settings, counts, clock = owner.settings, owner.counts, owner.clock
    # Clients: outputs and rows have a producer each, so that neither waits for the other's request.
    outputs, rows = await connections.producers()
    clients += [outputs, rows]
    deadline = settings.send_deadline_seconds
    sent, kept = Outbox(outputs, deadline=deadline), Outbox(rows, deadline=deadline)
    consumer = await connections.consumer()
    clients.insert(0, consumer)
    holes = await connections.holes()
    exactly_once = await connections.exactly_once()
    # Parts that other parts need as arguments.
    salvage = connections.salvage()
    session = settings.session_timeout_ms / 1_000
    commits = Commits(consumer, owner.owned.values, clock=clock, session=session, counts=counts)
    checkpoints = Checkpoints(flow, settings=settings, counts=counts, clock=clock)
    lag = LagTracker(consumer, holes=holes)
    standbys = Standbys(
        flow, settings=settings, connections=connections, checkpoints=checkpoints, counts=counts, holes=holes
    )
    gaps = Gaps(
        consumer,
        accept=settings.accept_gap,
        counts=counts,
        retry=owner.retry,
        holes=holes,
        salvage=salvage,
    )
    # Parts that the worker runs, put together with the owner's callbacks.
    return Running(
        consumer=consumer,
        commits=commits,
        checkpoints=checkpoints,
        checkpoint_writer=CheckpointWriter(
            owner.owned.values, files=checkpoints, seconds=settings.checkpoint_seconds, clock=clock
        ),
        standbys=standbys,
        opener=PartitionOpener(
            flow,
            settings=settings,
            connections=connections,
            consumer=consumer,
            sent=sent,
            rows=kept,
            clock=clock,
            closing=owner.closing,
            retry=owner.retry,
            holes=holes,
            exactly_once=exactly_once,
            reopen=owner.reopen,
            fail=owner.fail,
            checkpoints=checkpoints,
            standbys=standbys,
        ),
        fetcher=Fetcher(
            consumer,
            owner.owned,
            gaps=gaps,
            salvage=salvage,
            retry=owner.retry,
            clock=clock,
            counts=counts,
            progress=owner.progress,
            most=settings.batch_records,
        ),
        lag=lag,
        ticks=TickWriter(
            owner.owned.values, settings=settings.ledger, sent=sent, clock=clock, counts=counts, lag=lag
        ),
        status=StatusReporter(
            owner.owned.values, partitioner=flow.partitioner, clock=clock, counts=counts, lag=lag
        ),
        watchdog=Watchdog(
            owner.owned.values,
            clock=clock,
            lag=lag.lag,
            answered_at=lag.answered_at,
            paused=lambda: owner.paused,
            unanswered_since=lambda: commits.unanswered_since,
            unassigned_since=lambda: owner.unassigned_since,
            stall=settings.stall_seconds,
            patience=owner.retry.patience,
            session=session,
        ),
    )
