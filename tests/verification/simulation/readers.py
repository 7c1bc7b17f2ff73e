"""A consumer of the model broker with the surface of aiokafka's, as far as the engine uses it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from tests.verification.simulation.producers import BACKOFF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka.structs import TopicPartition

    from tests.verification.simulation.kafka.broker import Broker
    from tests.verification.simulation.kafka.logs import Fetched

FETCH_SECONDS = 0.05
"""How long the broker holds a fetch that finds nothing."""


class _Reassigned(Exception):  # noqa: N818 - it is no error
    """What was begun is for an assignment that is over."""


class Reader:
    """A consumer without a group.

    Args:
        broker: the model.
        committed: whether it reads committed records only.
        assigned: is told what it is assigned by hand.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        committed: bool,
        assigned: Callable[[Sequence[TopicPartition]], None] = lambda _: None,
    ) -> None:
        self._broker, self._committed, self._assigned_by_hand = broker, committed, assigned
        self._positions: dict[TopicPartition, int | None] = {}
        self._highwaters: dict[TopicPartition, int] = {}
        self._answers: Counter[TopicPartition] = Counter()
        self._stable_offsets: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._buffers: dict[TopicPartition, tuple[int, Fetched]] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._errors: dict[TopicPartition, KafkaError] = {}
        self._assignment = 0

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """By hand."""
        self._assigned_by_hand(partitions)
        self._take(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Set a position; what is fetched for another is dropped."""
        if partition not in self._positions:
            raise IllegalStateError(f"{partition} is not assigned")
        self._positions[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        """Return nothing of these."""
        self._paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Do so again."""
        self._paused.difference_update(partitions)

    async def position(self, partition: TopicPartition) -> int:
        """Where it is."""
        offset = self._positions.get(partition)
        if offset is None:
            raise IllegalStateError(f"{partition} is not assigned, or not sought")
        return offset

    def assignment(self) -> Sequence[TopicPartition]:
        """What it is assigned, in an order that no hash decides."""
        return list(self._positions)

    def partitions_for_topic(self, topic: str) -> set[int]:
        """Of the topic, as far as it is known."""
        return set(range(sum(partition.topic == topic for partition in self._broker.logs)))

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        """As of the last fetch."""
        return self._stable_offsets.get(partition)

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        """One answer is told from another; when they came, nobody asks."""
        return self._answers[partition] or None

    def highwater(self, partition: TopicPartition) -> int | None:
        """As of the last fetch."""
        return self._highwaters.get(partition)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Whether the leader knows them is all that is asked for."""
        known: dict[TopicPartition, int] = await self._insist(lambda: dict.fromkeys(partitions, -1))
        return known

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Log starts."""
        broker = self._broker
        found: dict[TopicPartition, int] = await self._insist(
            lambda: {partition: broker.log(partition).start for partition in partitions}
        )
        return found

    async def committed(self, partition: TopicPartition) -> int | None:
        """What the group has."""
        found: int | None = await self._insist(lambda: self._broker.group.committed.get(partition))
        return found

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> dict[TopicPartition, list[Any]]:
        """What is fetched, at most so many records; positions move in the step that returns them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_ms / 1_000
        while True:
            await self._ready()
            found = self._drain(partitions or tuple(self._positions), max_records)
            self._prefetch(max_records)
            left = until - loop.time()
            if found or left <= 0:
                return found
            for partition in partitions or self._positions:
                if partition in self._errors:
                    raise self._errors.pop(partition)
            if self._fetching is not None:
                await asyncio.wait([self._fetching], timeout=left)
            else:
                await asyncio.sleep(min(left, FETCH_SECONDS))

    async def stop(self) -> None:
        """End."""
        await asyncio.sleep(0)
        if self._fetching is not None:
            self._fetching.cancel()

    async def _ready(self) -> None:
        """A member waits here while its group rebalances."""

    def _take(self, partitions: Sequence[TopicPartition]) -> None:
        self._assignment += 1
        self._positions = dict.fromkeys(partitions, None)
        self._highwaters.clear()
        self._stable_offsets.clear()
        self._errors.clear()
        self._paused.clear()

    def _drain(self, partitions: Sequence[TopicPartition], most: int) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        for partition in [partition for partition in self._buffers if partition in partitions]:
            start, fetched = self._buffers[partition]
            if partition in self._paused or self._positions.get(partition) != start:
                del self._buffers[partition]
                continue
            taken = fetched.records[:most]
            if len(taken) < len(fetched.records):
                self._positions[partition] = taken[-1].offset + 1 if taken else start
                if taken:
                    rest = fetched._replace(records=fetched.records[len(taken) :])
                    self._buffers[partition] = (taken[-1].offset + 1, rest)
            else:
                self._positions[partition] = fetched.following
                del self._buffers[partition]
            if taken:
                found[partition] = taken
                most -= len(taken)
        return found

    def _prefetch(self, most: int) -> None:
        if self._fetching is not None and not self._fetching.done():
            return
        wanted = {
            partition: offset
            for partition, offset in self._positions.items()
            if partition not in self._buffers and (offset is None or partition not in self._paused)
        }
        self._fetching = asyncio.create_task(self._fetch(wanted, most)) if wanted else None

    async def _fetch(self, wanted: dict[TopicPartition, int | None], most: int) -> None:
        assignment, broker = self._assignment, self._broker
        try:
            for partition, offset in wanted.items():
                if offset is None:  # aiokafka looks for one even while it is paused
                    await self._begin_at(partition)
            offsets = {
                partition: offset
                for partition, offset in self._positions.items()
                if partition in wanted and partition not in self._paused and offset is not None
            }
            if not offsets:
                return
            fetched = await broker.network.ask(
                lambda: broker.fetch(offsets, most, FETCH_SECONDS, committed=self._committed)
            )
        except OffsetOutOfRangeError as error:
            if assignment == self._assignment:
                self._errors.update(dict.fromkeys(error.args[0], error))
            return
        except (KafkaError, _Reassigned):
            await asyncio.sleep(BACKOFF)
            return
        if assignment != self._assignment:
            return
        for partition, answer in fetched.items():
            if self._positions[partition] == offsets[partition]:
                self._highwaters[partition] = answer.highwater
                self._answers[partition] += 1
                self._stable_offsets[partition] = answer.stable
                self._buffers[partition] = (offsets[partition], answer)

    async def _begin_at(self, partition: TopicPartition) -> None:
        """Take what is committed for the position, if nobody seeks it meanwhile."""
        assignment = self._assignment
        offset = await self.committed(partition)
        if assignment != self._assignment:
            raise _Reassigned
        if self._positions[partition] is None:
            if offset is None:
                self._errors[partition] = NoOffsetForPartitionError(partition)
            self._positions[partition] = offset

    async def _insist(self, act: Callable[[], Any]) -> Any:
        while True:
            try:
                return await self._broker.network.ask(act)
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(BACKOFF)
