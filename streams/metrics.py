"""Metrics of a worker, declared with their help texts; `streams/monitoring/prometheus.py` exposes them.

Counting costs an attribute and happens once per batch or less often, never once per event.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, fields
from itertools import accumulate
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from models.contracts.changes import Counted

T = TypeVar("T")

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of a duration, in seconds: from a small batch to half a send's deadline."""


class Times:
    """Histogram of durations: a count per bucket."""

    def __init__(self) -> None:
        self._classes = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        """Sum of the observed durations, in seconds."""

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._classes[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> list[tuple[float, int]]:
        """Return, for each upper bound, infinity last, the number of durations that were not longer."""
        return list(zip((*BOUNDS, float("inf")), accumulate(self._classes), strict=True))


class Metric(NamedTuple):
    """Declaration of a metric of Prometheus, or of one series of it."""

    kind: type
    """int for a counter, Counter for counters by label, Times for a histogram, NoneType for a level, such as
    a lag: it is None while it is unknown."""
    help: str
    name: str
    """Name without the prefix `cartpulse_` and the suffix `_total` or `_seconds`."""
    label: str
    """Name of the label; empty if there is none."""
    value: str
    """Value of the label, if there is one and the value is known beforehand."""


def _metric(kind: type[T], help_text: str, name: str = "", label: str = "", value: str = "") -> T:
    """Declare a metric. Without a name it has the attribute's."""
    made: T = field(default_factory=kind, metadata={"metric": Metric(kind, help_text, name, label, value)})
    return made


_ALERTS: Final = ("Replenishment alerts, by what became of them.", "alerts", "state")
_DRIFTS: Final = (
    "Boundaries at which a model's chances were found to have left the outcomes, by model.",
    "model_drifts",
    "model",
)
_EVENTS: Final = ("Whatever else is counted, by its name in `counts`.", "events", "event")


@dataclass(slots=True)
class Counts:
    """Counters, times and levels of one worker.

    A name that is not declared here fails mypy and raises AttributeError. The command `counts` answers with
    the names of the attributes; a declaration gives Prometheus another name where it has one.
    """

    # Counters. The ledger counts some of them: the names in `Counted` (models/contracts/changes.py).
    records: int = _metric(int, "Records of `purchases` accounted for: purchases, ticks and refused ones.")
    applied: int = _metric(int, "Baskets applied: purchases and returns that counted.", "baskets")
    batches: int = _metric(int, "Batches of records that the agent got through.")
    late: int = _metric(int, "Baskets of a business day that was already closed.")
    duplicates: int = _metric(int, "Baskets known already, which counted nothing.")
    changed: int = _metric(int, "Baskets counted before with other content, which counted nothing.")
    misrouted: int = _metric(int, "Purchases in another partition than their customer's, sent on there.")
    suppressed: int = _metric(int, "Outputs counted and not sent: they are history.")
    exposures: int = _metric(int, "Outputs of customers held out, sent to `exposures` instead.")
    erased: int = _metric(int, "Customers erased.")
    listed: int = _metric(int, "Products that catalogue records listed.")
    not_listed: int = _metric(
        int, "Products of the catalogue for which, or for whose names, there was no room."
    )
    timeless: int = _metric(int, "Purchases whose record carries no usable timestamp.", "timeless_events")
    passed_over: int = _metric(int, "Customers whom a model could not bring to a day boundary.")
    segment_changes: int = _metric(int, "Segment changes, sent or history.")
    cluster_changes: int = _metric(int, "Cluster changes, sent or history.")
    rows: int = _metric(int, "Rows given to the changelog.", "changelog_rows")
    row_bytes: int = _metric(int, "Bytes of keys and values of these rows.", "changelog_bytes")
    recoveries: int = _metric(int, "Partitions whose state was recovered.")
    rows_recovered: int = _metric(int, "Rows of the changelog read by finished recoveries.", "recovered_rows")
    rows_corrected: int = _metric(
        int, "Rows written anew because the greatest was not the last.", "corrected_rows"
    )
    reopened: int = _metric(
        int, "Partitions opened anew because others may have written to their log.", "reopenings"
    )
    take_overs: int = _metric(int, "Memberships taken over by another worker of the same name.")
    commits_refused: int = _metric(int, "Commits that the group did not accept.")
    checkpoints_written: int = _metric(int, "Checkpoints written to the disk.")
    checkpoints_failed: int = _metric(int, "Checkpoints that could not be written.")
    checkpoints_unusable: int = _metric(int, "Checkpoints found and thrown away.")
    standbys_begun: int = _metric(int, "Partitions of others that were begun to be followed.")
    standby_rows: int = _metric(int, "Rows taken by warm copies of others' partitions.")
    broken_batches: int = _metric(
        int, "Record batches that could not be decoded and went to the dead letters whole."
    )
    gap_accepted: int = _metric(int, "Offsets that were gone and passed over, as told.", "gap_offsets")
    read_again: int = _metric(int, "Fetches begun again because records did not follow each other.")
    ticks_written: int = _metric(int, "Ticks of the wall clock written to the log.")
    # Counters that share a metric; those with a value of their own in the order of the values.
    dead_letters: Counter[str] = _metric(Counter, "Records refused, by why.", label="error")
    outputs: Counter[str] = _metric(
        Counter, "Events handed to delivery, by the topic that carries the type.", label="type"
    )
    alerts_capped: int = _metric(int, *_ALERTS, "capped")
    alerts_fulfilled: int = _metric(int, *_ALERTS, "fulfilled")
    alerts_missed: int = _metric(int, *_ALERTS, "missed")
    alerts_overtaken: int = _metric(int, *_ALERTS, "overtaken")
    alerts_quiet: int = _metric(int, *_ALERTS, "quiet")
    alerts_raised: int = _metric(int, *_ALERTS, "raised")
    alerts_withdrawn: int = _metric(int, *_ALERTS, "withdrawn")
    drifts_activity: int = _metric(int, *_DRIFTS, "activity")
    drifts_alerts: int = _metric(int, *_DRIFTS, "alerts")
    drifts_week: int = _metric(int, *_DRIFTS, "week")
    evicted_categories: int = _metric(int, *_EVENTS, "evicted_categories")
    habits_lapsed: int = _metric(int, *_EVENTS, "habits_lapsed")
    lists_closed: int = _metric(int, *_EVENTS, "lists_closed")
    lists_raised: int = _metric(int, *_EVENTS, "lists_raised")
    recommendations: int = _metric(int, *_EVENTS, "recommendations")
    refused: int = _metric(int, *_EVENTS, "refused")
    reused_id: int = _metric(int, *_EVENTS, "reused_id")
    too_old: int = _metric(int, *_EVENTS, "too_old")
    # Durations.
    applying: Times = _metric(Times, "Time for which the agent had a batch.", "apply")
    delivering: Times = _metric(
        Times, "Time from handing a batch to the agent until all that came of it was acknowledged.", "batch"
    )
    sweeping: Times = _metric(Times, "Time to compute one slice of a day boundary's sweep.", "sweep")
    # Levels.
    partitions_assigned: int | None = _metric(
        NoneType, "Partitions that the group has assigned to this worker."
    )
    standby_lag: int | None = _metric(
        NoneType, "Rows that warm copies of others' partitions have not taken yet.", "standby_lag_rows"
    )

    def take(self, counted: Mapping[Counted, int]) -> None:
        """Add what a ledger counted in one step."""
        for name, count in counted.items():
            setattr(self, name, getattr(self, name) + count)

    def declared(self) -> Iterator[tuple[str, Metric, Any]]:
        """Yield the attribute's name, the declaration and the value of each metric, in order."""
        for each in fields(self):
            metric: Metric = each.metadata["metric"]
            yield each.name, metric._replace(name=metric.name or each.name), getattr(self, each.name)

    def snapshot(self) -> dict[str, int]:
        """Return the counters that are not 0 and the known levels, sorted by name."""
        known: dict[str, int] = {}
        for name, metric, value in self.declared():
            if isinstance(value, Counter):
                known |= {f"{name}.{label}": count for label, count in value.items()}
            elif isinstance(value, int) and (value or metric.kind is NoneType):
                known[name] = value
        return dict(sorted(known.items()))
