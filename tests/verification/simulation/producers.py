"""Producers of the model broker with the surface of aiokafka's, as far as the engine uses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerEpoch,
    KafkaError,
    ProducerFenced,
)
from aiokafka.structs import TopicPartition

from streams.kafka.record_batch import RecordBatch
from tests.support.kafka.fake_kafka import Acknowledgement
from tests.support.kafka.raw_batches import records
from tests.verification.simulation.kafka.logs import Content, Producer
from tests.verification.simulation.kafka.network import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.verification.simulation.kafka.broker import Broker
    from tests.verification.simulation.kafka.transactions import Identity

BACKOFF = 0.1
"""Seconds until a client asks again."""


class Builder:
    """A record batch in the making."""

    def __init__(self, limit: int) -> None:
        self.contents: list[Content] = []
        self.closed = False
        self._left = limit

    def append(self, *, timestamp: int, key: bytes | None, value: bytes | None, headers: Any = ()) -> object:
        """Take a record; None when the batch is full."""
        del timestamp
        self._left -= 1
        if self.closed or self._left < 0:
            self.closed = True
            return None
        self.contents.append(Content(key, value, tuple(headers)))
        return self

    def size(self) -> int:
        """Bytes so far; none, as the limit is one of records."""
        return 0

    def close(self) -> None:
        """Take no more."""
        self.closed = True


def _contents(batch: Builder | RecordBatch) -> list[Content]:
    """The records of a batch, also of one that comes as bytes."""
    if isinstance(batch, RecordBatch):
        return [Content(one.key, one.value, tuple(one.headers)) for one in records(batch._build())]
    assert batch.closed, "an open batch waits for the linger time"
    return batch.contents


class Sender:
    """A producer: idempotent where the broker can, and otherwise one that may append twice.

    Args:
        broker: the model.
        limit: most records of one batch.
        sends: is told of every batch in the step in which it is given away.
        lands: is told where a batch was appended.
        patience: seconds after which a producer that is not idempotent gives up.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        limit: int,
        sends: Callable[[TopicPartition, Sequence[Content]], None],
        lands: Callable[[TopicPartition, int], None],
        patience: float,
    ) -> None:
        self._broker, self._limit, self._patience = broker, limit, patience
        self._sends, self._lands = sends, lands
        self._id = broker.new_id() if broker.transactional else None
        self._sequences: dict[TopicPartition, int] = {}
        self._locks: dict[TopicPartition, asyncio.Lock] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def create_batch(self) -> Builder:
        """A new batch."""
        return Builder(self._limit)

    async def send_batch(
        self, batch: Builder | RecordBatch, topic: str, *, partition: int
    ) -> asyncio.Future[Any]:
        """Take a batch; the future is its acknowledgement."""
        target, contents = TopicPartition(topic, partition), _contents(batch)
        self._sends(target, contents)
        future = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(self._deliver(target, contents, future)))
        return future

    async def stop(self) -> None:
        """End: what is not acknowledged is given up."""
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()

    def _produce(self, target: TopicPartition, contents: Sequence[Content]) -> Callable[[], int]:
        producer = None
        if self._id is not None:
            sequence = self._sequences.get(target, 0)
            self._sequences[target] = sequence + 1
            producer = Producer(self._id, 0, sequence)
        return lambda: self._broker.append(target, contents, producer)

    async def _deliver(
        self, target: TopicPartition, contents: Sequence[Content], future: asyncio.Future[Any]
    ) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        async with self._locks.setdefault(target, asyncio.Lock()):
            act = self._produce(target, contents)
            while True:
                try:
                    base = await self._broker.network.ask(act)
                except KafkaError as error:
                    if not error.retriable or (self._id is None and loop.time() > until):
                        self._failed(error, future)
                        return
                    await asyncio.sleep(BACKOFF)
                else:
                    self._lands(target, base)
                    if not future.done():
                        future.set_result(Acknowledgement(base))
                    return

    def _failed(self, error: KafkaError, future: asyncio.Future[Any]) -> None:
        if not future.done():
            future.set_exception(error)


class TransactionalSender(Sender):
    """A transactional producer; a fatal error stays, as aiokafka's does.

    Args:
        broker: the model.
        name: the transactional id.
        timeout: seconds after which the broker aborts a transaction that is left open.
        commits: is told in the step in which a commit is begun.
        options: see `Sender`.
    """

    def __init__(
        self, broker: Broker, *, name: str, timeout: float, commits: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(broker, **options)
        self.name, self._timeout, self._commits = name, timeout, commits
        self._identity: Identity | None = None
        self._fatal: BaseException | None = None
        self._broken: BaseException | None = None
        self._in = False
        self._added: dict[TopicPartition, None] = {}
        self._group_added = False
        self._coordinator = asyncio.Lock()
        # An end of a transaction that came after the beginning of the next would end that one. A broker takes
        # in what a broken connection brought before the client is back.
        self._link = Link()

    async def start(self) -> None:
        """Obtain the producer id: this fences who had the name, and ends what it left open."""
        transactions = self._broker.transactions
        self._identity = await self._insist(lambda: transactions.begin(self.name, self._timeout))

    async def begin_transaction(self) -> None:
        """Begin one."""
        self._look()
        assert not self._in, "in the middle of one"
        self._in, self._broken = True, None
        self._added.clear()
        self._group_added = False

    async def send_batch(
        self, batch: Builder | RecordBatch, topic: str, *, partition: int
    ) -> asyncio.Future[Any]:
        """Take a batch of the open transaction."""
        self._look()
        assert self._in, "outside of a transaction"
        return await super().send_batch(batch, topic, partition=partition)

    async def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, int], group: str) -> None:
        """Commit offsets with the open transaction."""
        del group
        self._look()
        assert self._in, "outside of a transaction"
        wanted = dict(offsets)
        async with self._coordinator:
            await self._step(lambda mine: self._broker.transactions.add(self.name, mine, []))
            self._group_added = True
            await self._step(lambda mine: self._broker.transactions.offsets(self.name, mine, wanted))

    async def commit_transaction(self) -> None:
        """Commit it."""
        self._look()
        if self._broken is not None:
            raise self._broken
        self._commits()
        await self._end(commit=True)

    async def abort_transaction(self) -> None:
        """Abort it."""
        self._look()
        await self._end(commit=False)

    async def _end(self, *, commit: bool) -> None:
        assert self._in, "outside of a transaction"
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._look()
        if commit and self._broken is not None:
            raise self._broken
        if self._added or self._group_added:
            async with self._coordinator:
                await self._step(lambda mine: self._broker.transactions.end(self.name, mine, commit=commit))
        self._in = False

    def _produce(self, target: TopicPartition, contents: Sequence[Content]) -> Callable[[], int]:
        assert self._identity is not None
        mine = self._identity
        sequence = self._sequences.get(target, 0)
        self._sequences[target] = sequence + 1
        producer = Producer(*mine, sequence, transactional=True)
        return lambda: self._broker.append(target, contents, producer, (self.name, mine))

    async def _deliver(
        self, target: TopicPartition, contents: Sequence[Content], future: asyncio.Future[Any]
    ) -> None:
        try:
            async with self._coordinator:
                if target not in self._added:
                    await self._step(lambda mine: self._broker.transactions.add(self.name, mine, [target]))
                    self._added[target] = None
        except KafkaError as error:
            self._failed(error, future)
            return
        await super()._deliver(target, contents, future)

    def _failed(self, error: KafkaError, future: asyncio.Future[Any]) -> None:
        if isinstance(error, InvalidProducerEpoch):
            error = self._fatal = ProducerFenced()
        self._broken = self._broken or error
        super()._failed(error, future)

    async def _step(self, act: Callable[[Identity], None]) -> None:
        self._look()
        assert self._identity is not None
        mine = self._identity
        try:
            await self._insist(lambda: act(mine))
        except InvalidProducerEpoch as error:
            self._fatal = ProducerFenced()
            raise self._fatal from error
        except KafkaError as error:
            self._fatal = error
            raise

    async def _insist(self, act: Callable[[], Any]) -> Any:
        while True:
            try:
                return await self._broker.network.ask(act, self._link)
            except ConcurrentTransactions:
                await asyncio.sleep(0.02)
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(BACKOFF)

    def _look(self) -> None:
        if self._fatal is not None:
            raise self._fatal
