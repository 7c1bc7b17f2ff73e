"""Watchdog: warns once of a partition that makes no progress, and then ends the worker."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from streams.errors import BrokerUnreachableError, DeliveryFailedError, EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.clock import Clock
    from streams.partition.partition import Partition

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

SLEPT_SECONDS = 10.0
"""Seconds between two looks that show that the whole process was stopped or suspended, so that no part inside
it is stuck."""

REJOIN_SECONDS = 30.0
"""Seconds, besides a session, for which the group may wait for members that do not answer: aiokafka's
rebalance timeout."""


class Watchdog:
    """Watchdog over the progress of the owned partitions.

    A partition stands still if it has work, and neither its acknowledged source offset nor the end of its
    rows in the changelog moves. The cause may be a lease that is not renewed, a step that does not end in
    front of finished ones, a clock row that does not advance, or a paused fetch. After half of `stall` the
    watchdog logs one WARNING, and after all of it the worker ends. A paused worker is not stuck. Once the
    group has answered no commit for so long that the lease is over, the worker waits for the broker, for
    `patience` at most.

    A leader that answers no fetch hides that there is work: the group's coordinator may be another broker,
    which accepts every commit. So the leader's answers are checked too, with a limit of `patience` and a
    session.

    Args:
        owned: Function that returns the partitions owned at the moment.
        clock: Clock that measures the times.
        lag: Function that returns the number of a partition's records that are not applied yet.
        answered_at: Function that returns the time of the last answer of a partition's leader to a fetch, on
            any clock; None before the first.
        paused: Function that returns True if an operator paused the worker.
        unanswered_since: Function that returns the moment since which the group has accepted no requested
            commit, or None.
        unassigned_since: Function that returns the moment since which the worker has waited for an
            assignment, or None.
        stall: Seconds without progress after which the worker ends.
        patience: Seconds for which a broker may be away.
        session: Session timeout of the group, in seconds.
    """

    def __init__(
        self,
        owned: Callable[[], Iterable[Partition]],
        *,
        clock: Clock,
        lag: Callable[[Partition], int],
        answered_at: Callable[[Partition], int | None],
        paused: Callable[[], bool],
        unanswered_since: Callable[[], float | None],
        unassigned_since: Callable[[], float | None],
        stall: float,
        patience: float,
        session: float,
    ) -> None:
        self._owned = owned
        self._clock = clock
        self._lag = lag
        self._answered_at = answered_at
        self._paused = paused
        self._unanswered_since = unanswered_since
        self._unassigned_since = unassigned_since
        self._stall = stall
        self._patience = patience
        self._session = session
        self._marks: dict[Partition, tuple[tuple[int, int], float]] = {}
        self._answers: dict[Partition, tuple[int | None, float]] = {}
        self._warned: set[Partition] = set()
        self._still: WeakKeyDictionary[Partition, float] = WeakKeyDictionary()
        self._looked_at = self._awake_since = clock.elapsed()

    async def run(self) -> None:
        """Check once a second until cancelled.

        Raises:
            EngineError: A batch or a partition is stuck.
            DeliveryFailedError: Commits are not accepted.
            BrokerUnreachableError: The group assigns nothing, or a leader does not answer.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Check the group, then each owned partition, once.

        Raises:
            EngineError: A batch or a partition is stuck.
            DeliveryFailedError: Commits are not accepted.
            BrokerUnreachableError: The group assigns nothing, or a leader does not answer.
        """
        now = self._clock.elapsed()
        if now - self._looked_at > SLEPT_SECONDS:
            self._awake_since = now
        self._looked_at = now
        unanswered = self._waited(self._unanswered_since())
        self._look_at_the_group(unanswered, self._waited(self._unassigned_since()))
        waiting = unanswered > self._session / 2
        owned = list(self._owned())
        self._marks = {partition: self._marks[partition] for partition in owned if partition in self._marks}
        self._answers = {
            partition: self._answers[partition] for partition in owned if partition in self._answers
        }
        self._warned.intersection_update(owned)
        for partition in owned:
            if self._waited(partition.under_way_since) > self._stall:
                raise EngineError(
                    f"the agent has not finished a batch of partition {partition.number} for "
                    f"{self._stall:g} s (CARTPULSE_STALL_SECONDS)"
                )
            self._look_at_the_leader(partition, now)
            self._look_at(partition, now, waiting=waiting)

    def still(self, partition: Partition) -> float:
        """Return the seconds for which a partition has had work and made no progress, as of the last look."""
        return self._still.get(partition, 0.0)

    def _waited(self, since: float | None) -> float:
        """Return the seconds since a moment, counting only while the process was awake; 0 for None."""
        return 0.0 if since is None else self._looked_at - max(since, self._awake_since)

    def _look_at_the_group(self, unanswered: float, unassigned: float) -> None:
        if unanswered > self._patience:
            raise DeliveryFailedError(
                f"the group has accepted no commit for {self._patience:g} s: is the broker up, and is the "
                "topic of purchases there? (twice CARTPULSE_SEND_DEADLINE_SECONDS)"
            )
        limit = self._patience + self._session + REJOIN_SECONDS
        if unassigned > limit:
            raise BrokerUnreachableError(
                f"the group has assigned nothing for {limit:g} s: is the broker up? (twice "
                "CARTPULSE_SEND_DEADLINE_SECONDS, and what a rebalance may take)"
            )

    def _look_at_the_leader(self, partition: Partition, now: float) -> None:
        answer = self._answered_at(partition)
        known, since = self._answers.get(partition, (answer, now))
        if answer != known or not partition.can_fetch:
            since = now
        self._answers[partition] = (answer, since)
        limit = self._patience + self._session
        if self._waited(since) > limit:
            raise BrokerUnreachableError(
                f"the leader of partition {partition.number} has answered no fetch for {limit:g} s: can this "
                "worker reach every broker? (twice CARTPULSE_SEND_DEADLINE_SECONDS, and a session)"
            )

    def _look_at(self, partition: Partition, now: float, *, waiting: bool) -> None:
        delivery = partition.delivery
        if delivery is None:  # the partition is being opened, which has its own time limit
            return
        mark = (delivery.acknowledged, delivery.base)
        lag = self._lag(partition)
        known, since = self._marks.get(partition, (None, now))
        if mark != known or waiting or self._paused() or not self._busy(partition, lag):
            self._marks[partition] = (mark, now)
            self._warned.discard(partition)
            self._still.pop(partition, None)
            return
        self._still[partition] = still = self._waited(since)
        said = (
            f"partition {partition.number} has stood still for {still:.0f} s at offset "
            f"{delivery.acknowledged}, with {lag} purchases to apply"
            f"{'' if delivery.idle else ' and steps that are not acknowledged'}"
            f"{'' if partition.epoch.lease.valid else ' and no lease'}"
        )
        if still > self._stall:
            raise EngineError(f"{said} (CARTPULSE_STALL_SECONDS)")
        if still > self._stall / 2 and partition not in self._warned:
            self._warned.add(partition)
            log.warning("Stuck? %s; the worker ends after %g s", said, self._stall)

    def _busy(self, partition: Partition, lag: int) -> bool:
        return lag > 0 or not partition.drained
