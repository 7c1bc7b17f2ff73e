"""What one partition's steps changed, delivered in the one order that survives any crash.

Of every step: first its outputs, dead letters and strangers, acknowledged; then its rows with the clock row,
as one record batch on the changelog, acknowledged; only then may its source offset be committed. Up to four
steps may be computed, and their outputs sent, ahead of the rows that are not acknowledged yet; of rows, one
batch at a time is under way. A crash at any point leaves a prefix of that order: outputs are made again with
equal ids, and the state is never ahead of what was sent.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.changelog import fill
from streams.errors import EngineFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiokafka.structs import TopicPartition

    from models.changes import Row
    from streams.clock import Clock
    from streams.lease import Epoch
    from streams.outbox import Outbox

AHEAD = 4
"""Steps computed and not yet acknowledged whole. Fewer leave the processor idle while acknowledgements are
under way; more hold more memory and make a stop or a rebalance wait longer."""


class Send(NamedTuple):
    """A record to send before the rows."""

    target: TopicPartition
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    """A header of a producer's may have no value."""
    timestamp: int


@dataclass(frozen=True, slots=True)
class Step:
    """The deliverable result of one `advance` or `sweep`."""

    end: int
    """The source offset to go on at, once all of it is acknowledged."""
    sends: Sequence[Send] = ()
    rows: Sequence[Row] = ()


class Delivery:
    """Delivers the steps of one epoch of one partition, in order.

    Args:
        epoch: what permits every single send.
        changelog: where the rows go.
        sent: the outbox of everything else.
        kept: the outbox of rows, whose producer takes batches of that size.
        clock: dates the rows.
        start: the source offset that is accounted for when the epoch begins.
        base: the changelog offset at which our next rows have to land.
        settled: called whenever a step is acknowledged whole.
        overtaken: called instead when rows landed elsewhere than expected: somebody else's are in between.
    """

    def __init__(
        self,
        *,
        epoch: Epoch,
        changelog: TopicPartition,
        sent: Outbox,
        kept: Outbox,
        clock: Clock,
        start: int,
        base: int,
        settled: Callable[[], None],
        overtaken: Callable[[int, int], None],
    ) -> None:
        self._epoch = epoch
        self._changelog = changelog
        self._sent = sent
        self._kept = kept
        self._clock = clock
        self._settled = settled
        self._overtaken = overtaken
        self._steps: deque[tuple[Step, asyncio.Task[None] | None]] = deque()
        self._work = asyncio.Event()
        self.acknowledged = start
        self.base = base

    @property
    def room(self) -> bool:
        """Whether another step may be computed."""
        return len(self._steps) < AHEAD

    @property
    def idle(self) -> bool:
        """Whether everything computed is acknowledged."""
        return not self._steps

    def put(self, step: Step) -> None:
        """Take the next step; its sends start at once, and its rows follow when it is their turn."""
        ahead = None
        if step.sends:
            ahead = asyncio.create_task(self._send_ahead(step.sends))
            ahead.add_done_callback(_look_at)  # `run` may have ended before its turn comes
        self._steps.append((step, ahead))
        self._work.set()

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises:
            DeliveryFailed: a send was refused or not acknowledged in time.
            Revoked: the epoch is over.
        """
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._steps:
                    step, ahead = self._steps[0]
                    if ahead is not None:
                        await ahead
                    if step.rows and not await self._send_rows(step.rows):
                        return
                    self._steps.popleft()
                    self.acknowledged = step.end
                    self._settled()
        finally:
            for _, ahead in self._steps:
                if ahead is not None:
                    ahead.cancel()

    async def _send_rows(self, rows: Sequence[Row]) -> bool:
        builder = fill(self._kept.builder(), rows, self._clock.now_ms())
        base = await self._kept.send(builder, self._changelog, self._epoch)
        if base != self.base:
            self._overtaken(self.base, base)
            return False
        self.base = base + len(rows)
        return True

    async def _send_ahead(self, sends: Sequence[Send]) -> None:
        targets: defaultdict[TopicPartition, list[Send]] = defaultdict(list)
        for send in sends:
            targets[send.target].append(send)
        await asyncio.gather(*(self._send_in_turn(target, mine) for target, mine in targets.items()))

    async def _send_in_turn(self, target: TopicPartition, sends: Sequence[Send]) -> None:
        for builder in self._record_batches(sends):
            await self._sent.send(builder, target, self._epoch)

    def _record_batches(self, sends: Sequence[Send]) -> Iterator[Any]:
        builder, taken = self._sent.builder(), 0
        for send in sends:
            while not _took(builder, send):  # it is full, and closed by that
                if not taken:
                    raise EngineFault(
                        f"a record of {len(send.value or b'')} bytes was not taken by an empty batch"
                    )
                yield builder
                builder, taken = self._sent.builder(), 0
            taken += 1
        builder.close()
        yield builder


def _took(builder: Any, send: Send) -> bool:
    taken = builder.append(
        timestamp=send.timestamp, key=send.key, value=send.value, headers=list(send.headers)
    )
    return taken is not None


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
