"""Rows as the release before wrote them, made from today's."""

from __future__ import annotations

from typing import Any, Final

from models.memory.rows import seal, unseal
from models.state.columns import CUSTOMER

EARLIER_VERSION: Final = 3
_FIELDS: Final[Any] = CUSTOMER.fields
_STORES: Final = slice(int(_FIELDS["stores"][1]), int(_FIELDS["recommended_day"][1]))
"""Bytes that format 4 added to a customer's row: stores, visits and channel."""


def earlier_row(key: bytes, row: bytes) -> bytes:
    """Rewrite a row into format 3."""
    body = unseal(row)
    if key[:1] != b"\0":
        body = body[: _STORES.start] + body[_STORES.stop :]
    return seal(EARLIER_VERSION.to_bytes(2, "little") + body[2:])
