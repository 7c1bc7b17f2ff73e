"""Queue of one partition's steps on their way to the broker, shared by both ways of delivery.

There is one way for each guarantee. `at_least_once.py` needs no special ability of a broker;
`exactly_once.py` needs transactions.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from streams.changelog.framing import Witness, records_of
from streams.delivery.event_batches import event_batches
from streams.errors import EngineError
from streams.kafka.options import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiokafka.structs import TopicPartition

    from models.contracts.changes import Row
    from models.contracts.event_block import EventBlock
    from streams.clock import Clock
    from streams.delivery.lease import Epoch

AHEAD = 4
"""Most steps that are computed and not yet wholly acknowledged. With fewer, the processor idles while
acknowledgements are under way. With more, memory grows, and a stop or a rebalance waits longer."""


class Send(NamedTuple):
    """Record to send before the rows, or together with them."""

    target: TopicPartition
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    """Headers of the record. A producer's header may have no value."""
    timestamp: int

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


class Events(NamedTuple):
    """Block of events to send before the rows, or together with them."""

    target: TopicPartition
    block: EventBlock


@dataclass(frozen=True, slots=True)
class DeliveryStep:
    """Deliverable result of one `advance` or `sweep`."""

    end: int
    """Source offset to continue at, once the whole step is acknowledged."""
    sends: Sequence[Send | Events] = ()
    rows: Sequence[Row] = ()


class Delivery(ABC):
    """Delivery of the steps of one epoch of one partition, in order.

    Args:
        epoch: Epoch that permits every single send.
        changelog: Changelog partition of the rows.
        clock: Clock for the rows' timestamps.
        start: Source offset that is accounted for when the epoch begins.
        base: Changelog offset at which our next rows must land.
        witness: Last row before `base`, if there is one.
        settled: Callback for when steps are wholly acknowledged.
        overtaken: Callback with the expected and the actual offset when rows landed elsewhere than expected:
            another worker's rows are in between, or the changelog is not the same any more.
    """

    batch_bytes: ClassVar[int] = BATCH_BYTES
    """Size limit of a record batch of outputs, in bytes."""

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
        self._steps: deque[DeliveryStep] = deque()
        self._work = asyncio.Event()
        self.acknowledged = start
        self.base = base
        self.witness = witness
        self.computed = self.delivered = 0
        """Number of steps that were put, and number of those that are wholly acknowledged."""

    @property
    def room(self) -> bool:
        """True if another step may be computed."""
        return len(self._steps) < AHEAD

    @property
    def turns(self) -> int:
        """Turns of the event loop to leave between two steps, so that sends under way make progress."""
        return 1

    @property
    def idle(self) -> bool:
        """True if every computed step is acknowledged."""
        return not self._steps

    def put(self, step: DeliveryStep) -> None:
        """Queue the next step."""
        self._steps.append(step)
        self.computed += 1
        self._work.set()

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises:
            DeliveryFailedError: A send was refused or not acknowledged in time.
            Revoked: The epoch is over.
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
        """Note that our rows landed where expected: every row before the new `base` is ours or was read."""
        last = base + records_of(rows) - 1
        self.base = last + 1 + markers
        self.witness = Witness.of(last, rows[-1].key, rows[-1].value)

    async def close(self) -> None:  # noqa: B027 - most deliveries hold nothing
        """Release what the delivery holds of the broker, when its epoch is over."""

    @abstractmethod
    async def _deliver(self) -> int:
        """Deliver one or more steps from the front.

        Return their number, or 0 if another worker has taken over.
        """


def record_batches(
    make: Callable[[], Any],
    sends: Sequence[Send | Events],
    limit: int,
    *,
    transactional: bool = False,
) -> Iterator[Any]:
    """Pack the sends of one target into closed record batches of `limit` bytes.

    A larger record gets a batch of its own.

    Args:
        make: Function that makes a new `BatchBuilder` of the producer that will send the batches.
        sends: Records and blocks of events in order.
        limit: Size limit of a batch in bytes; of single records, the last one's headers are not included.
            Every topic takes batches of at least twice that size.
        transactional: True if the producer sends in transactions.

    Raises:
        EngineError: An empty batch did not take a record.
    """
    for are_events, run in groupby(sends, key=lambda send: isinstance(send, Events)):
        if are_events:
            blocks = [send.block for send in run if isinstance(send, Events)]
            yield from event_batches(blocks, limit=limit, transactional=transactional)
        else:
            yield from _packed(make, (send for send in run if isinstance(send, Send)), limit)


def _packed(make: Callable[[], Any], sends: Iterable[Send], limit: int) -> Iterator[Any]:
    """Pack single records into closed record batches, whose headers differ from record to record."""
    builder, count = make(), 0
    for send in sends:
        while (count and builder.size() + send.size > limit) or not _took(builder, send):
            if not count:
                raise EngineError(f"a record of {send.size} bytes was not taken by an empty batch")
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
