"""One assignment of one partition: from fetched records to delivered steps.

The object is the epoch. Fetched records are bound to it in the step in which they arrive, it is replaced at
every assignment, and nothing that belongs to an old one is ever sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from streams.changelog.recovery import PositionedLedger
from streams.delivery.lease import Epoch
from streams.errors import EngineFault
from streams.partition.batch import Batch
from streams.partition.emitter import Emitter
from streams.partition.run_queue import RunQueue
from streams.partition.timer import BatchTimer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from models.contracts.changes import Changes
    from streams.clock import Clock
    from streams.delivery.lease import Lease
    from streams.delivery.queue import Delivery
    from streams.flow import Flow, LedgerLike
    from streams.metrics import Counts
    from streams.partition.batch import Run
    from streams.partition.isolation import PoisonIsolator


class Partition:
    """One owned partition.

    Args:
        number: Number of the partition.
        flow: Flow that it is a partition of.
        lease: Lease of the group generation that assigned it.
        sweep_limit: Customers that one step of a sweep looks at.
        paused: True if an operator told the worker to apply nothing.
        hand_over: Gives a batch to the agent.
        isolation: Limits how many records may be isolated.
        counts: The worker's counters.
        clock: Times the agent.
        progress: Called when more may be fetched, or something was finished.
        fail: Ends the worker.
    """

    def __init__(
        self,
        number: int,
        *,
        flow: Flow,
        lease: Lease,
        sweep_limit: int,
        paused: bool,
        hand_over: Callable[[Batch], None],
        isolation: PoisonIsolator,
        counts: Counts,
        clock: Clock,
        progress: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.number = number
        self.source = TopicPartition(flow.source, number)
        self.changelog = TopicPartition(flow.changelog, number)
        self.epoch = Epoch(lease)
        self.delivery: Delivery | None = None
        self.reading = False
        self.paused = paused
        self.closing = False
        self._sweep_limit = sweep_limit
        self._hand_over = hand_over
        self._isolator = isolation
        self._counts = counts
        self._clock = clock
        self._progress = progress
        self._fail = fail
        self._queue = RunQueue(flow.decoder)
        self._emitter = Emitter(flow, number, counts)
        self._timer = BatchTimer(clock, counts)
        self._tasks: list[asyncio.Task[None]] = []
        self._ledger: LedgerLike | None = None
        self._under_way: Batch | None = None
        self._sweep_first = False
        self._turn = asyncio.Event()
        self._still = False
        self._rested = asyncio.Event()

    @property
    def ledger(self) -> LedgerLike:
        """What the partition knows, once it is recovered."""
        if self._ledger is None:
            raise EngineFault(f"partition {self.number} is not recovered yet")
        return self._ledger

    @property
    def recovered(self) -> bool:
        """Whether it has its ledger."""
        return self._ledger is not None

    @property
    def can_fetch(self) -> bool:
        """Whether more records may be fetched for it."""
        return self.reading and not self.paused and not self.closing and not self._queue.full

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: all that was computed is acknowledged."""
        return self._under_way is None and (self.delivery is None or self.delivery.idle)

    @property
    def drained(self) -> bool:
        """Whether it is idle and nothing waits either."""
        return self.idle and not self._queue and not (self._ledger is not None and self._ledger.sweeping)

    @property
    def expected(self) -> int:
        """Source offset that the next fetched record should have."""
        return self._queue.expected

    @property
    def under_way_since(self) -> float | None:
        """When the batch that the agent has was handed over; None while the agent has none."""
        return self._timer.handed_over

    def owns(self, task: asyncio.Task[None]) -> None:
        """End a task with the epoch."""
        self._tasks.append(task)

    def pass_to(self, offset: int) -> None:
        """Expect the next record at an offset: what lies before it is gone, and that was accepted."""
        self._queue.expected = offset

    def start(self, ledger: LedgerLike, delivery: Delivery) -> None:
        """Take the recovered ledger; reading starts when the source is sought and resumed."""
        self._ledger = ledger
        self.delivery = delivery
        self._queue.expected = self._emitter.end = delivery.acknowledged
        self._turn.set()  # a sweep that was interrupted goes on, whether records come or not

    def begin_reading(self) -> None:
        """Let records be fetched; the source is sought and resumed in the same step."""
        self.reading = True

    def offer(self, raws: Sequence[Any]) -> None:
        """Take fetched records that begin where the ones before ended; one may be a whole `BrokenBatch`."""
        if self.closing:
            return
        self._queue.offer(raws)
        self._turn.set()

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - a switch
        """Stop handing batches to the agent, or go on."""
        self.paused = paused
        self.progressed()

    def progressed(self) -> None:
        """Something was finished that may let the next step be computed, or more be fetched."""
        if self.delivery is not None:
            self._timer.acknowledged(self.delivery.delivered)
        self._turn.set()
        self._progress()

    @contextlib.asynccontextmanager
    async def between_steps(self) -> AsyncIterator[None]:
        """Between two steps: until it is left none is computed, and the ledger does not change.

        What is computed goes on being delivered. If the epoch ends meanwhile, the ledger may change all the
        same: whoever looks at it asks afterwards.
        """
        self._still = True
        try:
            while self._under_way is not None and not self.epoch.over:
                self._rested.clear()
                await self._rested.wait()
            yield
        finally:
            self._still = False
            self._turn.set()

    @property
    def consistent(self) -> bool:
        """Whether the ledger holds no step that delivery was not given: an agent's fault ends the worker."""
        return self._ledger is not None and self._ledger.clock.offset < self._emitter.end

    async def work(self) -> None:
        """Hand batches to the agent and sweep in between, one at a time, while there is room to deliver."""
        while not self.epoch.over:
            await self._turn.wait()
            self._turn.clear()
            while self._may_step():
                if self._sweep_first or (self.ledger.sweeping and not self._queue):
                    self._sweep()
                elif self._queue and not self.paused:
                    self._under_way = Batch(self, self._queue.take(), self.ledger)
                    self._timer.hand_over()
                    self._hand_over(self._under_way)
                    self._progress()
                else:
                    break
                for _ in range(self.delivery.turns if self.delivery is not None else 1):
                    await asyncio.sleep(0)  # heartbeats, acknowledgements and the other partitions

    def _may_step(self) -> bool:
        return (
            not (self.closing or self._still)
            and self._under_way is None
            and self.delivery is not None
            and self.delivery.room
        )

    def _sweep(self) -> None:
        if not self.ledger.sweeping:
            raise EngineFault(f"partition {self.number}: the ledger takes no record and has nothing to sweep")
        self._sweep_first = False
        began = self._clock.elapsed()
        changes = self.ledger.sweep(self._sweep_limit)
        self._counts.sweeping.observe(self._clock.elapsed() - began)
        for customer, error in changes.passed_over:
            self._isolator.passed_over(customer, error)
        self._deliver(changes, None)

    def begun(self, batch: Batch) -> None:
        """The agent took it up."""
        del batch  # there is one at a time
        self._timer.take_up()

    def finished(self, batch: Batch) -> None:
        """The agent's last act: what changed is delivered, and what was not applied comes next."""
        changes, run, handed_over = batch.changes, batch.run, self._timer.handed_over
        self._timer.finish()
        self._put_down()
        if changes is None:
            self._fail(EngineFault("the agent ended a batch without delivering its changes"))
            return
        applied = changes.applied
        if applied:
            self._deliver(changes, run.part(0, applied))
            self._counts.add("records", applied)
            if self.delivery is not None:
                self._timer.computed(self.delivery.computed, handed_over)
        if applied < len(run):
            self._queue.put_back([run.part(applied, len(run))])
        # Purchases and the sweep take turns, so that neither waits for the other.
        self._sweep_first = self.ledger.sweeping or not applied
        self._counts.add("batches")

    def failed(self, batch: Batch, error: BaseException) -> bool:
        """Look for the record at fault by halves if the ledger is as it was; otherwise the fault is ours."""
        self._put_down()
        if self.ledger.clock.offset >= int(batch.records.offsets[0]):
            self._fail(EngineFault(f"the agent failed after the ledger had advanced: {error!r}"))
            return False
        if isinstance(error, MemoryError):
            self._fail(EngineFault(f"out of memory for partition {self.number}: {error}"))
            return False
        if not isinstance(error, Exception):  # Faust restarts the agent; the batch comes again
            self._queue.put_back([batch.run])
            return False
        try:
            self._queue.put_back(self._isolator.split(batch.run, error))
        except EngineFault as fault:
            self._fail(fault)
            return False
        return True

    def _put_down(self) -> None:
        self._under_way = None
        self._timer.put_down()
        self._rested.set()
        self.progressed()

    def release(self) -> None:
        """Compute nothing more; what is computed may still be delivered."""
        self.closing = True
        self._queue.clear()
        if self._under_way is not None and not self._under_way.entered:
            self._under_way.make_void()
            self._put_down()

    def close(self) -> PositionedLedger | None:
        """End the epoch; the ledger is worth keeping if nothing that it holds is unacknowledged."""
        self.release()
        clean = self.idle and self.consistent
        if self._under_way is not None:
            self._under_way.make_void()
        self.epoch.end()
        self._turn.set()
        self._rested.set()
        for task in self._tasks:
            task.cancel()
        if clean and self._ledger is not None and self.delivery is not None and self.delivery.witness:
            return PositionedLedger(self._ledger, self.delivery.base, self.delivery.witness, live=True)
        return None

    def _deliver(self, changes: Changes, run: Run | None) -> None:
        if self.delivery is None:
            raise EngineFault(f"partition {self.number} has nothing to deliver with")
        step = self._emitter.step(changes, run)
        if step is not None:
            self.delivery.put(step)
