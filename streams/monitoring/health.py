"""What an operator asks of a running worker: is it ready, and where does each of its partitions stand?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.engine.rebalances import ASSIGNED

if TYPE_CHECKING:
    from models.ledger.status import Standing
    from streams.engine.partitions import Partitions
    from streams.kafka.clients import Connections
    from streams.metrics import Counts
    from streams.partition.partition import Partition
    from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """One owned partition at a moment."""

    number: int
    recovered: bool
    """Whether it has its state and reads purchases."""
    lag: int
    """Purchases in the log that are not applied yet; 0 while that is not known."""
    lease: float
    """Seconds for which the group's last accepted commit still permits to send; 0 when it does not."""
    still: float
    """Seconds for which it has had something to do and has not got on."""
    standing: Standing | None
    """What its ledger says of itself; None until it is recovered."""
    read: tuple[int, int] | None
    """While it is recovered: the changelog offset that is read, and the changelog's end, where known."""

    def reasons(self, stall: float) -> list[str]:
        """Why it is not ready; nothing if it is.

        Args:
            stall: seconds without getting on after which the watchdog ends the worker.
        """
        name = f"partition {self.number}"
        if not self.recovered:
            so_far = "" if self.read is None else f": at row {self.read[0]:,} of {self.read[1]:,}"
            return [f"{name} is being recovered{so_far}"]
        reasons = []
        if not self.lease:
            reasons.append(f"{name}: the group has accepted no commit lately, so nothing is sent")
        if self.still > stall / 2:
            reasons.append(
                f"{name} has not got on for {self.still:.0f} s, with {self.lag:,} purchases to apply"
            )
        return reasons

    def as_json(self) -> dict[str, Any]:
        """For `/health/ready`."""
        state = "reading" if self.recovered else "recovering"
        return {"partition": self.number, "state": state, "lag": self.lag}


@dataclass(frozen=True, slots=True)
class Health:
    """A worker at a moment."""

    reasons: tuple[str, ...]
    """Why it is not ready, in sentences; empty when it is."""
    assigned: int | None
    """Partitions that the group has assigned to it; None while it is about to."""
    paused: bool
    """Whether an operator paused it."""
    partitions: tuple[PartitionHealth, ...]

    @property
    def ready(self) -> bool:
        """Whether it does its work: assigned, recovered, and committing."""
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        """For `/health/ready`."""
        return {
            "ready": self.ready,
            "reasons": list(self.reasons),
            "paused": self.paused,
            "partitions": [partition.as_json() for partition in self.partitions],
        }


class Observer:
    """Looks at a worker, without disturbing it.

    Args:
        settings: of the service.
        partitions: the service that owns partitions, started or not.
        connections: which know how far a recovery has read.
    """

    def __init__(self, settings: Settings, partitions: Partitions, connections: Connections) -> None:
        self._settings = settings
        self._partitions = partitions
        self._connections = connections

    @property
    def counts(self) -> Counts:
        """What the worker has counted."""
        return self._partitions.counts

    async def look(self) -> Health:
        """The worker now."""
        owned = [await self._look_at(partition) for _, partition in sorted(self._partitions.owned.items())]
        assigned = self.counts.levels().get(ASSIGNED)
        reasons = self._own_reasons(assigned)
        for partition in owned:
            reasons += partition.reasons(self._settings.stall_seconds)
        return Health(tuple(reasons), assigned, self._partitions.paused, tuple(owned))

    def _own_reasons(self, assigned: int | None) -> list[str]:
        if self._partitions.failed or self._partitions.should_stop:
            return ["the worker is ending"]
        if assigned is None:
            return ["the group has not assigned partitions yet"]
        return []

    async def _look_at(self, partition: Partition) -> PartitionHealth:
        recovered = partition.recovered
        return PartitionHealth(
            number=partition.number,
            recovered=recovered and partition.reading,
            lag=self._partitions.lag_of(partition),
            lease=partition.epoch.lease.remaining,
            still=self._partitions.still_of(partition),
            standing=partition.ledger.standing if recovered else None,
            read=None if recovered else await self._connections.read(partition.changelog),
        )
