"""What one step of a ledger returns: events to send, and rows to store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Output(NamedTuple):
    """One event for an output topic; `headers` hold its CloudEvents attributes."""

    topic: str
    """The contract's name, such as `segment-changes`, before any prefix."""
    key: bytes
    """The customer id, raw UTF-8."""
    value: bytes
    """JSON."""
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    """Event time, ms since 1970 UTC."""


class Refusal(NamedTuple):
    """A record that goes to `dead-letters`, named by its source offset."""

    offset: int
    stage: str
    """`decode`, `time`, `duplicate` or `apply`."""
    error: str
    """A short stable code: `json`, `type`, `range`, `future`, `too-old`, ..."""
    field: str
    """Path of the field at fault, such as `items[3].quantity`; empty where none is."""
    reason: str
    """One sentence for a person."""


class Row(NamedTuple):
    """One row of a ledger as the changelog holds it. Keys that begin with byte 0 are the partition's own."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """The result of one `advance` or `sweep`: all of it is delivered, or none."""

    applied: int
    """How many records of the run were accounted for; a later call takes the rest."""
    outputs: tuple[Output, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    misrouted: tuple[int, ...] = ()
    """Source offsets of records whose customer is another partition's: to be sent on there, unchanged."""
    rows: tuple[Row, ...] = ()
    """Changed rows; the clock row is the last of them. Empty when nothing changed."""
    counts: dict[str, int] = field(default_factory=dict)
    """What happened, for metrics and reports: `applied`, `duplicates`, `late`, `capped`, `suppressed`, ..."""
    passed_over: tuple[tuple[bytes, Exception], ...] = ()
    """Customers whom a model could not bring to a boundary, and why; their rows are as they were."""
