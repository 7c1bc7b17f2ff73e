"""A consumer that is a member of the group, as aiokafka's coordination and heartbeat tasks make it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import TopicPartition

from tests.verification.simulation.producers import BACKOFF
from tests.verification.simulation.readers import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.verification.simulation.kafka.broker import Broker

REFUSED = (IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class Member(Reader):
    """The consumer of one worker.

    Args:
        broker: the model.
        committed: whether it reads committed records only.
        session: seconds; a heartbeat every sixth of it.
        partitions: of the topic.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        committed: bool,
        session: float,
        partitions: int,
    ) -> None:
        super().__init__(broker, committed=committed)
        self.name: str | None = None
        self.proven_at = float("-inf")
        """When a commit was asked for that the group accepted, since the last assignment."""
        self._session, self._count = session, partitions
        self._generation = -1
        self._listener: Any = None
        self._topic = ""
        self._assigned: set[TopicPartition] | None = None
        self._stable = asyncio.Event()
        self._rejoin = asyncio.Event()
        self._coordination: asyncio.Task[None] | None = None
        self._heartbeats: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()

    def subscribe(self, topics: list[str], *, listener: Any) -> None:
        """Join the group."""
        (self._topic,), self._listener = topics, listener
        self._rejoin.set()
        self._coordination = asyncio.create_task(self._coordinate())

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit; asked again, with what it is a member of then, while there is no answer."""
        if self._assigned is None or not self._assigned.issuperset(offsets):
            raise IllegalStateError("not assigned")
        wanted = dict(offsets)
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._committing:
                    asked, generation, name = loop.time(), self._generation, self.name or ""
                    await self._broker.network.ask(partial(self._broker.commit, name, generation, wanted))
            except REFUSED as error:
                if isinstance(error, RebalanceInProgressError):
                    self._rejoin.set()
                else:
                    self._reset()
                raise CommitFailedError(str(error)) from error
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(BACKOFF)
            else:
                self.proven_at = max(self.proven_at, asked)
                return

    async def stop(self) -> None:
        """Leave the group."""
        if self._heartbeats is not None:
            self._heartbeats.cancel()
        if self._coordination is not None:
            self._coordination.cancel()
        await super().stop()
        if self.name is not None:
            name = self.name
            with contextlib.suppress(KafkaError):
                await self._broker.network.ask(lambda: self._broker.group.leave(name))

    async def _ready(self) -> None:
        await self._stable.wait()

    def _reset(self) -> None:
        self.name, self._generation = None, -1
        self._rejoin.set()

    async def _coordinate(self) -> None:
        prepared = False
        while True:
            await self._rejoin.wait()
            if not prepared:
                self._stable.clear()
                await self._tell(self._listener.on_partitions_revoked, self._assigned or set())
                prepared = True
            if self._heartbeats is not None:
                self._heartbeats.cancel()
                self._heartbeats = None
            assigned = await self._join()
            if assigned is None:
                await asyncio.sleep(BACKOFF)
                continue
            self._take(assigned)
            self._assigned = set(assigned)
            self.proven_at = float("-inf")
            self._stable.set()
            await asyncio.sleep(0)
            await self._tell(self._listener.on_partitions_assigned, set(assigned))
            prepared = False
            if self.name is not None:
                self._heartbeats = asyncio.create_task(self._beat())

    async def _tell(self, callback: Any, partitions: set[TopicPartition]) -> None:
        answer = callback(partitions)
        if inspect.isawaitable(answer):
            await answer

    async def _join(self) -> Sequence[TopicPartition] | None:
        group, network = self._broker.group, self._broker.network
        try:
            joined = await network.ask(partial(group.join, self.name))
            self.name, self._generation = joined.member, joined.generation
            assignment = self._assignment_of(joined.members) if joined.leader else None
            self._rejoin.clear()
            found: Sequence[TopicPartition] = await network.ask(
                lambda: group.sync(joined.member, joined.generation, assignment)
            )
        except REFUSED as error:
            if isinstance(error, RebalanceInProgressError):
                self._rejoin.set()
            else:
                self._reset()
        except KafkaError:
            self._rejoin.set()
        else:
            return found
        return None

    def _assignment_of(self, members: Sequence[str]) -> dict[str, list[TopicPartition]]:
        """Any assignment: the engine must not depend on one."""
        partitions = [TopicPartition(self._topic, number) for number in range(self._count)]
        self._broker.chance.shuffle(partitions)
        shares: dict[str, list[TopicPartition]] = {member: [] for member in members}
        for index, partition in enumerate(partitions):
            shares[members[index % len(members)]].append(partition)
        return shares

    async def _beat(self) -> None:
        pause = self._session / 6
        while self.name is not None:
            await asyncio.sleep(pause)
            if self.name is None:
                return
            try:
                await self._broker.network.ask(
                    partial(self._broker.group.heartbeat, self.name, self._generation)
                )
            except RebalanceInProgressError:
                self._rejoin.set()
            except REFUSED:
                self._reset()
            except KafkaError:
                pause = BACKOFF
                continue
            pause = self._session / 6
