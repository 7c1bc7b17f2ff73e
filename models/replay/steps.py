"""Steps of a ledger over its log: advance, and sweep wherever that has to come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from models.ledger.ledger import MOST_CUSTOMERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.contracts.changes import Changes
    from models.records.columns import Records


class Stepping(Protocol):
    """A ledger as far as stepping needs it; `models.ledger.ledger.Ledger` documents the contract."""

    @property
    def sweeping(self) -> bool:
        """Tell whether a boundary was begun that `sweep` has to finish."""

    def advance(self, records: Records, /) -> Changes:
        """Apply a prefix of the records."""

    def sweep(self, limit: int, /) -> Changes:
        """Bring at most `limit` customers to the boundary begun."""


def advance_through(
    ledger: Stepping, records: Records, *, sweep_limit: int = MOST_CUSTOMERS
) -> Iterator[Changes]:
    """Apply a whole run of records, and yield the changes of each step.

    The sweep that the last record begins is left unfinished: `finish_sweep` does that, or the next run.

    Args:
        ledger: The ledger, which moves on only as far as its changes are taken.
        records: The run, behind the last record that the ledger has applied.
        sweep_limit: Customers of one sweep, at most.
    """
    applied = 0
    while applied < len(records):
        changes = ledger.advance(records.slice(applied, len(records)))
        if not changes.applied:
            changes = ledger.sweep(sweep_limit)
        applied += changes.applied
        yield changes


def finish_sweep(ledger: Stepping, *, sweep_limit: int = MOST_CUSTOMERS) -> Iterator[Changes]:
    """Bring all customers to the boundary begun, and yield the changes of each step; none where none is."""
    while ledger.sweeping:
        yield ledger.sweep(sweep_limit)
