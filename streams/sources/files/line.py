"""Line of a basket in a file, with the fields that identify its basket."""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, array_like=True, gc=False):
    """Line of a basket, with the fields that identify its basket."""

    occurred_at: int
    """Event time, ms since 1970 UTC."""
    customer_id: str
    basket_id: str
    """Basket number; empty where the file has no such column."""
    store_id: str
    """Store; empty where the file has no such column."""
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
    """Row as it stands in the file, shown beside the reason if the line is refused."""
    left_out: str = ""
    """Status by which the line is no sale, such as `status=cancelled`; empty for a sale."""
    silent: str | None = None
    """Fallback for a line without a status of its own: the reason to leave the line out if its order has no
    status either, empty to count it as a sale. None where the line has its own status."""
    order_total: float | None = None
    """Amount of the whole order, compared with the sum of its lines; None where the file has none."""
    refunded: float | None = None
    """Amount that the order's customer got back, 0 where the amount is unknown; None where nothing was paid
    back."""
    voice: bool = False
    """True for a row that could not be read. Such a row is no line, but its status may be that of its
    order."""

    @property
    def basket(self) -> tuple[int, str, str, str]:
        """Key of the basket, shared by all its lines."""
        return self.occurred_at, self.customer_id, self.basket_id, self.store_id
