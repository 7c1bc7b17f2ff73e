"""Catalogue: names and availability of the shop's products, in the order of the log.

The catalogue is optional. The catalogue affects recommendations, never the record of purchases: a purchase's
own category counts. A category is gone if the catalogue lists products of the category and none of them is
available.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from models.contracts.purchases import Status
from models.memory.dictionary import UNTRACKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


MOST_PRODUCTS = 1 << 16
"""Largest count of products in the catalogue. Without names they take 384 KB."""
MOST_NAME_BYTES = 640 * 1024
"""Largest sum of the bytes of all names: 10 per product, or 20 for each of 32,000 products."""
_SHARD = 128
"""Products of one shard. With the longest names a shard stays below 256 KB."""
STATUSES: tuple[str, ...] = get_args(Status)
_AVAILABLE = STATUSES.index("available")
_ENTRY = struct.Struct("<BBHH")
"""Entry of a shard: place in the shard, status, category number, and bytes of the name that follows."""


class Entry(NamedTuple):
    """Listing of one product."""

    category: int
    """Number in the dictionary of categories; 0 if the dictionary was full."""
    status: int
    """Index into the statuses of the contract."""
    name: bytes
    """Name in UTF-8; empty for a product without a name."""


class Catalogue:
    """Immutable catalogue of products by their number in the dictionary of products.

    `updated` returns a new catalogue.

    Args:
        entries: Listings by product number.
        offsets: Per shard that holds an entry: source offset of the record that last changed the shard.
    """

    def __init__(
        self, entries: Mapping[int, Entry] | None = None, offsets: Mapping[int, int] | None = None
    ) -> None:
        self._entries = dict(entries or {})
        self.offsets = dict(offsets or {})
        self._name_bytes = sum(len(entry.name) for entry in self._entries.values())
        products = np.fromiter(self._entries, np.int64, len(self._entries))
        columns = [(entry.category, entry.status) for entry in self._entries.values()]
        categories, statuses = np.array(columns, np.int64).reshape(-1, 2).T
        # The last place stands for all products and categories that the catalogue does not list.
        self._lacking = np.zeros(int(products.max(initial=0)) + 2, bool)
        self._lacking[products] = statuses != _AVAILABLE
        listed = np.zeros(int(categories.max(initial=0)) + 2, bool)
        sold = np.zeros_like(listed)
        listed[categories], sold[categories[statuses == _AVAILABLE]] = True, True
        self._gone = listed & ~sold
        self._gone[UNTRACKED] = False

    def __len__(self) -> int:
        return len(self._entries)

    def lacks(self, products: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return True for products (numbers) that are unavailable. Products not listed count as available."""
        lacking: NDArray[np.bool_] = self._lacking[np.minimum(products, len(self._lacking) - 1)]
        return lacking

    def lacks_all_of(self, categories: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return True for categories (numbers) that are gone."""
        gone: NDArray[np.bool_] = self._gone[np.minimum(categories, len(self._gone) - 1)]
        return gone

    def name(self, product: int) -> str | None:
        """Return the name of a product (number); None without a name in the catalogue."""
        entry = self._entries.get(product)
        return entry.name.decode() if entry is not None and entry.name else None

    def updated(self, entries: Iterable[tuple[int, Entry]], offset: int) -> tuple[Catalogue, int]:
        """Return the catalogue after a record.

        Args:
            entries: Product numbers and their listings in the record. Of one product, the last listing
                counts.
            offset: Source offset of the record.

        Returns:
            The new catalogue, and the count of listings that found no room for themselves or for their names.
        """
        known, offsets, named, left_out = dict(self._entries), dict(self.offsets), self._name_bytes, 0
        for product, entry in entries:
            before = known.get(product)
            if product == UNTRACKED or (before is None and len(known) >= MOST_PRODUCTS):
                left_out += 1
                continue
            named -= 0 if before is None else len(before.name)
            kept = entry
            if named + len(entry.name) > MOST_NAME_BYTES:
                left_out += 1
                kept = entry._replace(name=b"")
            named += len(kept.name)
            known[product] = kept
            offsets[product // _SHARD] = offset
        return Catalogue(known, offsets), left_out

    def changed_since(self, before: Catalogue) -> list[int]:
        """Return the shards that changed since an earlier catalogue."""
        if self is before:
            return []
        return [shard for shard, offset in self.offsets.items() if before.offsets.get(shard) != offset]

    def encode(self, shard: int) -> bytes:
        """Encode a shard as the payload of a row."""
        first = shard * _SHARD
        parts = []
        for place in range(_SHARD):
            entry = self._entries.get(first + place)
            if entry is not None:
                parts.append(_ENTRY.pack(place, entry.status, entry.category, len(entry.name)) + entry.name)
        return b"".join(parts)

    @classmethod
    def decode(cls, shards: Mapping[int, tuple[int, bytes]]) -> Catalogue:
        """Decode a catalogue from the offsets and payloads of its shards.

        Raises:
            ValueError: A shard is cut off, or holds an impossible entry.
        """
        entries: dict[int, Entry] = {}
        for shard, (_, payload) in shards.items():
            at = 0
            while at < len(payload):
                if at + _ENTRY.size > len(payload):
                    raise ValueError("a shard of the catalogue ends inside an entry")
                place, status, category, length = _ENTRY.unpack_from(payload, at)
                at += _ENTRY.size + length
                name = payload[at - length : at]
                if len(name) != length or status >= len(STATUSES) or place >= _SHARD:
                    raise ValueError("a shard of the catalogue holds an entry that is none")
                name.decode()
                entries[shard * _SHARD + place] = Entry(category, status, name)
        return cls(entries, {shard: offset for shard, (offset, _) in shards.items()})
