"""The formats in which a customer's row is stored; in memory there is one, the first.

1. The columns of a customer as they lie in memory, then the runs of cells, products and open lines.
2. The same, but the ring of recent events without its empty places: a count (one byte), the instants of the
   filled places, then their hashes. A customer with five events takes 432 bytes less.

Both hold the same, so two rows of equal offset and boundary are equal states whatever their formats. A
release reads format n + 1 before any release writes it: see `Settings.row_format`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.columns import CUSTOMER, HEADER, NO_EVENT, RING
from models.rows import RowError

PLAIN: Final = 1
SHORT_RING: Final = 2

_VERSION_BYTES: Final = HEADER["version"].itemsize
_FIELDS: Final[Any] = CUSTOMER.fields
_PLACE: Final = 8
"""Bytes of an instant, and of a hash."""
RING_AT: Final = int(_FIELDS["ring_at"][1])
"""Where the ring begins: instants, then hashes, then the runs."""
_RUNS_AT: Final = RING_AT + 2 * RING * _PLACE
_NO_EVENT: Final = np.array(NO_EVENT, "<i8").tobytes()
_NO_HASH: Final = bytes(_PLACE)


def shortened(body: bytes, events: int) -> bytes:
    """A body of format 2 from one of format 1 whose ring is in order of time, empty places first.

    Args:
        body: Of format 1, header included.
        events: Filled places of the ring.
    """
    ring = events * _PLACE
    hashes = RING_AT + RING * _PLACE
    return b"".join(
        (
            SHORT_RING.to_bytes(_VERSION_BYTES, "little"),
            body[_VERSION_BYTES:RING_AT],
            events.to_bytes(1, "little"),
            body[hashes - ring : hashes],
            body[_RUNS_AT - ring :],
        )
    )


def plain(body: bytes) -> bytes:
    """A body of format 1 from one of any format that this release reads.

    Raises:
        RowError: It is cut off, or its ring is longer than a ring can be.
    """
    if len(body) < HEADER.itemsize:
        raise RowError(f"a customer's row of {len(body)} bytes is cut off")
    version = int.from_bytes(body[:_VERSION_BYTES], "little")
    if version == PLAIN:
        return body
    if version != SHORT_RING:
        raise RowError(f"there is no row of format {version}")
    events = body[RING_AT] if len(body) > RING_AT else RING + 1
    first = RING_AT + 1
    ring = events * _PLACE
    if events > RING or len(body) < first + 2 * ring:
        raise RowError(f"a customer's row of {len(body)} bytes holds no ring of {events} events")
    empty = RING - events
    return b"".join(
        (
            PLAIN.to_bytes(_VERSION_BYTES, "little"),
            body[_VERSION_BYTES:RING_AT],
            _NO_EVENT * empty,
            body[first : first + ring],
            _NO_HASH * empty,
            body[first + ring :],
        )
    )
