"""Health of a running worker: its readiness, and the state of each of its partitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.contracts.status import LedgerStatus
    from streams.engine.partitions import Partitions
    from streams.kafka.clients import Connections
    from streams.metrics import Counts
    from streams.partition.partition import Partition
    from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """Health of one owned partition at a moment."""

    number: int
    recovered: bool
    """True if the partition has its state and reads purchases."""
    lag: int
    """Number of purchases in the log that are not applied yet; 0 while it is unknown."""
    lease: float
    """Seconds for which the group's last accepted commit still permits sending; 0 if it does not."""
    still: float
    """Seconds for which the partition has had work and made no progress."""
    standing: LedgerStatus | None
    """Progress and size of the ledger; None until the partition is recovered."""
    read: tuple[int, int] | None
    """During recovery: the changelog offset reached, and the changelog's end, where known."""

    def reasons(self, stall: float) -> list[str]:
        """Return the reasons for which the partition is not ready; an empty list if it is.

        Args:
            stall: Seconds without progress after which the watchdog ends the worker.
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
        """Return the partition's entry in the answer of `/health/ready`."""
        state = "reading" if self.recovered else "recovering"
        return {"partition": self.number, "state": state, "lag": self.lag}


@dataclass(frozen=True, slots=True)
class Health:
    """Health of a worker at a moment."""

    reasons: tuple[str, ...]
    """Reasons, in sentences, for which the worker is not ready; empty if it is."""
    assigned: int | None
    """Number of partitions that the group has assigned to the worker; None before the first assignment and
    during a rebalance."""
    paused: bool
    """True if an operator paused the worker."""
    partitions: tuple[PartitionHealth, ...]

    @property
    def ready(self) -> bool:
        """True if the worker does its work: it is assigned, recovered, and committing."""
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        """Return the answer of `/health/ready`."""
        return {
            "ready": self.ready,
            "reasons": list(self.reasons),
            "paused": self.paused,
            "partitions": [partition.as_json() for partition in self.partitions],
        }


class Observer:
    """Observer of a worker, without side effects on the worker.

    Args:
        settings: Service settings.
        partitions: Service that owns partitions, started or not.
        connections: Maker of Kafka clients, which reports how far a recovery has read.
    """

    def __init__(self, settings: Settings, partitions: Partitions, connections: Connections) -> None:
        self._settings = settings
        self._partitions = partitions
        self._connections = connections

    @property
    def counts(self) -> Counts:
        """Counters of the worker."""
        return self._partitions.counts

    async def look(self) -> Health:
        """Return the health of the worker now."""
        owned = [await self._look_at(partition) for _, partition in sorted(self._partitions.owned.items())]
        assigned = self.counts.partitions_assigned
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
