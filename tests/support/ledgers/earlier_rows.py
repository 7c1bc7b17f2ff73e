"""Rows as the release before wrote them, made from today's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.memory.rows import (
    ACTIVITY_KEY,
    CHECKSUM_BYTES,
    CLUSTERS_KEY,
    HEADER,
    WATCHES_KEY,
    customer_of,
    is_erased,
    seal,
    unseal,
)
from models.memory.sections import SECTION
from models.state.columns import HABIT_BYTES, HEAD
from models.state.customer_rows import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EARLIER_VERSION: Final = 6
_LATER: Final = {
    *("open_spend", "open_discount", "open_items", "decayed_sums"),
    *("cluster", "cluster_since", "landmark_day", "landmark"),
}
"""Fields of the head that the release before did not know."""
_EARLIER_CELL: Final = 28
"""Bytes of a cell, whose sums of drift are the last two of today's."""
EARLIER_HEAD: Final = np.dtype([(name, HEAD[name]) for name in HEAD.names or () if name not in _LATER])


def earlier_rows(rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Rewrite a whole changelog into format 6, without what it did not know."""
    earlier = {}
    for key, row in rows.items():
        if key in {CLUSTERS_KEY, ACTIVITY_KEY, WATCHES_KEY}:
            continue
        body = unseal(row)
        if customer_of(key) is not None and not is_erased(row):
            body = body[: HEADER.itemsize] + _rewritten(row)
        earlier[key] = seal(EARLIER_VERSION.to_bytes(2, "little") + body[2:])
    return earlier


def sections_of(row: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Walk through the sections of a customer's row: kind, heading and items of each."""
    at, end = HEADER.itemsize, len(row) - CHECKSUM_BYTES
    while at < end:
        heading = np.frombuffer(row, SECTION, 1, at)[0]
        first = at + SECTION.itemsize
        following = first + int(heading["count"]) * int(heading["size"])
        yield int(heading["kind"]), row[at:first], row[first:following]
        at = following


def _rewritten(row: bytes) -> bytes:
    """The sections of a row, with those that have changed as they were."""
    pieces = []
    for kind, heading, items in sections_of(row):
        if kind == Section.CELLS:
            cells = np.frombuffer(items, np.uint8).reshape(-1, HABIT_BYTES)[:, :_EARLIER_CELL]
            made = np.array([(kind, len(cells), _EARLIER_CELL)], SECTION)
            pieces += [made.tobytes(), cells.tobytes()]
        elif kind == Section.HEAD:
            head, earlier = np.frombuffer(items, HEAD), np.zeros(1, EARLIER_HEAD)
            for name in EARLIER_HEAD.names or ():
                earlier[name] = head[name]
            made = np.array([(kind, 1, EARLIER_HEAD.itemsize)], SECTION)
            pieces += [made.tobytes(), earlier.tobytes()]
        elif kind <= Section.OUTCOMES:
            pieces += [heading, items]
    return b"".join(pieces)
