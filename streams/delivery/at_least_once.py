"""Delivery at least once: sends in the one order that survives any crash, on any broker.

For each step the order is: first the step's outputs, dead letters and misrouted records, acknowledged; then
its rows with the clock row, as one record batch on the changelog, acknowledged; only then may its source
offset be committed. Up to four steps may be computed, and their outputs sent, before the rows of the first
are acknowledged. Only one batch of rows at a time is under way. A crash at any point leaves a prefix of this
order: the outputs are made again with equal ids, and the state is never ahead of what was sent.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from streams.changelog.framing import fill
from streams.delivery.queue import AHEAD, Delivery, DeliveryStep, Events, Send, record_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition

    from models.contracts.changes import Row
    from streams.delivery.outbox import Outbox

TURNS = 12
"""Turns of the event loop between two steps while the rows are behind. An acknowledgement takes about ten
turns to become the next send. Only one batch of rows at a time is under way: with a step computed at each
turn, the rows would delay everything. While the rows are not behind, turns would only delay the next step."""


class InOrder(Delivery):
    """Delivery in which each step's rows wait for its own outputs and for earlier rows.

    The outputs of all queued steps are sent at once.

    Args:
        sent: Outbox of everything but rows.
        kept: Outbox of rows, whose producer takes batches of their size.
        options: Arguments of `Delivery`.
    """

    def __init__(self, *, sent: Outbox, kept: Outbox, **options: Any) -> None:
        super().__init__(**options)
        self._sent = sent
        self._kept = kept
        self._ahead: deque[asyncio.Task[None] | None] = deque()

    @property
    def turns(self) -> int:
        """Turns of the event loop between two steps.

        More than one while the queue has room for at most one more step.
        """
        return TURNS if len(self._steps) >= AHEAD - 1 else 1

    def put(self, step: DeliveryStep) -> None:
        """Queue the next step. The step's sends start at once; its rows follow those of earlier steps."""
        ahead = None
        if step.sends:
            ahead = asyncio.create_task(self._send_ahead(step.sends))
            ahead.add_done_callback(_look_at)  # `run` may end before this task is awaited
        self._ahead.append(ahead)
        super().put(step)

    async def run(self) -> None:
        """Deliver until cancelled, then cancel the sends that are ahead."""
        try:
            await super().run()
        finally:
            for ahead in self._ahead:
                if ahead is not None:
                    ahead.cancel()

    async def _deliver(self) -> int:
        step, ahead = self._steps[0], self._ahead[0]
        if ahead is not None:
            await ahead
        if step.rows and not await self._send_rows(step.rows):
            return 0
        self._ahead.popleft()
        return 1

    async def _send_rows(self, rows: Sequence[Row]) -> bool:
        builder = fill(self._kept.builder(), rows, self._clock.now_ms())
        base = await self._kept.send(builder, self._changelog, self._epoch)
        if base != self.base:
            self._overtaken(self.base, base)
            return False
        self._landed(base, rows)
        return True

    async def _send_ahead(self, sends: Sequence[Send | Events]) -> None:
        targets: defaultdict[TopicPartition, list[Send | Events]] = defaultdict(list)
        for send in sends:
            targets[send.target].append(send)
        await asyncio.gather(*(self._send_in_turn(target, mine) for target, mine in targets.items()))

    async def _send_in_turn(self, target: TopicPartition, sends: Sequence[Send | Events]) -> None:
        for builder in record_batches(self._sent.builder, sends, self.batch_bytes):
            await self._sent.send(builder, target, self._epoch)


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
