"""Statuses on rows that could not be read: such a row is no line, but its order may be no sale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.sources.files.line import Line

MOST: Final = 100_000
"""Rows that are held, with about 300 bytes each."""

Known = tuple[int | None, str | None, str | None]
"""Time, customer and store of a row; None where it could not be read."""


class UnreadStatuses:
    """Statuses of rows of which it is not known in full which order they belong to, in bounded memory.

    Args:
        most: Rows that are held.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: dict[str, dict[Known, str]] = {}
        self._count = 0
        self.dropped = 0
        """Rows that were too many."""

    def note(self, basket_id: str, known: Known, left_out: str) -> None:
        """Keep that an order is no sale.

        Args:
            basket_id: Its number, which is not empty.
            known: What else can be told of it.
            left_out: Status that says so.
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
        """The status of the order that a line belongs to; empty where none is kept."""
        own = (line.occurred_at, line.customer_id, line.store_id)
        for known, left_out in self._held.get(line.basket_id, {}).items():
            if all(one is None or one == other for one, other in zip(known, own, strict=True)):
                return left_out
        return ""
