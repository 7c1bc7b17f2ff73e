"""The catalogue: what the shop says of its products, in the order of the log.

It is optional. What it says is what a product is called and whether it can be had, never what was bought: a
purchase's own category counts. A category is gone while it lists products of it and none can be had.
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
"""Listed at most; without names they take 384 KB."""
MOST_NAME_BYTES = 640 * 1024
"""Of all names: 10 a product, or 20 of 32,000."""
_SHARD = 128
"""Products of one shard: with the longest names it stays below 256 KB."""
STATUSES: tuple[str, ...] = get_args(Status)
_AVAILABLE = STATUSES.index("available")
_ENTRY = struct.Struct("<BBHH")
"""Place in the shard, status, number of the category, bytes of the name that follows."""


class Entry(NamedTuple):
    """What is known of a product."""

    category: int
    """Number in the dictionary of categories; 0 where that was full."""
    status: int
    """Index into the statuses of the contract."""
    name: bytes
    """UTF-8; empty for none."""


class Catalogue:
    """Products by their number in the dictionary of products; it never changes, `updated` gives another.

    Args:
        entries: What is known, by product number.
        offsets: Of each shard that holds an entry, the source offset of the record that changed it last.
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
        # One place more than is known stands for all that the catalogue does not name.
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
        """Which products (numbers) cannot be had; of those not listed nothing is known, and they can."""
        lacking: NDArray[np.bool_] = self._lacking[np.minimum(products, len(self._lacking) - 1)]
        return lacking

    def lacks_all_of(self, categories: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which categories (numbers) are gone."""
        gone: NDArray[np.bool_] = self._gone[np.minimum(categories, len(self._gone) - 1)]
        return gone

    def name(self, product: int) -> str | None:
        """What people call a product (number), if the catalogue says so."""
        entry = self._entries.get(product)
        return entry.name.decode() if entry is not None and entry.name else None

    def updated(self, entries: Iterable[tuple[int, Entry]], offset: int) -> tuple[Catalogue, int]:
        """The catalogue after a record, and how many of its entries found no room, or none for their names.

        Args:
            entries: Product numbers and what the record says of them; the last word counts.
            offset: Source offset of the record.
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
        """Shards that a record changed since."""
        if self is before:
            return []
        return [shard for shard, offset in self.offsets.items() if before.offsets.get(shard) != offset]

    def encode(self, shard: int) -> bytes:
        """A shard as the payload of a row."""
        first = shard * _SHARD
        parts = []
        for place in range(_SHARD):
            entry = self._entries.get(first + place)
            if entry is not None:
                parts.append(_ENTRY.pack(place, entry.status, entry.category, len(entry.name)) + entry.name)
        return b"".join(parts)

    @classmethod
    def decode(cls, shards: Mapping[int, tuple[int, bytes]]) -> Catalogue:
        """A catalogue from its shards' offsets and payloads.

        Raises:
            ValueError: A shard is cut off, or holds what no catalogue does.
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
