"""What the group tells a worker: partitions taken away, partitions assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from aiokafka import ConsumerRebalanceListener

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.structs import TopicPartition

    from streams.metrics import Counts
    from streams.settings.settings import Settings

ASSIGNED: Final = "partitions_assigned"
"""Level of how many partitions the group has assigned to this worker; not known while it is about to."""


class Assignments(Protocol):
    """Owner of the partitions that the group assigns."""

    settings: Settings
    counts: Counts

    def wait_for_assignment(self) -> None:
        """Note that nothing is assigned until the group says so."""

    async def release(self, seconds: float) -> None:
        """Deliver and commit what is computed, for so many seconds at most, and let all partitions go."""

    def assign(self, assigned: Iterable[TopicPartition]) -> None:
        """Open the partitions that are assigned."""

    def fail(self, error: Exception) -> None:
        """End the worker for this reason."""


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """aiokafka swallows what a listener raises; here it ends the worker."""

    def __init__(self, partitions: Assignments) -> None:
        self._partitions = partitions

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait, for a third of a session at most, until what is computed is delivered and committed."""
        del revoked  # rebalances are eager: all of them
        try:
            self._partitions.counts.level(ASSIGNED, None)
            self._partitions.wait_for_assignment()
            await self._partitions.release(self._partitions.settings.session_timeout_ms / 3_000)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._partitions.fail(error)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open them."""
        assigned = list(assigned)
        try:
            self._partitions.assign(assigned)
            self._partitions.counts.level(ASSIGNED, len(assigned))
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._partitions.fail(error)
