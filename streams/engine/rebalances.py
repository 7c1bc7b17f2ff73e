"""Listener to rebalances of the consumer group: partitions revoked, partitions assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiokafka import ConsumerRebalanceListener

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.structs import TopicPartition

    from streams.metrics import Counts
    from streams.settings.settings import Settings


class Assignments(Protocol):
    """Owner of the partitions that the group assigns."""

    settings: Settings
    counts: Counts

    def wait_for_assignment(self) -> None:
        """Note that nothing is assigned until the group assigns it."""

    async def release(self, seconds: float) -> None:
        """Deliver and commit computed steps, for so many seconds at most, and release all partitions."""

    def assign(self, assigned: Iterable[TopicPartition]) -> None:
        """Open the assigned partitions."""

    def fail(self, error: Exception) -> None:
        """End the worker for this reason."""


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Listener that ends the worker when a rebalance fails. aiokafka alone would swallow the exception."""

    def __init__(self, partitions: Assignments) -> None:
        self._partitions = partitions

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Deliver and commit computed steps, for a third of a session at most, and release all partitions."""
        del revoked  # rebalances are eager: all of them
        try:
            self._partitions.counts.partitions_assigned = None
            self._partitions.wait_for_assignment()
            await self._partitions.release(self._partitions.settings.session_timeout_ms / 3_000)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._partitions.fail(error)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open the assigned partitions."""
        assigned = list(assigned)
        try:
            self._partitions.assign(assigned)
            self._partitions.counts.partitions_assigned = len(assigned)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._partitions.fail(error)
