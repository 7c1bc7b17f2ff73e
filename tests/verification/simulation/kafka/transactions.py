"""The transaction coordinator of the model broker: fencing, open transactions, markers that come later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import ConcurrentTransactions, InvalidProducerEpoch, InvalidTxnState

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Mapping

    from aiokafka.structs import TopicPartition

    from tests.verification.simulation.kafka.groups import Group
    from tests.verification.simulation.kafka.logs import Log
    from tests.verification.simulation.loop import VirtualLoop

MARKERS_SECONDS = 0.03
"""Until the last marker of an ended transaction is written, at most."""


class Identity(NamedTuple):
    """What a producer is given."""

    number: int
    epoch: int


@dataclass(slots=True)
class _Transaction:
    number: int
    epoch: int = -1
    state: str = "empty"
    """`empty`, `ongoing`, `ending`."""
    partitions: dict[TopicPartition, None] = field(default_factory=dict)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    ended: bool | None = None
    """How the last one ended: committed or not."""
    timer: asyncio.TimerHandle | None = None


class Transactions:
    """All transactional ids.

    Args:
        loop: whose time counts.
        chance: of the schedule.
        log: the log of a partition.
        group: where offsets go.
        decided: is told of what a commit makes visible, before any of it is.
        note: writes the trace.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        chance: random.Random,
        *,
        log: Callable[[TopicPartition], Log],
        group: Group,
        decided: Callable[[int, list[TopicPartition], Mapping[TopicPartition, int]], None],
        note: Callable[..., None],
    ) -> None:
        self._loop, self._chance, self._log, self._group = loop, chance, log, group
        self._decided, self._note = decided, note
        self._known: dict[str, _Transaction] = {}

    def begin(self, name: str, timeout: float) -> Identity:
        """InitProducerId: whoever has the name now is fenced, and what is open is aborted.

        Raises:
            ConcurrentTransactions: an earlier one is still being ended; ask again.
        """
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _Transaction(1_000_000 + len(self._known))
        if known.state == "ending":
            raise ConcurrentTransactions
        if known.state == "ongoing":
            known.epoch += 1
            self._end(name, known, commit=False)
            raise ConcurrentTransactions
        known.epoch += 1
        known.ended = None
        self._timeout = timeout
        self._note("txn", name, "epoch", known.epoch)
        return Identity(known.number, known.epoch)

    def add(self, name: str, identity: Identity, partitions: list[TopicPartition]) -> None:
        """AddPartitionsToTxn, and AddOffsetsToTxn with none.

        Raises:
            InvalidProducerEpoch: fenced.
            ConcurrentTransactions: the one before is still being ended.
        """
        known = self._mine(name, identity)
        if known.state == "ending":
            raise ConcurrentTransactions
        if known.state == "empty":
            known.state = "ongoing"
            known.timer = self._loop.later(self._timeout, self._expire, name, known, known.epoch)
        known.partitions.update(dict.fromkeys(partitions))

    def verify(self, name: str, identity: Identity, partition: TopicPartition) -> None:
        """Whether a batch may be appended: only to a transaction that is open there."""
        known = self._mine(name, identity)
        if known.state != "ongoing" or partition not in known.partitions:
            raise InvalidTxnState

    def offsets(self, name: str, identity: Identity, offsets: Mapping[TopicPartition, int]) -> None:
        """TxnOffsetCommit."""
        known = self._mine(name, identity)
        if known.state != "ongoing":
            raise InvalidTxnState
        known.offsets.update(offsets)

    def end(self, name: str, identity: Identity, *, commit: bool) -> None:
        """EndTxn: decided when this returns; markers follow."""
        known = self._mine(name, identity)
        if known.state == "empty":
            if known.ended is commit:
                return  # asked again
            raise InvalidTxnState
        if known.state == "ending":
            raise ConcurrentTransactions
        self._end(name, known, commit=commit)

    def _mine(self, name: str, identity: Identity) -> _Transaction:
        known = self._known[name]
        if identity.epoch != known.epoch:
            raise InvalidProducerEpoch
        return known

    def _expire(self, name: str, known: _Transaction, epoch: int) -> None:
        if known.state == "ongoing" and known.epoch == epoch:
            known.epoch += 1
            self._end(name, known, commit=False)

    def _end(self, name: str, known: _Transaction, *, commit: bool) -> None:
        self._note("txn", name, "commits" if commit else "aborts", known.epoch)
        if known.timer is not None:
            known.timer.cancel()
        known.state, known.ended = "ending", commit
        partitions, offsets = list(known.partitions), dict(known.offsets)
        if commit:
            self._decided(known.number, partitions, offsets)
        known.partitions.clear()
        known.offsets.clear()
        left = len(partitions) + 1

        def marked(partition: TopicPartition | None) -> None:
            nonlocal left
            if partition is not None:
                self._log(partition).mark(known.number, known.epoch, self._loop.time(), commit=commit)
            elif commit:
                self._group.committed.update(offsets)
            left -= 1
            if not left:
                known.state = "empty"

        for partition in [*partitions, None]:
            self._loop.later(self._chance.random() * MARKERS_SECONDS, marked, partition)
