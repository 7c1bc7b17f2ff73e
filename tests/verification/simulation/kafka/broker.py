"""The model of a broker: logs, a group, transactions, and what clients may ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tests.verification.simulation.kafka.groups import Group
from tests.verification.simulation.kafka.logs import Content, Fetched, Log, Producer
from tests.verification.simulation.kafka.network import Network, Weather
from tests.verification.simulation.kafka.transactions import Identity, Transactions

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Mapping, Sequence

    from aiokafka.structs import TopicPartition

    from tests.verification.simulation.loop import VirtualLoop


class Watcher(Protocol):
    """Is told of what anybody can see from now on."""

    def visible(
        self, contents: Sequence[tuple[TopicPartition, Content]], offsets: Mapping[TopicPartition, int]
    ) -> None:
        """Records and offsets that come to be visible together."""

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Offsets that the group has accepted outside of transactions."""


class Broker:
    """One broker.

    Args:
        loop: whose time counts.
        chance: of the schedule.
        session: of the group, in seconds.
        join_delay: see `Group`.
        weather: of the network.
        transactional: whether it has idempotent and transactional producers, and so logs with holes.
        note: writes the trace.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        chance: random.Random,
        *,
        session: float,
        join_delay: float,
        weather: Weather,
        transactional: bool,
        note: Callable[..., None],
    ) -> None:
        self.loop, self.chance, self.note = loop, chance, note
        self.transactional = transactional
        self.logs: dict[TopicPartition, Log] = {}
        self.network = Network(loop, chance, weather)
        self.group = Group(loop, session=session, join_delay=join_delay, note=note)
        self.transactions = Transactions(
            loop, chance, log=self.log, group=self.group, decided=self._decided, note=note
        )
        self.watcher: Watcher | None = None
        self._waiting: dict[TopicPartition, list[asyncio.Future[None]]] = {}
        self._ids = 0

    def log(self, partition: TopicPartition) -> Log:
        """A partition's log, made when it is first asked for."""
        if partition not in self.logs:
            self.logs[partition] = Log(partition)
        return self.logs[partition]

    def new_id(self) -> int:
        """The id of an idempotent producer."""
        self._ids += 1
        return self._ids

    def append(
        self,
        partition: TopicPartition,
        contents: Sequence[Content],
        producer: Producer | None = None,
        transaction: tuple[str, Identity] | None = None,
    ) -> int:
        """Produce: the whole batch or nothing; the answer is its base offset."""
        if transaction is not None:
            self.transactions.verify(*transaction, partition)
        base, new = self.log(partition).append(contents, self.loop.time(), producer)
        self.note("log", partition.topic, partition.partition, base, len(contents), "" if new else "again")
        if new:
            if transaction is None:
                self._show([(partition, content) for content in contents], {})
            self.wake(partition)
        return base

    def wake(self, partition: TopicPartition) -> None:
        """Answer the fetches that wait for something in it."""
        for waiting in self._waiting.pop(partition, ()):
            _finish(waiting)

    async def _later(self, partitions: Sequence[TopicPartition], wait: float) -> None:
        """Wait until something may have come."""
        future = self.loop.create_future()
        for partition in partitions:
            self._waiting.setdefault(partition, []).append(future)
        timer = self.loop.later(wait, _finish, future)
        await future
        timer.cancel()

    def fetch(self, wanted: Mapping[TopicPartition, int], most: int, wait: float, *, committed: bool) -> Any:
        """Records of several partitions; waits a while if there are none."""

        def look() -> dict[TopicPartition, Fetched]:
            return {
                partition: self.log(partition).read(offset, most, committed=committed)
                for partition, offset in wanted.items()
            }

        found = look()
        if any(fetched.following > wanted[partition] for partition, fetched in found.items()):
            return found

        async def patiently() -> dict[TopicPartition, Fetched]:
            await self._later(list(wanted), wait)
            return look()

        return self.loop.start(self.loop.world, patiently())

    def commit(self, member: str, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        """OffsetCommit."""
        self.group.commit(member, generation, offsets)
        if self.watcher is not None:
            self.watcher.committed(offsets)

    def down(self) -> None:
        """The broker dies."""
        self.note("broker", "down")
        self.group.down()
        self.network.down()

    def back(self) -> None:
        """The broker is back, with its logs."""
        self.note("broker", "back")
        self.group.back()
        self.network.back()

    def _decided(
        self, number: int, partitions: list[TopicPartition], offsets: Mapping[TopicPartition, int]
    ) -> None:
        contents = [
            (partition, Content(record.key, record.value, record.headers))
            for partition in partitions
            for batch in self.log(partition).batches
            if batch.producer == number and batch.state == "open"
            for record in batch.records
        ]
        self._show(contents, offsets)

    def _show(
        self, contents: list[tuple[TopicPartition, Content]], offsets: Mapping[TopicPartition, int]
    ) -> None:
        if self.watcher is not None:
            self.watcher.visible(contents, offsets)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
