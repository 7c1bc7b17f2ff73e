"""Delivery exactly once, on brokers with transactions.

One transaction holds everything that waits: outputs, dead letters, misrouted records, rows with the clock
row, and the source offset. A reader with `read_committed` sees all of it or nothing. The transactional id is
derived from the consumer group and the partition. So the partition's next owner, before it reads the
changelog, fences off any earlier owner that still writes for the partition, and ends the open transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)

from models.contracts.changes import Row
from streams.changelog.framing import ROWS_PER_BATCH_BYTES, fill
from streams.delivery.queue import AHEAD, Delivery, DeliveryStep, Events, Send, record_batches
from streams.errors import DeliveryFailedError
from streams.kafka.closing import bounded, close
from streams.kafka.retry import passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiokafka.structs import TopicPartition

MARKER = 1
"""Offsets that the end of a transaction takes in every partition to which the transaction wrote."""

SETTLE_SECONDS = 0.003
"""Seconds between two transactions. When the end of the first is acknowledged, its markers are still being
written, and aiokafka delays a transaction that begins before that by 20 ms."""

LARGE_ROWS = 200
"""Number of rows from which the next step is computed while a transaction is under way. A thousand purchases
a second make a tenth of that number. With a smaller number, the event loop would not be free for the broker's
answers; with a larger one, it would idle while there is work."""

FENCED = (
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
"""Errors by which the broker rejects our producer: another owner began with its transactional id, or our
transaction took too long and was aborted. In both cases nothing of the transaction counts, and the changelog
holds the valid state."""


class InTransactions(Delivery):
    """Delivery that sends outputs, rows and source offset of all waiting steps in one transaction.

    Args:
        producer: Started aiokafka producer with a transactional id, used by nobody else.
        source: Partition of `purchases`.
        group: Consumer group for which the source offset is committed.
        deadline: Seconds that one transaction may take.
        gone: Callback with the reason when the producer cannot be used any more. Only the changelog then
            shows if its last transaction counts.
        options: Arguments of `Delivery`.
    """

    def __init__(
        self,
        *,
        producer: Any,
        source: TopicPartition,
        group: str,
        deadline: float,
        gone: Callable[[str], None],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._producer = producer
        self._source = source
        self._group = group
        self._deadline = deadline
        self._gone = gone
        self._open = False
        self._under_way = self._rows_under_way = 0
        self._ended = float("-inf")

    @property
    def room(self) -> bool:
        """True if another step may be computed.

        The steps of a large transaction under way do not count, so that work continues beside it. Beside a
        small transaction no step is computed: a free event loop ends it sooner, because each answer of the
        broker would otherwise wait for a computation.
        """
        if self._under_way and self._rows_under_way < LARGE_ROWS:
            return False
        return len(self._steps) - self._under_way < AHEAD

    async def close(self) -> None:
        """Abort the open transaction, so that readers need not wait for its time-out; stop the producer."""
        if self._open:
            with contextlib.suppress(AssertionError):  # the transaction cannot be aborted any more
                await bounded(self._producer.abort_transaction())
        await close(self._producer)

    async def _deliver(self) -> int:
        await asyncio.sleep(self._ended + SETTLE_SECONDS - asyncio.get_running_loop().time())
        await self._epoch.permit()
        steps = together(self._steps)
        self._under_way, self._rows_under_way = len(steps), sum(len(step.rows) for step in steps)
        try:
            async with asyncio.timeout(self._deadline):
                if not await self._transact(steps):
                    return 0
        except TimeoutError:
            raise DeliveryFailedError(
                f"A transaction of partition {self._source.partition} was not finished within "
                f"{self._deadline:g} s: is the broker up? (CARTPULSE_SEND_DEADLINE_SECONDS)"
            ) from None
        except (*FENCED, AssertionError):  # aiokafka asserts that its sender is alive, with no reason
            self._lost("its producer was fenced off: another worker began, or a transaction took too long")
            return 0
        except KafkaError as error:
            if passes(error):  # aiokafka's sender ends when a coordinator goes away while being looked up
                self._lost(f"its producer ended ({error})")
                return 0
            raise DeliveryFailedError(
                f"The broker refused a transaction of partition {self._source.partition}: "
                f"{error or type(error).__name__}"
            ) from error
        self._under_way = 0
        return len(steps)

    def _lost(self, why: str) -> None:
        self._open = False
        self._gone(why)

    async def _transact(self, steps: Sequence[DeliveryStep]) -> bool:
        rows = merged(steps)
        await self._producer.begin_transaction()
        self._open = True
        outputs = (self._send(target, mine) for target, mine in by_target(steps).items())
        base, _, *_ = await asyncio.gather(
            self._send_rows(rows),
            self._producer.send_offsets_to_transaction({self._source: steps[-1].end}, self._group),
            *outputs,
        )
        if rows and base != self.base:
            self._overtaken(self.base, base)
            return False
        await self._epoch.permit()
        self._open = False  # from here on only the broker can end the transaction
        await self._producer.commit_transaction()
        if rows:
            self._landed(base, rows, markers=MARKER)
        self._ended = asyncio.get_running_loop().time()
        return True

    async def _send_rows(self, rows: Sequence[Row]) -> int:
        if not rows:
            return self.base
        builder = fill(self._producer.create_batch(), rows, self._clock.now_ms())
        return await self._acknowledged(builder, self._changelog)

    async def _send(self, target: TopicPartition, sends: Sequence[Send | Events]) -> int:
        base = 0
        batches = record_batches(self._producer.create_batch, sends, self.batch_bytes, transactional=True)
        for builder in batches:
            base = await self._acknowledged(builder, target)
        return base

    async def _acknowledged(self, builder: Any, target: TopicPartition) -> int:
        sent = await self._producer.send_batch(builder, target.topic, partition=target.partition)
        return int((await sent).offset)


def together(waiting: Iterable[DeliveryStep]) -> list[DeliveryStep]:
    """Return the steps from the front whose rows fit one record batch, at least one step."""
    taken: list[DeliveryStep] = []
    size = 0
    for step in waiting:
        size += sum(len(row.key) + len(row.value) for row in step.rows)
        if taken and size > ROWS_PER_BATCH_BYTES:
            break
        taken.append(step)
    return taken


def merged(steps: Sequence[DeliveryStep]) -> list[Row]:
    """Return the last row of every key, in the order of those last rows. So the clock row comes last."""
    rows: dict[bytes, bytes] = {}
    for step in steps:
        for key, value in step.rows:
            rows.pop(key, None)
            rows[key] = value
    return [Row(key, value) for key, value in rows.items()]


def by_target(steps: Sequence[DeliveryStep]) -> dict[TopicPartition, list[Send | Events]]:
    """Group all sends of the steps by their target, in order."""
    targets: defaultdict[TopicPartition, list[Send | Events]] = defaultdict(list)
    for step in steps:
        for send in step.sends:
            targets[send.target].append(send)
    return targets
