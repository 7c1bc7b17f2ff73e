"""Rows as the release before wrote them, made from today's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.ledger.intake import Intake
from models.memory.rows import HEADER, customer_of, seal, unseal
from models.settings import LedgerSettings
from models.state.columns import HEAD, NO_EVENT
from models.state.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

EARLIER_VERSION: Final = 4
_COLUMNS: Final = np.dtype(
    [
        *((name, HEADER[name]) for name in HEADER.names or ()),
        ("cells", "u1"),
        ("products", "u1"),
        ("open_lines", "u1", (2,)),
        *((name, HEAD[name]) for name in HEAD.names or () if name != "folded"),
    ]
)
"""Columns at the beginning of a customer's only row. Behind them came a count and the columns of the ring,
then all runs."""


def earlier_rows(rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Rewrite a whole changelog into format 4."""
    state = State(LedgerSettings(), 1)
    intake = Intake(state, {})
    intake.take(rows.items())
    intake.settle_for_a_look()
    version = EARLIER_VERSION.to_bytes(2, "little")
    own = {key: seal(version + unseal(row)[2:]) for key, row in rows.items() if customer_of(key) is None}
    return own | {customer: seal(version + _row(state, row)[2:]) for customer, row in state.rows.items()}


def _row(state: State, row: int) -> bytes:
    """A customer's one row, without its checksum."""
    customer = state.customers[row]
    columns = np.zeros(1, _COLUMNS)
    for name in _COLUMNS.names or ():
        if name in (*(HEADER.names or ()), *(HEAD.names or ())):
            columns[name] = customer[name]
    columns["cells"], columns["products"] = state.cells.lengths[row], state.products.lengths[row]
    columns["open_lines"] = [lines.lengths[row] for lines in state.open_lines]
    ring = [customer[name] for name in ("ring_at", "ring_hash", "ring_content")]
    order = np.lexsort((ring[1], ring[0]))
    order = order[ring[0][order] != NO_EVENT]
    events = [len(order).to_bytes(1, "little"), *(column[order].tobytes() for column in ring)]
    return b"".join([columns.tobytes(), *events, *(arena.run(row).tobytes() for arena in state.arenas)])
