"""Erasure of a customer, asked for from outside: one record makes every partition forget the customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.records.control import erasure
from streams.sources.control import write_signals
from streams.sources.feed import Feed

if TYPE_CHECKING:
    from datetime import datetime

    from streams.settings.settings import Settings


async def write_erasure(settings: Settings, customer_id: str, moment: datetime) -> None:
    """Write the `erase` record of a customer to every partition.

    Args:
        settings: Service settings.
        customer_id: Customer id, as in the purchases.
        moment: Instant of the request, with an offset.

    Raises:
        NotAcknowledgedError: The broker refused the record.
        BrokerUnreachableError: No broker answers.
    """
    at = int(moment.timestamp() * 1000)
    await write_signals(settings, [Feed(None, erasure(customer_id, at), at)])
