"""The group coordinator of the model broker: eager rebalances, generations, sessions, commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import (
    IllegalGenerationError,
    KafkaConnectionError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from aiokafka.structs import TopicPartition

    from tests.verification.simulation.loop import VirtualLoop


class Joined(NamedTuple):
    """Answer to a join."""

    member: str
    generation: int
    leader: bool
    members: tuple[str, ...]


@dataclass(slots=True)
class _Member:
    name: str
    timer: asyncio.TimerHandle | None = None
    joining: asyncio.Future[Any] | None = None
    syncing: asyncio.Future[Any] | None = None


class Group:
    """One group.

    Args:
        loop: whose time counts.
        session: after so many seconds of silence a member is out; a rebalance waits as long for those who
            have not joined again.
        join_delay: seconds that the first join of an empty group waits for more.
        note: writes the trace.
    """

    def __init__(
        self, loop: VirtualLoop, *, session: float, join_delay: float, note: Callable[..., None]
    ) -> None:
        self.committed: dict[TopicPartition, int] = {}
        self.generation = 0
        self._loop, self._session, self._join_delay, self._note = loop, session, join_delay, note
        self._members: dict[str, _Member] = {}
        self._state = "empty"
        self._timer: asyncio.TimerHandle | None = None
        self._born = 0

    def join(self, name: str | None) -> Any:
        """A member joins, or joins again; the answer comes when all have, or time is up."""
        if name is None:
            self._born += 1
            name = f"m{self._born}"
            self._members[name] = _Member(name)
        member = self._known(name)
        joining = member.joining = self._loop.create_future()
        self._beat(member)
        if self._state in ("empty", "stable", "syncing"):
            first = self._state == "empty"
            self._prepare(self._join_delay if first else self._session)
        self._complete_if_all()
        return joining

    def sync(self, name: str, generation: int, assignment: Mapping[str, Any] | None) -> Any:
        """The leader brings who gets what; the others wait for it."""
        member = self._known(name)
        if generation != self.generation:
            raise IllegalGenerationError
        if self._state == "preparing":
            raise RebalanceInProgressError
        self._beat(member)
        if self._state == "stable":
            return self._assigned.get(name, ())
        member.syncing = self._loop.create_future()
        if assignment is not None:
            self._assigned = dict(assignment)
            self._state = "stable"
            self._note("group", "stable", self.generation, *self._assigned.items())
            for other in self._members.values():
                if other.syncing is not None and not other.syncing.done():
                    other.syncing.set_result(self._assigned.get(other.name, ()))
        return member.syncing

    def heartbeat(self, name: str, generation: int) -> None:
        """A sign of life."""
        member = self._known(name)
        if generation != self.generation:
            raise IllegalGenerationError
        self._beat(member)
        if self._state == "preparing":
            raise RebalanceInProgressError

    def commit(self, name: str, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Accepted of a member of this generation only; while others join, too."""
        member = self._known(name)
        if generation != self.generation:
            raise IllegalGenerationError
        if self._state == "syncing":
            raise RebalanceInProgressError
        self._beat(member)
        self.committed.update(offsets)

    def leave(self, name: str) -> None:
        """A member goes."""
        if name in self._members:
            self._remove(name, "leaves")

    def kick(self, index: int) -> None:
        """Throw a member out, as if its session were over."""
        names = list(self._members)
        if names:
            self._remove(names[index % len(names)], "is out")

    def down(self) -> None:
        """The broker dies: what is under way is lost, and nobody's silence is counted."""
        for member in self._members.values():
            for waiting in (member.joining, member.syncing):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(KafkaConnectionError("down"))
            member.joining = member.syncing = None
            if member.timer is not None:
                member.timer.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def back(self) -> None:
        """It comes back: who was a member still is, and a rebalance that was under way begins anew."""
        for member in self._members.values():
            self._beat(member)
        if self._state in ("preparing", "syncing"):
            if self._state == "syncing":
                self.generation -= 1  # it was never written down
            self._prepare(self._session)

    _assigned: dict[str, Any]

    def _known(self, name: str) -> _Member:
        member = self._members.get(name)
        if member is None:
            raise UnknownMemberIdError
        return member

    def _beat(self, member: _Member) -> None:
        if member.timer is not None:
            member.timer.cancel()
        member.timer = self._loop.later(self._session, self._silent, member)

    def _silent(self, member: _Member) -> None:
        if self._members.get(member.name) is not member:
            return
        if member.joining is not None and not member.joining.done():
            self._beat(member)  # it waits for us
            return
        self._remove(member.name, "was silent")

    def _remove(self, name: str, why: str) -> None:
        member = self._members.pop(name)
        self._note("group", name, why)
        if member.timer is not None:
            member.timer.cancel()
        for waiting in (member.joining, member.syncing):
            if waiting is not None and not waiting.done():
                waiting.set_exception(UnknownMemberIdError())
        if not self._members:
            self._state = "empty"
            if self._timer is not None:
                self._timer.cancel()
        elif self._state == "preparing":
            self._complete_if_all()
        else:
            self._prepare(self._session)
            self._complete_if_all()

    def _prepare(self, seconds: float) -> None:
        self._state = "preparing"
        self._note("group", "rebalances")
        self._delayed = bool(self._join_delay) and seconds == self._join_delay
        for member in self._members.values():
            if member.syncing is not None and not member.syncing.done():
                member.syncing.set_exception(RebalanceInProgressError())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.later(seconds, self._complete)

    _delayed = False

    def _complete_if_all(self) -> None:
        if (
            self._state == "preparing"
            and not self._delayed
            and all(member.joining is not None for member in self._members.values())
        ):
            self._complete()

    def _complete(self) -> None:
        if self._state != "preparing":
            return
        if self._timer is not None:
            self._timer.cancel()
        for member in list(self._members.values()):
            if member.joining is None:
                self._note("group", member.name, "did not join")
                del self._members[member.name]
                if member.timer is not None:
                    member.timer.cancel()
        if not self._members:
            self._state = "empty"
            return
        self.generation += 1
        self._state = "syncing"
        names = tuple(self._members)
        self._note("group", "joined", self.generation, *names)
        for member in self._members.values():
            waiting, member.joining, member.syncing = member.joining, None, None
            self._beat(member)
            if waiting is not None and not waiting.done():
                waiting.set_result(Joined(member.name, self.generation, member.name == names[0], names))
