"""Status of a ledger for monitoring: its progress and its size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """Progress and size of one partition's ledger at a moment. Instants are ms since 1970 UTC."""

    customers: int
    """Count of customers."""
    rows: int
    """Count of keys in the changelog, partition-level rows included and the clock row excluded."""
    memory: int
    """Bytes of the columns in use. Names and indexes are not included."""
    watermark: int | None
    """Event time up to which records are in; None before the first record."""
    begun: int | None
    """Last boundary begun; None before the first boundary."""
    finished: int | None
    """Last boundary that every customer has seen; None before the first boundary."""
    concerned: int
    """Customers whom the unfinished boundary concerns; 0 when no boundary is unfinished."""
    left: int
    """Customers whom the unfinished sweep has not reached yet."""
    sending: bool
    """True if outputs of the newest records are sent; False while history is loaded."""
