"""Opening of an assigned partition: recovers its ledger, finds its source offset, and makes its delivery."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from models.ledger.intake import LedgerConflictError
from models.memory.rows import LaterFormatError, RowError
from streams.changelog.recovery import check_source, recover
from streams.delivery.at_least_once import InOrder
from streams.delivery.exactly_once import InTransactions
from streams.delivery.queue import DeliveryStep
from streams.errors import ChangelogLostError, ChangelogUnreadableError, NewerRowsError
from streams.kafka.closing import close

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.changelog.checkpoints import Checkpoints
    from streams.changelog.recovery import PositionedLedger, Recovered
    from streams.changelog.standby import Standbys
    from streams.clock import Clock
    from streams.delivery.outbox import Outbox
    from streams.delivery.queue import Delivery
    from streams.flow import Flow, LedgerLike
    from streams.kafka.clients import Connections
    from streams.kafka.closing import BackgroundCloses
    from streams.kafka.retry import RetryPolicy
    from streams.metrics import Counts
    from streams.partition.partition import Partition
    from streams.settings.settings import Settings


log = logging.getLogger(__name__)


FORGOTTEN = (
    "{changelog} is empty, and this worker has written to it. If the broker keeps all in memory, as the "
    "embedded one does, and was restarted, it has forgotten everything: start the worker again, and send the "
    "purchases again. If the topic was deleted or made anew, bring it back; or `cartpulse reset` makes the "
    "state anew from the log."
)
"""Message for a worker whose changelog became empty while the worker ran. A newly started worker cannot tell
such a broker from a fresh one."""


class Opened(NamedTuple):
    """Result of opening a partition."""

    ledger: LedgerLike
    delivery: Delivery
    start: int
    """Source offset to begin at."""
    read: int
    """Number of rows read from the changelog."""
    corrected: int
    """Number of those rows that are about to be written again."""
    origin: str
    """Name of the saved ledger that made reading the whole changelog unnecessary; empty if there was none."""

    def note(self, number: int, fingerprint: int, counts: Counts) -> None:
        """Log and count how the partition continues.

        Args:
            number: Number of the partition.
            fingerprint: Fingerprint of the worker's ledger settings.
            counts: Counters of the worker.
        """
        counts.recoveries += 1
        counts.rows_recovered += self.read
        counts.rows_corrected += self.corrected
        log.info(
            "Partition %d goes on at offset %d after %d rows%s",
            number,
            self.start,
            self.read,
            f" of the changelog's tail, on top of {self.origin}" if self.origin else "",
        )
        if self.start and self.ledger.clock.fingerprint != fingerprint:
            log.warning(
                "Partition %d was made with other settings of the ledger; those of this worker are adopted "
                "at the next boundary",
                number,
            )


class PartitionOpener:
    """Opener of one worker's partitions.

    Args:
        flow: Flow whose partitions are opened.
        settings: Service settings.
        connections: Maker of Kafka clients.
        consumer: Group member's consumer, which returns the group's committed offsets.
        sent: Outbox of outputs.
        rows: Outbox of rows.
        clock: Clocks of the machine.
        closing: Background closer for producers whose epoch is over.
        retry: Policy for how long a broker may be away.
        holes: True if the broker's logs may have offsets that hold no record.
        exactly_once: True if deliveries are transactions.
        reopen: Callback with a partition and the reason for which its changelog must be read again.
        fail: Callback with the reason for which the worker cannot go on.
        checkpoints: Checkpoints on the worker's disk.
        standbys: Standby copies of partitions that the worker did not own.
    """

    def __init__(
        self,
        flow: Flow,
        *,
        settings: Settings,
        connections: Connections,
        consumer: Any,
        sent: Outbox,
        rows: Outbox,
        clock: Clock,
        closing: BackgroundCloses,
        retry: RetryPolicy,
        holes: bool,
        exactly_once: bool,
        reopen: Callable[[Partition, str], None],
        fail: Callable[[Exception], None],
        checkpoints: Checkpoints,
        standbys: Standbys,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._consumer = consumer
        self._flow = flow
        self._sent = sent
        self._rows = rows
        self._clock = clock
        self._retry = retry
        self._holes = holes
        self._closing = closing
        self._exactly_once = exactly_once
        self._reopen = reopen
        self._fail = fail
        self._checkpoints = checkpoints
        self._standbys = standbys

    async def open(self, partition: Partition, kept: PositionedLedger | None) -> Opened:
        """Recover a partition and find its source offset. Nothing is sent yet.

        If the broker goes away meanwhile, the opening is retried from its beginning: nothing was changed.

        Args:
            partition: Newly assigned partition.
            kept: Ledger of the partition, if it was clean at the last revocation.

        Raises:
            SourceJumpedError: The source and the state do not fit together.
            ChangelogLostError: The changelog is empty, although this worker has written to it.
            ChangelogUnreadableError: The changelog holds something other than a row.
            BrokerUnreachableError: The broker was away for too long.
        """
        return await self._retry.call(
            lambda: self._attempt(partition, kept),
            f"Opening partition {partition.number}",
            over=lambda: partition.epoch.over,
        )

    async def _attempt(self, partition: Partition, kept: PositionedLedger | None) -> Opened:
        producer = await self._connections.transactional(partition.number) if self._exactly_once else None
        try:
            recovered, start = await self._recover(partition, kept)
        except BaseException:
            if producer is not None:
                self._closing.begin(close(producer))
            raise
        delivery = self._delivery(partition, producer, recovered, start=start)
        for rows in recovered.corrections:
            delivery.put(DeliveryStep(start, rows=rows))
        return Opened(
            recovered.ledger,
            delivery,
            start,
            read=recovered.read,
            corrected=sum(map(len, recovered.corrections)),
            origin=recovered.origin,
        )

    async def _recover(self, partition: Partition, kept: PositionedLedger | None) -> tuple[Recovered, int]:
        number, partitions = partition.number, self._flow.partitions
        warm = await self._standbys.give(number)
        # The group's commit must be read before the changelog. Another owner may continue meanwhile, and a
        # later commit would refer to rows that this read of the changelog does not see.
        committed = await self._committed(partition)
        reader = self._retry.reader(
            await self._connections.reader(), f"Reading {partition.changelog.topic}[{number}]"
        )
        try:
            recovered = await recover(
                reader,
                partition.changelog,
                lambda: self._flow.ledgers(number, partitions),
                kept or warm,
                stored=lambda: self._checkpoints.load(number, lambda: self._flow.ledgers(number, partitions)),
                holes=self._holes,
            )
            if kept is not None and kept.witness is not None and not (recovered.read or recovered.origin):
                raise ChangelogLostError(FORGOTTEN.format(changelog=f"{partition.changelog.topic}[{number}]"))
            start = await check_source(
                reader,
                partition.source,
                recovered.ledger.clock,
                committed=committed,
                accept_gap=self._settings.accept_gap,
                holes=self._holes,
            )
        except (RowError, LedgerConflictError) as error:
            raise _told(error, f"{partition.changelog.topic}[{number}]") from error
        finally:
            await close(reader)
        return recovered, start

    def _delivery(self, partition: Partition, producer: Any, recovered: Recovered, *, start: int) -> Delivery:
        options: dict[str, Any] = {
            "epoch": partition.epoch,
            "changelog": partition.changelog,
            "clock": self._clock,
            "start": start,
            "base": recovered.base,
            "witness": recovered.witness,
            "settled": partition.progressed,
            "overtaken": lambda expected, landed: self._landed_elsewhere(partition, expected, landed),
        }
        if producer is None:
            return InOrder(sent=self._sent, kept=self._rows, **options)
        return InTransactions(
            producer=producer,
            source=partition.source,
            group=self._flow.group,
            deadline=self._settings.send_deadline_seconds,
            gone=lambda why: self._reopen(partition, why),
            **options,
        )

    def _landed_elsewhere(self, partition: Partition, expected: int, landed: int) -> None:
        """Handle rows that landed at another offset than expected.

        A higher offset means that another worker's rows lie in between. A lower offset means that the log is
        not the same any more.
        """
        if landed < expected:
            self._fail(
                ChangelogLostError(
                    f"{partition.changelog.topic}[{partition.number}]: rows landed at offset {landed} "
                    f"instead of {expected}, so the changelog was deleted, made anew or cut while this "
                    "worker ran. `cartpulse reset` makes the state anew from the log; or bring the changelog "
                    "back."
                )
            )
            return
        self._reopen(
            partition,
            f"rows landed at offset {landed} of the changelog instead of {expected}, so another worker wrote "
            "in between",
        )

    async def _committed(self, partition: Partition) -> int | None:
        async with asyncio.timeout(self._retry.patience):  # aiokafka would ask for a coordinator without end
            committed: int | None = await self._consumer.committed(partition.source)
        return committed


def _told(error: RowError | LedgerConflictError, changelog: str) -> Exception:
    """Return the error with the name of the changelog that does not load."""
    if isinstance(error, LaterFormatError):
        return NewerRowsError(
            f"{changelog} holds {error}. Start that release: this worker has written nothing."
        )
    kind = LedgerConflictError if isinstance(error, LedgerConflictError) else ChangelogUnreadableError
    return kind(f"{changelog}: {error}")
