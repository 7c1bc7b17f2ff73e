"""What one partition's steps changed, on its way to the broker: the queue that every way of delivery has.

There are two ways, one for each guarantee: `in_order.py` is at least once and needs nothing of a broker,
`in_transactions.py` is exactly once and needs transactions.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.changelog.rows import Witness, records_of
from streams.errors import EngineFault
from streams.kafka.options import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiokafka.structs import TopicPartition

    from models.contracts.changes import Row
    from streams.clock import Clock
    from streams.delivery.lease import Epoch

AHEAD = 4
"""Steps computed and not yet acknowledged whole. Fewer leave the processor idle while acknowledgements are
under way; more hold more memory and make a stop or a rebalance wait longer."""


class Send(NamedTuple):
    """A record to send before the rows, or together with them."""

    target: TopicPartition
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    """A header of a producer's may have no value."""
    timestamp: int

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Step:
    """The deliverable result of one `advance` or `sweep`."""

    end: int
    """The source offset to go on at, once all of it is acknowledged."""
    sends: Sequence[Send] = ()
    rows: Sequence[Row] = ()


class Delivery(ABC):
    """Delivers the steps of one epoch of one partition, in order.

    Args:
        epoch: what permits every single send.
        changelog: where the rows go.
        clock: dates the rows.
        start: the source offset that is accounted for when the epoch begins.
        base: the changelog offset at which our next rows have to land.
        witness: the last row before that, if there is one.
        settled: called whenever steps are acknowledged whole.
        overtaken: called instead when rows landed elsewhere than expected: somebody else's are in between.
    """

    def __init__(
        self,
        *,
        epoch: Epoch,
        changelog: TopicPartition,
        clock: Clock,
        start: int,
        base: int,
        settled: Callable[[], None],
        overtaken: Callable[[int, int], None],
        witness: Witness | None = None,
    ) -> None:
        self._epoch = epoch
        self._changelog = changelog
        self._clock = clock
        self._settled = settled
        self._overtaken = overtaken
        self._steps: deque[Step] = deque()
        self._work = asyncio.Event()
        self.acknowledged = start
        self.base = base
        self.witness = witness
        self.computed = self.delivered = 0
        """How many steps were put, and how many of them are acknowledged whole."""

    @property
    def room(self) -> bool:
        """Whether another step may be computed."""
        return len(self._steps) < AHEAD

    @property
    def turns(self) -> int:
        """Turns of the event loop to leave between two steps, so that what is under way gets on."""
        return 1

    @property
    def idle(self) -> bool:
        """Whether everything computed is acknowledged."""
        return not self._steps

    def put(self, step: Step) -> None:
        """Take the next step."""
        self._steps.append(step)
        self.computed += 1
        self._work.set()

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises:
            DeliveryFailed: a send was refused or not acknowledged in time.
            Revoked: the epoch is over.
        """
        while True:
            await self._work.wait()
            self._work.clear()
            while self._steps:
                delivered = await self._deliver()
                if not delivered:
                    return
                for _ in range(delivered):
                    step = self._steps.popleft()
                self.acknowledged = step.end
                self.delivered += delivered
                self._settled()

    def _landed(self, base: int, rows: Sequence[Row], *, markers: int = 0) -> None:
        """Our rows lie where they had to: everything before what follows them is ours or was read."""
        last = base + records_of(rows) - 1
        self.base = last + 1 + markers
        self.witness = Witness.of(last, rows[-1].key, rows[-1].value)

    async def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back what the delivery holds of the broker, when its epoch is over."""

    @abstractmethod
    async def _deliver(self) -> int:
        """Deliver one step or more from the front; how many, or 0 when somebody else has taken over."""


def record_batches(make: Callable[[], Any], sends: Sequence[Send], limit: int = BATCH_BYTES) -> Iterator[Any]:
    """Sends of one target as closed record batches of `limit` bytes; a larger record has one for itself.

    Args:
        make: makes a new `BatchBuilder` of the producer that will send them.
        sends: in order.
        limit: bytes, but for the last record's headers; every topic takes batches of twice that and more.

    Raises:
        EngineFault: an empty batch did not take a record.
    """
    builder, count = make(), 0
    for send in sends:
        while (count and builder.size() + send.size > limit) or not _took(builder, send):
            if not count:
                raise EngineFault(f"a record of {send.size} bytes was not taken by an empty batch")
            builder.close()
            yield builder
            builder, count = make(), 0
        count += 1
    builder.close()
    yield builder


def _took(builder: Any, send: Send) -> bool:
    taken = builder.append(
        timestamp=send.timestamp, key=send.key, value=send.value, headers=list(send.headers)
    )
    return taken is not None
