"""A run of decoded purchase records of one partition, in columns."""

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
"""`appended_at` of a record whose timestamp is none: -1, or outside of the years 2000 to 2100."""


class Kind(IntEnum):
    """What a record is to the ledger."""

    REFUSED = 0
    """Undecodable, or isolated after it made a model raise: only its offset counts."""
    PURCHASE = 1
    RETURN = 2
    TICK = 3
    LIVE = 4
    ERASE = 5
    CATALOGUE = 6


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Columns over n records and their m lines, ordered by source offset.

    Every offset of the run that held a record is here, refused ones too, so that the last offset says how
    far the source has been accounted for. Only purchases, returns and erasures have a customer (others have
    empty bytes), only purchases and returns have lines.
    """

    offsets: NDArray[np.int64]
    """(n,) source offsets, ascending."""
    digests: NDArray[np.uint64]
    """(n,) 64-bit BLAKE2b of the raw value: recognises the record at an offset after a restart."""
    appended_at: NDArray[np.int64]
    """(n,) record timestamps, ms since 1970 UTC, or `UNKNOWN_TIME`: the broker's append time, or where the
    topic keeps it the producer's."""
    kinds: NDArray[np.uint8]
    """(n,) `Kind`."""
    occurred_at: NDArray[np.int64]
    """(n,) event time, ms since 1970 UTC; 0 for refused records."""
    event_ids: list[str]
    """n event ids; empty for refused records."""
    event_hashes: NDArray[np.uint64]
    """(n,) 64-bit BLAKE2b of the UTF-8 event id."""
    content_hashes: NDArray[np.uint32]
    """(n,) 32-bit hash of what a purchase or return says, its time among it; 0 for all other records.

    Of two events with one id and time it tells the same one, sent again in whatever JSON, from an edited one.
    """
    customers: list[bytes]
    """n customer ids, raw UTF-8."""
    line_starts: NDArray[np.int64]
    """(n + 1,) lines of record i are `line_starts[i]:line_starts[i + 1]`."""
    products: list[str]
    """m product ids."""
    categories: list[str]
    """m categories."""
    quantities: NDArray[np.int64]
    """(m,) 1/1,000 of a unit; negative for a returned line."""
    spends: NDArray[np.int64]
    """(m,) 1/10,000 of the currency: quantity x unit_price - discount, rounded half to even."""
    listings: list[Sequence[Listing]]
    """n times what a catalogue says of products; nothing for all other records."""

    def __len__(self) -> int:
        return len(self.event_ids)

    def slice(self, start: int, stop: int) -> Records:
        """Records `start:stop`, as views where columns are arrays."""
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
            line_starts=self.line_starts[start : stop + 1] - first,
            products=self.products[first:last],
            categories=self.categories[first:last],
            quantities=self.quantities[first:last],
            spends=self.spends[first:last],
            listings=self.listings[start:stop],
        )

    def refuse(self, index: int) -> Records:
        """The single record at `index`, made one whose offset alone counts."""
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
            line_starts=np.zeros(2, np.int64),
            products=[],
            categories=[],
            quantities=np.zeros(0, np.int64),
            spends=np.zeros(0, np.int64),
            listings=[()],
        )
