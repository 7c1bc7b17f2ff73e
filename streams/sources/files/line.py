"""One line of a basket as a file has it, with what it takes to find its basket again."""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, array_like=True, gc=False):
    """One thing that was bought, with what it takes to find its basket again."""

    occurred_at: int
    """Event time, ms since 1970 UTC."""
    customer_id: str
    basket_id: str
    """Empty where the file has no such column."""
    store_id: str
    """The same."""
    number: int
    """Line or row of the file."""
    product_id: str
    category: str
    name: str | None
    quantity: float
    unit_price: float
    discount: float
    channel: str | None
    text: str
    """The row as it stands in the file, for the reason why it is refused."""
    left_out: str = ""
    """Status that says that the line is no sale, such as `status=cancelled`; empty for a sale."""
    silent: str | None = None
    """Not None where the line has no status of its own, and so goes by its order: what it counts as where the
    order does not say either; empty for a sale."""
    order_total: float | None = None
    """Amount of the whole order, to be held against the sum of its lines; None where the file has none."""
    refunded: float | None = None
    """Not None where the order's customer got something back: how much, or 0 where that is not known."""
    voice: bool = False
    """True for a row that could not be read: it is no line, but its status may be that of its order."""

    @property
    def basket(self) -> tuple[int, str, str, str]:
        """What the lines of one basket share."""
        return self.occurred_at, self.customer_id, self.basket_id, self.store_id
