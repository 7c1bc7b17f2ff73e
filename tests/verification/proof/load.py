"""The steady load of a run: a plan, written at an even rate, and what became of every record of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from streams.changelog.recovery import digest
from streams.kafka.options import producer_options

if TYPE_CHECKING:
    from streams.settings.settings import Settings
    from tests.verification.proof.plan import Event, Plan

PATIENCE_MS = 120_000
"""How long a broker may be away before the load gives up; the run has failed then."""
SLICE_SECONDS = 0.01
TRANSACTION = 60
"""Events of one transaction, where the load writes in transactions."""
ABORTED_EVERY = 4
"""Every so many transactions one is followed by another with the same events, which is aborted."""


class Load:
    """Writes a plan's events, each to the partition it names.

    Args:
        settings: of the service; the load talks to the broker directly.
        plan: what to write.
        rate: events a second.
        transactions: write in transactions, some of them aborted; otherwise by two idempotent producers.
    """

    def __init__(self, settings: Settings, plan: Plan, *, rate: float, transactions: bool = False) -> None:
        self.rate = rate
        self.events = plan.events
        """How many there will be, about."""
        self.written = 0
        """Events acknowledged so far."""
        self.ends: dict[int, int] = dict.fromkeys(range(settings.partitions), 0)
        """Where each partition's last acknowledged event ends."""
        self.copies: Counter[tuple[int, int]] = Counter()
        """How often each (partition, hash of the value) was acknowledged."""
        self.in_doubt: set[tuple[int, int]] = set()
        """Those of which some send failed, so that the log may hold it or not."""
        self._settings = settings
        self._plan = plan
        self._transactions = transactions
        self._times: dict[int, deque[tuple[int, float]]] = {number: deque() for number in self.ends}
        self._under_way: deque[tuple[tuple[int, int], asyncio.Future[Any]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._wanted = 0
        self._reached = asyncio.Event()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(
            self._write_in_transactions() if self._transactions else self._write()
        )

    @property
    def over(self) -> bool:
        """Whether all is written, or the load has failed."""
        return self._task is not None and self._task.done()

    async def until_written(self, least: int) -> None:
        """Wait until so many events are acknowledged, or the plan is at its end."""
        self._wanted = least
        self._reached.clear()
        self._look_at_wanted()
        await self._reached.wait()

    async def finish(self) -> None:
        """Wait until all of the plan is acknowledged.

        Raises:
            KafkaError: the broker refused an event or was away for too long.
        """
        if self._task is None:
            self.start()
        if self._task is not None:
            await self._task

    def stop(self) -> None:
        """Write no more; `finish` then waits for what is under way."""
        self._stopped = True

    async def close(self) -> None:
        """Stop at once, whatever is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._task

    def _producer(self, **options: Any) -> AIOKafkaProducer:
        given = producer_options(self._settings, idempotent=True) | {"request_timeout_ms": PATIENCE_MS}
        return AIOKafkaProducer(**given | options)

    async def _write(self) -> None:
        async with self._producer(linger_ms=5) as first, self._producer(linger_ms=5) as second:
            async for event in self._paced():
                await self._send(second if event.twin else first, event)
                self._look()
            while self._under_way:
                await self._settle_one()

    async def _write_in_transactions(self) -> None:
        name = f"{self._settings.application}-tills"
        group: list[Event] = []
        done = 0
        async with self._producer(transactional_id=name) as till:
            async for event in self._paced():
                group.append(event)
                if len(group) < TRANSACTION:
                    continue
                await self._commit(till, group)
                done += 1
                if not done % ABORTED_EVERY:
                    await self._abort(till, group)
                group = []
            await self._commit(till, group)

    async def _commit(self, till: AIOKafkaProducer, events: list[Event]) -> None:
        if not events:
            return
        async with till.transaction():
            for event in events:
                await self._send(till, event)
        while self._under_way:
            await self._settle_one()

    async def _abort(self, till: AIOKafkaProducer, events: list[Event]) -> None:
        """Write purchases that were never made: their ids are new, so whoever reads them counts them."""
        await till.begin_transaction()
        sends = [
            await till.send(
                self._settings.purchases_topic,
                (event.value or b"").replace(b'"event_id":"', b'"event_id":"aborted-', 1),
                key=event.key or b"",
                partition=event.partition,
            )
            for event in events
        ]
        await asyncio.gather(*sends)
        await till.abort_transaction()

    async def _paced(self) -> Any:
        started = time.monotonic()
        for count, event in enumerate(self._plan):
            if self._stopped:
                return
            early = started + count / self.rate - time.monotonic()
            # Also one that is late lets others have their turn: the watch, and the producers' own tasks.
            await asyncio.sleep(max(early, SLICE_SECONDS) if early > 0 else 0)
            yield event

    async def _send(self, producer: AIOKafkaProducer, event: Event) -> None:
        sent = await producer.send(
            self._settings.purchases_topic, event.value, key=event.key, partition=event.partition
        )
        self._under_way.append(((event.partition, digest(event.value)), sent))

    def _look(self) -> None:
        while self._under_way and self._under_way[0][1].done():
            self._note(*self._under_way.popleft())

    async def _settle_one(self) -> None:
        identity, sent = self._under_way.popleft()
        await asyncio.wait([sent])
        self._note(identity, sent)

    def _note(self, identity: tuple[int, int], sent: asyncio.Future[Any]) -> None:
        if sent.exception() is not None:
            self.in_doubt.add(identity)
        self.acknowledged(sent.result())
        self.copies[identity] += 1
        self.written += 1
        self._look_at_wanted()

    def acknowledged(self, at: Any) -> None:
        """Take note of where an event is, and since when: aiokafka's `RecordMetadata`."""
        self.ends[at.partition] = max(self.ends[at.partition], at.offset + 1)
        self._times[at.partition].append((at.offset, at.timestamp / 1_000))

    def waiting_since(self, partition: int, position: int) -> float | None:
        """When the first event at or behind a position was written; None if there is none.

        Args:
            partition: of the log.
            position: the offset up to which all is accounted for; what lies before is forgotten.

        Returns:
            Seconds since 1970 UTC.
        """
        times = self._times[partition]
        while times and times[0][0] < position:
            times.popleft()
        return times[0][1] if times else None

    def _look_at_wanted(self) -> None:
        if self.over or self.written >= self._wanted:
            self._reached.set()
