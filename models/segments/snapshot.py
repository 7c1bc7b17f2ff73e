"""Snapshot of recency, frequency and spend of all customers in a changelog, as exact labels need them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.learning.rfm import Histograms, RfmScores
from models.memory.rows import RowError, check, header, is_erased
from models.state.columns import HEAD
from models.state.customer_rows import HEAD_AT

if TYPE_CHECKING:
    from models.learning.rfm import Thresholds
    from models.state.state import State

_FIELDS: Final[Any] = HEAD.fields
_INSTANT_AND_SPEND, _DAYS, _OPEN = struct.Struct("<qq"), struct.Struct("<I"), struct.Struct("<BB")
_LAST_PURCHASE: Final = HEAD_AT + int(_FIELDS["last_purchase"][1])
_FREQUENCY: Final = HEAD_AT + int(_FIELDS["frequency"][1])
_OPEN_PURCHASE: Final = HEAD_AT + int(_FIELDS["open_purchase"][1])
"""Offsets in a day. `spend` follows directly behind the last purchase."""


class SegmentSnapshot:
    """Recency, frequency and spend per customer.

    Rows come in any order; of each customer, the greatest row counts.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, int, int, int, int]] = {}

    def take(self, customer: bytes, row: bytes) -> None:
        """Read a customer's day, or the row that its tombstone stands for.

        Raises:
            RowError: The bytes are no row, a damaged one, or a row of another format version.
        """
        check(row)
        _, offset, boundary, _ = header(row)
        known = self._known.get(customer)
        if known is not None and known[:2] > (offset, boundary):
            return
        last = spend = days = 0
        if not is_erased(row):
            if len(row) < HEAD_AT + HEAD.itemsize:
                raise RowError(f"a customer's row of {len(row)} bytes is cut off")
            last, spend = _INSTANT_AND_SPEND.unpack_from(row, _LAST_PURCHASE)
            days = _DAYS.unpack_from(row, _FREQUENCY)[0] + sum(_OPEN.unpack_from(row, _OPEN_PURCHASE))
        self._known[customer] = (offset, boundary, last, days, spend)

    def thresholds(self, state: State) -> Thresholds | None:
        """Return the thresholds of this moment, as a ledger of these rows would have them.

        Args:
            state: State with the clock, calendar and settings of the partition.

        Returns:
            The thresholds; None before the first boundary or with too few customers.
        """
        if not state.clock.begun:
            return None
        _, _, last, days, spend = np.array(list(self._known.values()), np.int64).reshape(-1, 5).T
        start = state.calendar.start(state.clock.begun + 1)
        return Histograms.build(RfmScores(last, days, spend), start).thresholds(
            state.settings.segment_minimum_population
        )
