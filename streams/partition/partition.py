"""Partition during one assignment: turns fetched records into delivered steps.

A `Partition` object is the epoch of an assignment. Fetched records are bound to the object in the same event
loop step in which they arrive. A new object replaces it at every assignment, and nothing that belongs to an
old epoch is ever sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from streams.changelog.recovery import PositionedLedger
from streams.delivery.lease import Epoch
from streams.errors import EngineError
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
    """Partition that this worker owns.

    Args:
        number: Number of the partition.
        flow: Flow that the partition belongs to.
        lease: Lease of the group generation that assigned the partition.
        sweep_limit: Number of customers that one step of a sweep looks at.
        paused: True if an operator ordered the worker to apply nothing.
        hand_over: Function that gives a batch to the agent.
        isolation: Isolator that limits how many records may be isolated.
        counts: Counters of the worker.
        clock: Clock that times the agent.
        progress: Callback for when more may be fetched, or something was finished.
        fail: Callback that ends the worker.
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
        """Ledger of the partition, once recovered.

        Raises:
            EngineError: The partition is not recovered yet.
        """
        if self._ledger is None:
            raise EngineError(f"partition {self.number} is not recovered yet")
        return self._ledger

    @property
    def recovered(self) -> bool:
        """True once the partition has its ledger."""
        return self._ledger is not None

    @property
    def can_fetch(self) -> bool:
        """True if more records may be fetched for the partition."""
        return self.reading and not self.paused and not self.closing and not self._queue.full

    @property
    def idle(self) -> bool:
        """True if nothing is under way: all computed steps are acknowledged."""
        return self._under_way is None and (self.delivery is None or self.delivery.idle)

    @property
    def drained(self) -> bool:
        """True if the partition is idle, no run waits, and no sweep is unfinished."""
        return self.idle and not self._queue and not (self._ledger is not None and self._ledger.sweeping)

    @property
    def expected(self) -> int:
        """Source offset that the next fetched record should have."""
        return self._queue.expected

    @property
    def under_way_since(self) -> float | None:
        """Moment at which the agent's current batch was handed over; None while the agent has none."""
        return self._timer.handed_over

    def owns(self, task: asyncio.Task[None]) -> None:
        """Cancel this task when the epoch ends."""
        self._tasks.append(task)

    def pass_to(self, offset: int) -> None:
        """Expect the next record at this offset. The records before it are gone, and the gap was accepted."""
        self._queue.expected = offset

    def start(self, ledger: LedgerLike, delivery: Delivery) -> None:
        """Take the recovered ledger. Reading starts later, when the source is sought and resumed."""
        self._ledger = ledger
        self.delivery = delivery
        self._queue.expected = self._emitter.end = delivery.acknowledged
        self._turn.set()  # a sweep that was interrupted goes on, whether records come or not

    def begin_reading(self) -> None:
        """Allow fetching. The caller seeks and resumes the source in the same step."""
        self.reading = True

    def offer(self, raws: Sequence[Any]) -> None:
        """Take fetched records that begin where the previous ones ended.

        One of the records may be a whole `BrokenBatch`.
        """
        if self.closing:
            return
        self._queue.offer(raws)
        self._turn.set()

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - a switch
        """Stop handing batches to the agent, or go on."""
        self.paused = paused
        self.progressed()

    def progressed(self) -> None:
        """Note that something was finished, so that a next step may be computed or more records fetched."""
        if self.delivery is not None:
            self._timer.acknowledged(self.delivery.delivered)
        self._turn.set()
        self._progress()

    @contextlib.asynccontextmanager
    async def between_steps(self) -> AsyncIterator[None]:
        """Suspend computing: inside the block no step is computed, and the ledger does not change.

        Steps that were computed before continue to be delivered. If the epoch ends inside the block, the
        ledger may change all the same: check `epoch.over` after reading the ledger.
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
        """True if every step that the ledger applied was handed to delivery.

        Only then may the ledger be checkpointed or kept. A fault of the agent breaks this and ends the
        worker.
        """
        return self._ledger is not None and self._ledger.clock.offset < self._emitter.end

    async def work(self) -> None:
        """Hand batches to the agent and sweep in between, one step at a time, while delivery has room."""
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
                    await asyncio.sleep(0)  # lets heartbeats, acknowledgements and the other partitions run

    def _may_step(self) -> bool:
        return (
            not (self.closing or self._still)
            and self._under_way is None
            and self.delivery is not None
            and self.delivery.room
        )

    def _sweep(self) -> None:
        if not self.ledger.sweeping:
            raise EngineError(f"partition {self.number}: the ledger takes no record and has nothing to sweep")
        self._sweep_first = False
        began = self._clock.elapsed()
        changes = self.ledger.sweep(self._sweep_limit)
        self._counts.sweeping.observe(self._clock.elapsed() - began)
        for customer, error in changes.passed_over:
            self._isolator.passed_over(customer, error)
        self._deliver(changes, None)

    def begun(self, batch: Batch) -> None:
        """Note that the agent took up the batch."""
        del batch  # there is one at a time
        self._timer.take_up()

    def finished(self, batch: Batch) -> None:
        """Deliver the changes of a finished batch, and queue its unapplied records again.

        The agent calls this last, when its block has ended without an exception.
        """
        changes, run, handed_over = batch.changes, batch.run, self._timer.handed_over
        self._timer.finish()
        self._put_down()
        if changes is None:
            self._fail(EngineError("the agent ended a batch without delivering its changes"))
            return
        applied = changes.applied
        if applied:
            self._deliver(changes, run.part(0, applied))
            self._counts.records += applied
            if self.delivery is not None:
                self._timer.computed(self.delivery.computed, handed_over)
        if applied < len(run):
            self._queue.put_back([run.part(applied, len(run))])
        # Purchases and the sweep take turns, so that neither waits for the other.
        self._sweep_first = self.ledger.sweeping or not applied
        self._counts.batches += 1

    def failed(self, batch: Batch, error: BaseException) -> bool:
        """Halve the batch to find the record at fault, if the ledger is unchanged.

        Otherwise end the worker: the fault is in our code.
        """
        self._put_down()
        if self.ledger.clock.offset >= int(batch.records.offsets[0]):
            self._fail(EngineError(f"the agent failed after the ledger had advanced: {error!r}"))
            return False
        if isinstance(error, MemoryError):
            self._fail(EngineError(f"out of memory for partition {self.number}: {error}"))
            return False
        if not isinstance(error, Exception):  # Faust restarts the agent; the batch comes again
            self._queue.put_back([batch.run])
            return False
        try:
            self._queue.put_back(self._isolator.split(batch.run, error))
        except EngineError as fault:
            self._fail(fault)
            return False
        return True

    def _put_down(self) -> None:
        self._under_way = None
        self._timer.put_down()
        self._rested.set()
        self.progressed()

    def release(self) -> None:
        """Compute nothing more. Computed steps may still be delivered."""
        self.closing = True
        self._queue.clear()
        if self._under_way is not None and not self._under_way.entered:
            self._under_way.make_void()
            self._put_down()

    def close(self) -> PositionedLedger | None:
        """End the epoch.

        Return the ledger with its position if everything in the ledger is acknowledged, otherwise None.
        """
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
            raise EngineError(f"partition {self.number} has nothing to deliver with")
        step = self._emitter.step(changes, run)
        if step is not None:
            self.delivery.put(step)
