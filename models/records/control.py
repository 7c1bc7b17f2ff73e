"""Control records, which the service itself writes: ticks, `live` records and erasures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from models.contracts.timestamps import instant_of, text_of

if TYPE_CHECKING:
    from models.settings import LedgerSettings


def tick(occurred_at: int, settings: LedgerSettings) -> bytes:
    """Encode the tick that closes a business day.

    Args:
        occurred_at: Boundary of the day plus the allowed lateness, ms since 1970 UTC.
        settings: Service settings, read for the time zone and the lateness.
    """
    boundary = instant_of(occurred_at) - timedelta(minutes=settings.lateness_minutes)
    day = boundary.astimezone(ZoneInfo(settings.time_zone)).date() - timedelta(days=1)
    return _encoded("tick", f"tick:{day}", occurred_at)


def live(occurred_at: int) -> bytes:
    """Encode the record that ends history at an instant, rounded down to the second.

    Args:
        occurred_at: The instant, ms since 1970 UTC.
    """
    at = occurred_at // 1000 * 1000
    return _encoded("live", f"live:{text_of(instant_of(at))}", at)


def erasure(customer_id: str, occurred_at: int) -> bytes:
    """Encode the record that erases a customer.

    Args:
        customer_id: Customer id.
        occurred_at: Instant of the request, ms since 1970 UTC.
    """
    return _encoded(
        "erase", f"erase:{text_of(instant_of(occurred_at))}", occurred_at, customer_id=customer_id
    )


def _encoded(kind: str, event_id: str, occurred_at: int, **more: str) -> bytes:
    at = text_of(instant_of(occurred_at))
    return msgspec.json.encode({"kind": kind, "event_id": event_id, **more, "occurred_at": at})
