"""Statuses of rows that could not be read.

Such a row is no line, but its status may show its order is no sale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.sources.files.line import Line

MOST: Final = 100_000
"""Rows held in memory, with about 300 bytes each."""

Known = tuple[int | None, str | None, str | None]
"""Time, customer and store of a row; None for each that could not be read."""


class UnreadStatuses:
    """Statuses of rows whose order is not known in full, in bounded memory.

    Args:
        most: Rows held in memory.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: dict[str, dict[Known, str]] = {}
        self._count = 0
        self.dropped = 0
        """Rows that were not held, because there were too many."""

    def note(self, basket_id: str, known: Known, left_out: str) -> None:
        """Store that an order is no sale.

        Args:
            basket_id: Number of the order, which is not empty.
            known: Time, customer and store of the row, as far as they could be read.
            left_out: Status by which the order is no sale.
        """
        of_number = self._held.get(basket_id, {})
        if known in of_number:
            return
        if self._count >= self._most:
            self.dropped += 1
            return
        self._count += 1
        self._held.setdefault(basket_id, of_number)[known] = left_out

    def reason(self, line: Line) -> str:
        """Return the stored status of the order that a line belongs to; empty where there is none."""
        own = (line.occurred_at, line.customer_id, line.store_id)
        for known, left_out in self._held.get(line.basket_id, {}).items():
            if all(one is None or one == other for one, other in zip(known, own, strict=True)):
                return left_out
        return ""
