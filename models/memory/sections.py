"""Sections of a customer's row: each a kind, a count, the size of one item, and the items.

Sections follow the row's header in ascending order of kind. A reader passes over a kind that it does not
know, keeps the section's bytes, and writes them back with its own: a release can add a section without making
the rows unreadable for the release before.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.memory.rows import CHECKSUM_BYTES, HEADER, RowError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from numpy.typing import NDArray

SECTION: Final = np.dtype([("kind", "u1"), ("count", "<u2"), ("size", "<u2")])
"""Heading of a section: its kind, the count of its items, and the bytes of one item."""
_HEADING = struct.Struct("<BHH")


def headings(kind: int, size: int, longest: int) -> list[bytes]:
    r"""Return the heading for each count of items, 0 to `longest`. A section without items is not written.

    >>> headings(2, 20, 1)
    [b'', b'\x02\x01\x00\x14\x00']
    """
    return [b"", *(_HEADING.pack(kind, count, size) for count in range(1, longest + 1))]


class Items(NamedTuple):
    """Items of one kind in a batch of n rows."""

    counts: NDArray[np.int64]
    """(n,) items of each row; 0 where the section is missing."""
    data: bytes
    """All items, row by row."""

    def split(self, size: int) -> list[bytes]:
        """Return the items of each row.

        Args:
            size: Bytes of one item.
        """
        ends = (np.cumsum(self.counts) * size).tolist()
        return [self.data[first:end] for first, end in pairwise([0, *ends])]

    @classmethod
    def join(cls, parts: Sequence[bytes], size: int) -> Items:
        """Put the items of several rows together, as `split` took them apart."""
        return cls(np.array([len(part) // size for part in parts], np.int64), b"".join(parts))


class Sections:
    r"""Sections of a batch of rows, found for all rows at once.

    Args:
        rows: n checked rows, each with its header and its checksum.

    Raises:
        RowError: A section reaches beyond its row, or kinds do not ascend.

    >>> body = bytes(HEADER.itemsize) + b"\x02\x03\x00\x01\x00abc" + b"\x63\x01\x00\x02\x00??"
    >>> found = Sections([body + bytes(4)])
    >>> found.items(2, size=1, longest=9)
    Items(counts=array([3]), data=b'abc')
    >>> found.later({2}, last=2)
    {0: b'c\x01\x00\x02\x00??'}
    """

    def __init__(self, rows: Sequence[bytes]) -> None:
        # Stage 1: all (b,) bytes in one piece, and the (n,) ends of the rows' sections in it.
        self._rows = len(rows)
        self._joined = b"".join(rows)
        data = np.frombuffer(self._joined, np.uint8)
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        starts = np.cumsum(sizes) - sizes
        ends = starts + sizes - CHECKSUM_BYTES
        # Stage 2: read the next heading of all (m,) rows that have one. There are as many turns as sections
        # in one row.
        at, last = starts + HEADER.itemsize, np.full(len(rows), -1)
        going = np.flatnonzero(at < ends)
        found: list[tuple[NDArray[np.int64], ...]] = []
        while len(going):
            heading = at[going]
            if (heading + SECTION.itemsize > ends[going]).any():
                raise RowError("a customer's row ends within the heading of a section")
            read = data[heading[:, None] + np.arange(SECTION.itemsize)].view(SECTION)[:, 0]
            kind, count = read["kind"].astype(np.int64), read["count"].astype(np.int64)
            first = heading + SECTION.itemsize
            following = first + count * read["size"]
            if (kind <= last[going]).any() or (following > ends[going]).any():
                raise RowError("a customer's row holds sections out of order, or is cut off within one")
            found.append((going, kind, first, following, count, read["size"].astype(np.int64)))
            last[going], at[going] = kind, following
            going = going[following < ends[going]]
        # Stage 3: (s,) sections of all rows, turn by turn.
        columns = zip(*found, strict=True) if found else [(np.zeros(0, np.int64),)] * 6
        self._row, self._kind, self._first, self._end, self._count, self._size = map(np.concatenate, columns)

    def items(self, kind: int, *, size: int, longest: int) -> Items:
        """Return the items of a kind.

        Args:
            kind: Kind of section.
            size: Bytes that an item must have.
            longest: Most items that a row may hold.

        Raises:
            RowError: A section has items of another size, or too many.
        """
        here = np.flatnonzero(self._kind == kind)
        here = here[np.argsort(self._row[here])]
        if (self._size[here] != size).any() or (self._count[here] > longest).any():
            raise RowError(
                f"a customer's row holds a section {kind} of other items than {longest} of {size} bytes"
            )
        counts = np.zeros(self._rows, np.int64)
        counts[self._row[here]] = self._count[here]
        joined = self._joined
        places = zip(self._first[here].tolist(), self._end[here].tolist(), strict=True)
        return Items(counts, b"".join([joined[first:end] for first, end in places]))

    def later(self, expected: Container[int], *, last: int) -> dict[int, bytes]:
        """Return the sections of a later release, by row: whole, with their headings, in order of kind.

        Args:
            expected: Kinds that these rows may hold.
            last: Last kind that this release knows.

        Raises:
            RowError: A row holds a known kind that belongs into another row.
        """
        kept: dict[int, bytes] = {}
        strange = [kind for kind in np.unique(self._kind).tolist() if kind not in expected]
        if any(kind <= last for kind in strange):
            raise RowError(f"a customer's row holds sections {strange}, which are another row's")
        if strange:
            for place in np.flatnonzero(self._kind > last).tolist():
                row, first = int(self._row[place]), int(self._first[place]) - SECTION.itemsize
                kept[row] = kept.get(row, b"") + self._joined[first : int(self._end[place])]
        return kept
