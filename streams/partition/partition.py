"""One assignment of one partition: from fetched records to delivered steps.

The object is the epoch. Fetched records are bound to it in the step in which they arrive, it is replaced at
every assignment, and nothing that belongs to an old one is ever sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from models.contracts.timestamps import EARLIEST_MS, LATEST_MS
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Raw
from models.records.partitioner import partition_of
from streams.changelog.recovery import PositionedLedger
from streams.delivery.dead_letters import dead_letter, refusal_of
from streams.delivery.lease import Epoch
from streams.delivery.queue import Send, Step
from streams.errors import EngineFault
from streams.kafka.log.batches import BrokenBatch
from streams.partition.batch import Batch, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from models.contracts.changes import Changes, Refusal
    from streams.clock import Clock
    from streams.delivery.lease import Lease
    from streams.delivery.queue import Delivery
    from streams.flow import DecoderLike, LedgerLike
    from streams.metrics import Counts
    from streams.partition.isolation import PoisonIsolator
    from streams.settings.settings import Settings

RUNS_WAITING = 2
"""Fetched and decoded batches that wait for the agent; with more, memory grows and latency with it."""

MOST_HEADER_BYTES = 64 * 1024
"""Bytes of headers that a misrouted record keeps: producers may compress megabytes into a record."""


class Partition:
    """One owned partition.

    Args:
        number: of the partition.
        lease: of the group generation that assigned it.
        settings: of the service.
        decoder: raw records to columns.
        hand_over: gives a batch to the agent.
        isolation: limits how many records may be isolated.
        counts: the worker's counters.
        clock: tells how long the agent has had a batch.
        progress: called when more may be fetched, or something was finished.
        fail: ends the worker.
    """

    def __init__(
        self,
        number: int,
        *,
        lease: Lease,
        settings: Settings,
        decoder: DecoderLike,
        hand_over: Callable[[Batch], None],
        isolation: PoisonIsolator,
        counts: Counts,
        clock: Clock,
        progress: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.number = number
        self.source = TopicPartition(settings.purchases_topic, number)
        self.changelog = TopicPartition(settings.changelog_topic, number)
        self.epoch = Epoch(lease)
        self.delivery: Delivery | None = None
        self.expected = -1
        self._end = -1
        self.reading = False
        self.paused = False
        self.ticked: int | None = None
        self.opened = False
        """True once a `live` record was written to it, because it was empty."""
        self._settings = settings
        self._event_source = settings.event_source
        self._decoder = decoder
        self._hand_over = hand_over
        self._isolator = isolation
        self._counts = counts
        self._clock = clock
        self._progress = progress
        self._fail = fail
        self.tasks: list[asyncio.Task[None]] = []
        self.under_way_since: float | None = None
        self.still_seconds = 0.0
        """For how long it has had something to do and has not got on; the watchdog looks."""
        self._taken_up = 0.0
        self._unacknowledged: deque[tuple[int, float]] = deque()
        """Steps computed, by their number, and when their batch was handed over."""
        self._ledger: LedgerLike | None = None
        self._runs: deque[Run] = deque()
        self._under_way: Batch | None = None
        self.closing = False
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
        return self.reading and not self.paused and not self.closing and len(self._runs) < RUNS_WAITING

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: all that was computed is acknowledged."""
        return self._under_way is None and (self.delivery is None or self.delivery.idle)

    @property
    def drained(self) -> bool:
        """Whether it is idle and nothing waits either."""
        return self.idle and not self._runs and not (self._ledger is not None and self._ledger.sweeping)

    def start(self, ledger: LedgerLike, delivery: Delivery) -> None:
        """Take the recovered ledger; reading starts when the source is sought and resumed."""
        self._ledger = ledger
        self.delivery = delivery
        self.expected = self._end = delivery.acknowledged
        self._turn.set()  # a sweep that was interrupted goes on, whether records come or not

    def offer(self, raws: Sequence[Any]) -> None:
        """Take fetched records that begin where the ones before ended; one may be a whole `BrokenBatch`."""
        if self.closing:
            return
        records, refusals = self._decoder.decode([raw_of(record) for record in raws])
        if len(records) != len(raws):
            raise EngineFault(f"the decoder made {len(records)} records of {len(raws)}")
        # The bytes of a batch are no event either, but that is not why they are refused.
        broken = {raw.offset: refusal_of(raw) for raw in raws if isinstance(raw, BrokenBatch)}
        refused = tuple(broken.get(refusal.offset, refusal) for refusal in refusals)
        self._runs.append(Run(records, raws, refused))
        self.expected = raws[-1].offset + 1
        self._turn.set()

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - a switch
        """Stop handing batches to the agent, or go on."""
        self.paused = paused
        self.progressed()

    def progressed(self) -> None:
        """Something was finished that may let the next step be computed, or more be fetched."""
        if self._unacknowledged and self.delivery is not None:
            self._time(self.delivery.delivered)
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
        return self._ledger is not None and self._ledger.clock.offset < self._end

    async def work(self) -> None:
        """Hand batches to the agent and sweep in between, one at a time, while there is room to deliver."""
        while not self.epoch.over:
            await self._turn.wait()
            self._turn.clear()
            while self._may_step():
                if self._sweep_first or (self.ledger.sweeping and not self._runs):
                    self._sweep()
                elif self._runs and not self.paused:
                    self._under_way = Batch(self, self._runs.popleft(), self.ledger)
                    self.under_way_since = self._taken_up = self._clock.elapsed()
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
        changes = self.ledger.sweep(self._settings.sweep_limit)
        self._counts.sweeping.observe(self._clock.elapsed() - began)
        for customer, error in changes.passed_over:
            self._isolator.passed_over(customer, error)
        self._deliver(changes, None)

    def begun(self, batch: Batch) -> None:
        """The agent took it up."""
        del batch  # there is one at a time
        self._taken_up = self._clock.elapsed()

    def finished(self, batch: Batch) -> None:
        """The agent's last act: what changed is delivered, and what was not applied comes next."""
        changes, run, handed_over = batch.changes, batch.run, self.under_way_since
        self._counts.applying.observe(self._clock.elapsed() - self._taken_up)
        self._put_down()
        if changes is None:
            self._fail(EngineFault("the agent ended a batch without delivering its changes"))
            return
        applied = changes.applied
        if applied:
            self._deliver(changes, run.part(0, applied))
            self._counts.add("records", applied)
            if self.delivery is not None and handed_over is not None:
                self._unacknowledged.append((self.delivery.computed, handed_over))
        if applied < len(run):
            self._runs.appendleft(run.part(applied, len(run)))
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
            self._runs.appendleft(batch.run)
            return False
        try:
            self._runs.extendleft(reversed(self._isolator.split(batch.run, error)))
        except EngineFault as fault:
            self._fail(fault)
            return False
        return True

    def _put_down(self) -> None:
        self._under_way = self.under_way_since = None
        self._rested.set()
        self.progressed()

    def release(self) -> None:
        """Compute nothing more; what is computed may still be delivered."""
        self.closing = True
        self._runs.clear()
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
        for task in self.tasks:
            task.cancel()
        if clean and self._ledger is not None and self.delivery is not None and self.delivery.witness:
            return PositionedLedger(self._ledger, self.delivery.base, self.delivery.witness, live=True)
        return None

    def _deliver(self, changes: Changes, run: Run | None) -> None:
        if self.delivery is None:
            raise EngineFault(f"partition {self.number} has nothing to deliver with")
        targets = {
            topic: TopicPartition(self._settings.topic(topic), self.number)
            for topic in {output.topic for output in changes.outputs}
        }
        sends = [
            Send(targets[topic], key, value, headers, timestamp)
            for topic, key, value, headers, timestamp in changes.outputs
        ]
        if run is not None:
            sends += self._dead_letters(run, (*run.refusals, *changes.refusals))
            sends += self._misrouted(run, changes.misrouted)
            self._end = int(run.records.offsets[-1]) + 1
        self._count(changes)
        if sends or changes.rows or run is not None:
            self.delivery.put(Step(self._end, sends, changes.rows))

    def _count(self, changes: Changes) -> None:
        for name, count in changes.counts.items():
            self._counts.add(name, count)
        for topic, count in Counter(output.topic for output in changes.outputs).items():
            self._counts.add(f"outputs.{topic}", count)
        if changes.rows:
            self._counts.add("rows", len(changes.rows))
            self._counts.add("row_bytes", sum(len(row.key) + len(row.value) for row in changes.rows))

    def _time(self, delivered: int) -> None:
        """Time the batches of which all is acknowledged."""
        now = self._clock.elapsed()
        while self._unacknowledged and self._unacknowledged[0][0] <= delivered:
            self._counts.delivering.observe(now - self._unacknowledged.popleft()[1])

    def _dead_letters(self, run: Run, refusals: tuple[Refusal, ...]) -> list[Send]:
        topic = self._settings.dead_letters_topic
        sends = []
        for refusal in sorted(refusals, key=lambda refusal: refusal.offset):
            self._counts.add(f"dead_letters.{refusal.error}")
            letter = dead_letter(run.raws[run.index(refusal.offset)], refusal, source=self._event_source)
            sends.append(Send(TopicPartition(topic, self.number), *letter))
        return sends

    def _misrouted(self, run: Run, offsets: tuple[int, ...]) -> list[Send]:
        sends = []
        for offset in offsets:
            index = run.index(offset)
            raw, customer = run.raws[index], run.records.customers[index]
            home = partition_of(customer, self._settings.partitions, self._settings.partitioner)
            self._counts.add("misrouted")
            place = TopicPartition(self.source.topic, home)
            sends.append(Send(place, customer, raw.value, _carried(raw.headers), raw.timestamp))
        return sends


def _carried(headers: Sequence[tuple[str, bytes | None]]) -> Sequence[tuple[str, bytes | None]]:
    """Return the headers of a misrouted record, unless with so many of them it might fit no record batch."""
    size = sum(len(name.encode()) + len(value or b"") for name, value in headers)
    return headers if size <= MOST_HEADER_BYTES else ()


def raw_of(record: Any) -> Raw:
    """Take from a consumer record what a decoder needs; a timestamp that can be none is `UNKNOWN_TIME`."""
    stamped = EARLIEST_MS <= record.timestamp <= LATEST_MS
    return Raw(record.offset, record.value, record.timestamp if stamped else UNKNOWN_TIME)
