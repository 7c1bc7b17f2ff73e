"""What the worker knows at the end, read back from its changelog by the same rule as a successor's."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.memory.rows import is_erased, unseal
from models.state.columns import CUSTOMER
from models.state.row_formats import in_memory
from streams.changelog.rows import LatestRows
from streams.kafka.log.reading import read_batches

if TYPE_CHECKING:
    from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Known:
    """The state of all partitions, summed up."""

    customers: int
    baskets: int
    """Purchases that have been applied to a customer."""


async def recover(settings: Settings) -> Known:
    """Read the changelog and add up what its customers' rows hold: for every key the greatest row counts.

    Raises:
        BrokerUnreachable: No broker answers.
        ChangelogUnreadable: A row is none of Cartpulse's.
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
        if not (key.startswith(b"\0") or is_erased(row))
    ]
    return Known(len(rows), sum(map(baskets, rows)))


def baskets(row: bytes) -> int:
    """Purchases of the customer whose row this is.

    Raises:
        RowError: It is damaged.
    """
    return int(np.frombuffer(in_memory(unseal(row)), CUSTOMER, count=1)["baskets"][0])
