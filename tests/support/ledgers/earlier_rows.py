"""Rows as the release before wrote them, made from today's."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.lib import recfunctions as rfn

from models.memory.rows import seal, unseal
from models.state.columns import CELL, CUSTOMER
from models.state.row_formats import RING_AT, in_memory, shortened

EARLIER_VERSION: Final = 3
_FIELDS: Final[Any] = CUSTOMER.fields
_STORES: Final = slice(int(_FIELDS["stores"][1]), int(_FIELDS["recommended_day"][1]))
"""Bytes that format 4 added to a customer's row: stores, visits and channel."""
_CELL: Final = [name for name in CELL.names or () if name != "chance"]
"""Columns of a cell before format 4, which added the chance that its alert said."""


def earlier_row(key: bytes, row: bytes) -> bytes:
    """Rewrite a row into format 3."""
    body = unseal(row)
    if key[:1] != b"\0":
        events, whole = body[RING_AT], in_memory(body)
        head, runs = whole[: CUSTOMER.itemsize], whole[CUSTOMER.itemsize :]
        cells = np.frombuffer(runs, CELL, int(np.frombuffer(head, CUSTOMER)["cells"][0]))
        runs = rfn.repack_fields(cells[_CELL]).tobytes() + runs[cells.nbytes :]
        body = shortened(head + runs, events)
        body = body[: _STORES.start] + body[_STORES.stop :]
    return seal(EARLIER_VERSION.to_bytes(2, "little") + body[2:])
