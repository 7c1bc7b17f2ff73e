"""The format in which a customer's row is stored: its columns, without the empty places of its ring.

In memory a ring of recent events has `RING` places, empty ones first. Stored are a count (one byte), then the
instants, the hashes of the ids and the hashes of the contents of the filled places. A customer with five
events takes 539 bytes less.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.memory.rows import RowError
from models.state.columns import CUSTOMER, NO_EVENT, RING

_COLUMNS: Final = ("ring_at", "ring_hash", "ring_content")
"""The columns of the ring, the last of a customer's, and in this order."""
_FIELDS: Final[Any] = CUSTOMER.fields
_PLACES: Final = tuple(_FIELDS[name][0].base.itemsize for name in _COLUMNS)
"""Bytes of a place in each column."""
_STARTS: Final = tuple(int(_FIELDS[name][1]) for name in _COLUMNS)
RING_AT: Final = _STARTS[0]
"""Where the ring begins; the runs are behind it."""
_RUNS_AT: Final = CUSTOMER.itemsize
_EMPTY: Final = (np.array(NO_EVENT, "<i8").tobytes(), *(bytes(size) for size in _PLACES[1:]))
"""An empty place in each column."""


def shortened(body: bytes, events: int) -> bytes:
    """A stored body from the columns in memory, whose ring is in order of time, empty places first.

    Args:
        body: Columns and, if wanted, the runs behind them.
        events: Filled places of the ring.
    """
    columns = [
        body[start + (RING - events) * size : start + RING * size]
        for start, size in zip(_STARTS, _PLACES, strict=True)
    ]
    return b"".join((body[:RING_AT], events.to_bytes(1, "little"), *columns, body[_RUNS_AT:]))


def in_memory(body: bytes) -> bytes:
    """The columns as they lie in memory, and the runs behind them, from a stored body.

    Raises:
        RowError: It is cut off, or its ring is longer than a ring can be.
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
