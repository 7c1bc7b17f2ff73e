"""Columns of a run of decoded records of one partition."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.contracts.purchases import Listing

UNKNOWN_TIME = -1
"""`appended_at` of a record without a usable timestamp: -1, or a timestamp outside the years 2000 to 2100."""


class Kind(IntEnum):
    """Kind of a record, which decides how the ledger applies it."""

    REFUSED = 0
    """Record of which only the offset counts: undecodable, or isolated after it made a model raise."""
    PURCHASE = 1
    RETURN = 2
    TICK = 3
    LIVE = 4
    ERASE = 5
    CATALOGUE = 6


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Columns over n records and their m lines, ordered by source offset.

    Every record of the run is included, refused ones too, so that the last offset shows how far the source is
    accounted for. Only purchases, returns and erasures have a customer; other records have empty bytes. Only
    purchases and returns have lines.
    """

    offsets: NDArray[np.int64]
    """(n,) source offsets, ascending."""
    digests: NDArray[np.uint64]
    """(n,) 64-bit BLAKE2b of the raw value, which identifies the record at an offset after a restart."""
    appended_at: NDArray[np.int64]
    """(n,) record timestamps, ms since 1970 UTC, or `UNKNOWN_TIME`. The timestamp is the broker's append
    time, or the producer's if the topic keeps that."""
    kinds: NDArray[np.uint8]
    """(n,) `Kind` of each record."""
    occurred_at: NDArray[np.int64]
    """(n,) event time, ms since 1970 UTC; 0 for refused records."""
    event_ids: list[str]
    """n event ids; empty for refused records."""
    event_hashes: NDArray[np.uint64]
    """(n,) 64-bit BLAKE2b of the UTF-8 event id."""
    content_hashes: NDArray[np.uint32]
    """(n,) 32-bit hash of the content of a purchase or return, its time included; 0 for all other records.

    Two events with one id and time have equal hashes if they have equal content, whatever their JSON.
    Different hashes reveal an edited event.
    """
    customers: list[bytes]
    """n customer ids, raw UTF-8."""
    stores: list[str]
    """n store ids; empty for records that name no store."""
    channels: list[str]
    """n sales channels; empty for records that name no channel."""
    line_starts: NDArray[np.int64]
    """(n + 1,) lines of record i are `line_starts[i]:line_starts[i + 1]`."""
    products: list[str]
    """m product ids."""
    categories: list[str]
    """m categories."""
    quantities: NDArray[np.int64]
    """(m,) quantities in 1/1,000 of a unit; negative for a returned line."""
    spends: NDArray[np.int64]
    """(m,) spend in 1/10,000 of the currency: quantity x unit_price - discount, rounded half to even."""
    discounts: NDArray[np.int64]
    """(m,) discounts that the spend is after, 1/10,000 of the currency."""
    listings: list[Sequence[Listing]]
    """n lists of product listings, empty for all records but catalogue updates."""

    def __len__(self) -> int:
        return len(self.event_ids)

    def slice(self, start: int, stop: int) -> Records:
        """Return records `start:stop`. Array columns are views."""
        first, last = int(self.line_starts[start]), int(self.line_starts[stop])
        return Records(
            offsets=self.offsets[start:stop],
            digests=self.digests[start:stop],
            appended_at=self.appended_at[start:stop],
            kinds=self.kinds[start:stop],
            occurred_at=self.occurred_at[start:stop],
            event_ids=self.event_ids[start:stop],
            event_hashes=self.event_hashes[start:stop],
            content_hashes=self.content_hashes[start:stop],
            customers=self.customers[start:stop],
            stores=self.stores[start:stop],
            channels=self.channels[start:stop],
            line_starts=self.line_starts[start : stop + 1] - first,
            products=self.products[first:last],
            categories=self.categories[first:last],
            quantities=self.quantities[first:last],
            spends=self.spends[first:last],
            discounts=self.discounts[first:last],
            listings=self.listings[start:stop],
        )

    def refuse(self, index: int) -> Records:
        """Return the single record at `index` as a refused record, of which only the offset counts."""
        return Records(
            offsets=self.offsets[index : index + 1],
            digests=self.digests[index : index + 1],
            appended_at=self.appended_at[index : index + 1],
            kinds=np.array([Kind.REFUSED], np.uint8),
            occurred_at=np.zeros(1, np.int64),
            event_ids=[""],
            event_hashes=np.zeros(1, np.uint64),
            content_hashes=np.zeros(1, np.uint32),
            customers=[b""],
            stores=[""],
            channels=[""],
            line_starts=np.zeros(2, np.int64),
            products=[],
            categories=[],
            quantities=np.zeros(0, np.int64),
            spends=np.zeros(0, np.int64),
            discounts=np.zeros(0, np.int64),
            listings=[()],
        )
