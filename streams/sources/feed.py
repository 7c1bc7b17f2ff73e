"""One record on its way to the `purchases` topic."""

from __future__ import annotations

from typing import NamedTuple


class Feed(NamedTuple):
    """A record as a source yields it, in order of event time."""

    key: bytes | None
    """The customer id, raw UTF-8; None for a record of the service's own, which goes to every partition."""
    value: bytes
    """JSON of the input contract."""
    occurred_at: int
    """Event time, ms since 1970 UTC."""
