"""From an assigned partition to one that can be read: its ledger, its place in the source, its delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.delivery import Delivery, Step
from streams.recovery import check_source, recover

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.clock import Clock
    from streams.connections import Connections
    from streams.outbox import Outbox
    from streams.partition import Partition
    from streams.ports import LedgerFactory, LedgerLike
    from streams.recovery import Kept
    from streams.settings import Settings


class Opened(NamedTuple):
    """What a partition goes on with."""

    ledger: LedgerLike
    delivery: Delivery
    start: int
    """The source offset to begin at."""
    read: int
    """Rows read from the changelog."""
    corrected: int
    """Rows of them that have to be written again, and are about to be."""
    kept: bool
    """Whether its ledger was kept from before, and only the changelog's tail looked at."""


class Opening:
    """Opens partitions of one worker.

    Args:
        settings: of the service.
        connections: the Kafka clients.
        consumer: the member of the group, which knows what the group has committed.
        ledgers: makes the ledger of a partition.
        sent: the outbox of outputs.
        rows: the outbox of rows.
        clock: the machine's clocks.
        holes: whether the broker's logs may have offsets that hold no record.
        overtaken: called when somebody else's rows are in a partition's changelog.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connections: Connections,
        consumer: Any,
        ledgers: LedgerFactory,
        sent: Outbox,
        rows: Outbox,
        clock: Clock,
        holes: bool,
        overtaken: Callable[[Partition, int, int], None],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._consumer = consumer
        self._ledgers = ledgers
        self._sent = sent
        self._rows = rows
        self._clock = clock
        self._holes = holes
        self._overtaken = overtaken

    async def open(self, partition: Partition, kept: Kept | None) -> Opened:
        """Recover a partition and find its place; nothing is sent yet.

        Args:
            partition: newly assigned.
            kept: its ledger, if it was clean at the last revocation.

        Raises:
            SourceJumped: the source and the state do not fit together.
            ChangelogUnreadable: the changelog holds what is no row.
        """
        number, partitions = partition.number, self._settings.partitions
        reader = await self._connections.reader()
        try:
            recovered = await recover(
                reader,
                partition.changelog,
                lambda: self._ledgers(number, partitions),
                kept,
                holes=self._holes,
            )
            start = await check_source(
                reader,
                partition.source,
                recovered.ledger.clock,
                committed=await self._consumer.committed(partition.source),
                accept_gap=self._settings.accept_gap,
                holes=self._holes,
            )
        finally:
            await reader.stop()
        delivery = Delivery(
            epoch=partition.epoch,
            changelog=partition.changelog,
            sent=self._sent,
            kept=self._rows,
            clock=self._clock,
            start=start,
            base=recovered.base,
            settled=partition.progressed,
            overtaken=lambda expected, base: self._overtaken(partition, expected, base),
        )
        for rows in recovered.corrections:
            delivery.put(Step(start, rows=rows))
        return Opened(
            recovered.ledger,
            delivery,
            start,
            read=recovered.read,
            corrected=sum(map(len, recovered.corrections)),
            kept=kept is not None and recovered.ledger is kept.ledger,
        )
