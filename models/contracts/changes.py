"""Changes of one step of a ledger: events to send, and rows to store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from models.contracts.event_block import Outputs

Counted = Literal[
    "applied", "changed", "duplicates", "late", "refused", "reused_id", "timeless", "too_old",
    "alerts_capped", "alerts_fulfilled", "alerts_missed", "alerts_overtaken", "alerts_quiet", "alerts_raised",
    "alerts_withdrawn", "recommendations", "segment_changes", "cluster_changes", "drifts_alerts",
    "drifts_week", "drifts_activity", "exposures", "suppressed",
    "erased", "evicted_categories", "habits_lapsed", "listed", "lists_closed", "lists_raised", "not_listed",
    "passed_over",
]  # fmt: skip
"""Names of what a ledger counts, each of which is an attribute of `Counts` (streams/metrics.py)."""


class Refusal(NamedTuple):
    """Refused record for `dead-letters`, identified by its source offset."""

    offset: int
    stage: str
    """Stage that refused the record: `decode`, `time`, `duplicate` or `apply`."""
    error: str
    """Short stable code: `json`, `type`, `range`, `future`, `too-old`, ..."""
    field: str
    """Path of the field at fault, such as `items[3].quantity`; empty if no field is at fault."""
    reason: str
    """Reason in one sentence for a person."""


class Row(NamedTuple):
    """Row of a ledger as the changelog holds it. Keys that begin with byte 0 are partition-level rows."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """Result of one `advance` or `sweep`. Either all of it is delivered or none."""

    applied: int
    """Count of the run's records that were accounted for, refused ones and duplicates included. A later call
    takes the rest. `counts["applied"]` is another number: the baskets that counted."""
    outputs: Outputs = field(default_factory=Outputs)
    """Events to send."""
    refusals: tuple[Refusal, ...] = ()
    misrouted: tuple[int, ...] = ()
    """Source offsets of misrouted records, to be forwarded unchanged to the partition of their customer."""
    rows: tuple[Row, ...] = ()
    """Changed rows, the clock row last. Empty if nothing changed."""
    counts: dict[Counted, int] = field(default_factory=dict)
    """Counts for metrics and reports: `applied` (baskets that counted), `duplicates`, `late`,
    `alerts_capped`, `suppressed`, ..."""
    passed_over: tuple[tuple[bytes, Exception], ...] = ()
    """Customers whom a model could not bring to a boundary, each with the error. The rows of these customers
    are as before."""
