"""How far a ledger has come and how much it holds: for those who watch it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """One partition's ledger at a moment, in plain numbers; instants are ms since 1970 UTC."""

    customers: int
    """Customers known."""
    rows: int
    """Rows that the changelog holds of it besides the clock row, the partition's own included."""
    memory: int
    """Bytes of the columns in use; names and indexes come on top."""
    watermark: int | None
    """Event time up to which records are in; None before the first."""
    begun: int | None
    """The last boundary begun; None before the first."""
    finished: int | None
    """The last boundary that every customer has seen; None before the first."""
    concerned: int
    """Customers whom the unfinished boundary concerns; 0 when none is unfinished."""
    left: int
    """How many of them the sweep has not come to yet."""
    sending: bool
    """Whether outputs of what was applied last are sent: not while history is loaded."""
