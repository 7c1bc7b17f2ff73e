"""Stored format of a customer's row: its columns without the empty places of the ring.

In memory a ring of recent events has `RING` places, empty places first. The stored row holds a count (one
byte), then the instants, the hashes of the ids and the hashes of the contents of the filled places. A
customer with five events takes 539 bytes less.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.memory.rows import RowError
from models.state.columns import CUSTOMER, NO_EVENT, RING

_COLUMNS: Final = ("ring_at", "ring_hash", "ring_content")
"""Columns of the ring in stored order, which are the last columns of `CUSTOMER`."""
_FIELDS: Final[Any] = CUSTOMER.fields
_PLACES: Final = tuple(_FIELDS[name][0].base.itemsize for name in _COLUMNS)
"""Bytes of a place in each column."""
_STARTS: Final = tuple(int(_FIELDS[name][1]) for name in _COLUMNS)
RING_AT: Final = _STARTS[0]
"""Offset of the ring. The runs follow behind it."""
_RUNS_AT: Final = CUSTOMER.itemsize
_EMPTY: Final = (np.array(NO_EVENT, "<i8").tobytes(), *(bytes(size) for size in _PLACES[1:]))
"""Bytes of an empty place in each column."""


def shortened(body: bytes, events: int) -> bytes:
    """Convert columns in memory to a stored body. The ring must be in order of time, empty places first.

    Args:
        body: Columns and, optionally, the runs behind them.
        events: Count of the ring's filled places.
    """
    columns = [
        body[start + (RING - events) * size : start + RING * size]
        for start, size in zip(_STARTS, _PLACES, strict=True)
    ]
    return b"".join((body[:RING_AT], events.to_bytes(1, "little"), *columns, body[_RUNS_AT:]))


def in_memory(body: bytes) -> bytes:
    """Convert a stored body to the columns in memory, followed by the runs.

    Raises:
        RowError: The body is cut off, or its ring is longer than `RING`.
    """
    events = body[RING_AT] if len(body) > RING_AT else RING + 1
    at = RING_AT + 1
    if events > RING or len(body) < at + events * sum(_PLACES):
        raise RowError(f"a customer's row of {len(body)} bytes holds no ring of {events} events")
    pieces = [body[:RING_AT]]
    for size, empty in zip(_PLACES, _EMPTY, strict=True):
        pieces += (empty * (RING - events), body[at : at + events * size])
        at += events * size
    return b"".join((*pieces, body[at:]))
