"""State of the workers at the end, read back from the changelog by the same rule as in a recovery."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.memory.rows import customer_of, is_erased, is_habits
from models.state.customer_rows import head_of
from streams.changelog.framing import LatestRows
from streams.kafka.log.reading import read_batches

if TYPE_CHECKING:
    from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Known:
    """State of all partitions, summed up."""

    customers: int
    baskets: int
    """Purchases that have been applied to a customer."""


async def recover(settings: Settings) -> Known:
    """Read the changelog and add up its customers' rows. The greatest row of every key counts.

    Raises:
        BrokerUnreachableError: No broker answers.
        ChangelogUnreadableError: A row was not written by Cartpulse.
        RowError: A row is damaged.
    """
    greatest = [LatestRows() for _ in range(settings.partitions)]
    async with aclosing(read_batches(settings, settings.changelog_topic)) as batches:
        async for place, records in batches:
            greatest[place.partition].take(records)
    rows = [
        row
        for found in greatest
        for key, row in found.rows.items()
        if not (customer_of(key) is None or is_habits(key) or is_erased(row))
    ]
    return Known(len(rows), sum(map(baskets, rows)))


def baskets(row: bytes) -> int:
    """Return the number of purchases in a customer's day.

    Raises:
        RowError: The row is damaged.
    """
    return int(head_of(row)["baskets"])
