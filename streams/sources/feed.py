"""Record on its way to the `purchases` topic."""

from __future__ import annotations

from typing import NamedTuple


class Feed(NamedTuple):
    """Record that a source yields, in order of event time."""

    key: bytes | None
    """Customer id as raw UTF-8; None for a control record, which goes to every partition."""
    value: bytes
    """JSON of the input contract."""
    occurred_at: int
    """Event time, ms since 1970 UTC."""
