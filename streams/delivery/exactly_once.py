"""Delivery exactly once, on brokers with transactions.

One transaction holds all that waits: outputs, dead letters, misrouted records, rows with the clock row, and
the source offset. Whoever reads committed sees all of it or nothing. The transactional id is derived from the
consumer group and the partition, so a partition's next owner, before it reads the changelog, fences off
whoever still writes for it and ends the transaction that was open.
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
from streams.changelog.rows import ROWS_PER_BATCH_BYTES, fill
from streams.delivery.queue import AHEAD, Delivery, Send, Step, record_batches
from streams.errors import DeliveryFailed
from streams.kafka.closing import bounded, close
from streams.kafka.retry import passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiokafka.structs import TopicPartition

MARKER = 1
"""Offsets that the end of a transaction takes in every partition it wrote to."""

SETTLE_SECONDS = 0.003
"""Between two transactions: the markers of the first are still being written when its end is acknowledged,
and aiokafka puts a transaction that begins before that off by 20 ms."""

LARGE_ROWS = 200
"""From so many rows on the next step is computed beside a transaction. A thousand purchases a second make a
tenth of it; with less the loop is not free for the answers, with more it idles while there is work."""

FENCED = (
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
"""The broker knows our producer no more: somebody else began with its id, or our transaction took too long
and was ended. In both cases nothing of the transaction counts, and what counts is in the changelog."""


class InTransactions(Delivery):
    """Outputs, rows and source offset, all that waits at a time.

    Args:
        producer: an aiokafka producer with a transactional id, started; nobody else uses it.
        source: the partition of `purchases`.
        group: the consumer group for which the source offset is committed.
        deadline: seconds that one transaction may take.
        gone: called with the reason when the producer is no use any more, and whether its transaction counts
            is for the changelog to say.
        options: what every delivery takes.
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
        """Whether another step may be computed.

        The steps of a transaction under way do not count, so that work goes on beside a large one. A small
        one is over sooner if the event loop is left to it: each of its answers would wait for a computation.
        """
        if self._under_way and self._rows_under_way < LARGE_ROWS:
            return False
        return len(self._steps) - self._under_way < AHEAD

    async def close(self) -> None:
        """End the transaction that is open, so that readers need not wait until it times out, and stop."""
        if self._open:
            with contextlib.suppress(AssertionError):  # it is beyond aborting
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
            raise DeliveryFailed(
                f"A transaction of partition {self._source.partition} was not finished within "
                f"{self._deadline:g} s: is the broker up? (CARTPULSE_SEND_DEADLINE_SECONDS)"
            ) from None
        except (*FENCED, AssertionError):  # aiokafka asserts that its sender lives, rather than say why not
            self._lost("its producer was fenced off: another worker began, or a transaction took too long")
            return 0
        except KafkaError as error:
            if passes(error):  # aiokafka's sender ends when a coordinator goes away while it asks for it
                self._lost(f"its producer ended ({error})")
                return 0
            raise DeliveryFailed(
                f"The broker refused a transaction of partition {self._source.partition}: "
                f"{error or type(error).__name__}"
            ) from error
        self._under_way = 0
        return len(steps)

    def _lost(self, why: str) -> None:
        self._open = False
        self._gone(why)

    async def _transact(self, steps: Sequence[Step]) -> bool:
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
        self._open = False  # from here on it is the broker's to end
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

    async def _send(self, target: TopicPartition, sends: Sequence[Send]) -> int:
        base = 0
        for builder in record_batches(self._producer.create_batch, sends):
            base = await self._acknowledged(builder, target)
        return base

    async def _acknowledged(self, builder: Any, target: TopicPartition) -> int:
        sent = await self._producer.send_batch(builder, target.topic, partition=target.partition)
        return int((await sent).offset)


def together(waiting: Iterable[Step]) -> list[Step]:
    """The steps from the front whose rows fit one record batch; one at least."""
    taken: list[Step] = []
    size = 0
    for step in waiting:
        size += sum(len(row.key) + len(row.value) for row in step.rows)
        if taken and size > ROWS_PER_BATCH_BYTES:
            break
        taken.append(step)
    return taken


def merged(steps: Sequence[Step]) -> list[Row]:
    """The last row of every key, in the order of those last rows: so the clock row comes last."""
    rows: dict[bytes, bytes] = {}
    for step in steps:
        for key, value in step.rows:
            rows.pop(key, None)
            rows[key] = value
    return [Row(key, value) for key, value in rows.items()]


def by_target(steps: Sequence[Step]) -> dict[TopicPartition, list[Send]]:
    """All sends of the steps by where they go, in order."""
    targets: defaultdict[TopicPartition, list[Send]] = defaultdict(list)
    for step in steps:
        for send in step.sends:
            targets[send.target].append(send)
    return targets
