"""What the worker knows at the end, read back from its changelog as a successor would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cartpulse.reading import read_all
from models.ledger import Ledger
from streams.changelog import Greatest

if TYPE_CHECKING:
    from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Known:
    """The state of all partitions, summed up."""

    customers: int
    baskets: int
    """Purchases that have been applied to a customer."""


async def recover(settings: Settings) -> Known:
    """Load the changelog into ledgers and add up what they know of their customers.

    Raises:
        BrokerUnreachable: No broker answers.
    """
    greatest = [Greatest() for _ in range(settings.partitions)]
    async for record in read_all(settings, settings.changelog_topic):
        greatest[record.partition].take([record])
    customers = baskets = 0
    for partition, found in enumerate(greatest):
        ledger = Ledger(settings.ledger, partition=partition, partitions=settings.partitions)
        ledger.load(found.rows.items())
        for key in found.rows:
            if not key.startswith(b"\0") and (known := ledger.describe(key)) is not None:
                customers += 1
                baskets += int(str(known["baskets"]))
    return Known(customers, baskets)
