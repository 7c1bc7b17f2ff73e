"""Metrics of a worker in the text format of Prometheus: counters, times and partitions.

Names follow the conventions of Prometheus: base units, `_total` for values that only grow, one help text
each.
"""

from __future__ import annotations

from platform import python_version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from streams.process.version import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from streams.metrics import Counts, Times
    from streams.monitoring.health import Health, PartitionHealth


class Counter(NamedTuple):
    """Metric of one counter."""

    name: str
    help: str


class Labelled(NamedTuple):
    """Metric of the counters whose names share a prefix. The rest of a name is the label."""

    name: str
    label: str
    help: str


COUNTERS: Final = {
    "records": Counter("records", "Records of `purchases` accounted for: purchases, ticks and refused ones."),
    "applied": Counter("baskets", "Baskets applied: purchases and returns that counted."),
    "batches": Counter("batches", "Batches of records that the agent got through."),
    "late": Counter("late", "Baskets of a business day that was already closed."),
    "duplicates": Counter("duplicates", "Baskets known already, which counted nothing."),
    "changed": Counter("changed", "Baskets counted before with other content, which counted nothing."),
    "misrouted": Counter("misrouted", "Purchases in another partition than their customer's, sent on there."),
    "suppressed": Counter("suppressed", "Outputs counted and not sent: they are history."),
    "exposures": Counter("exposures", "Outputs of customers held out, sent to `exposures` instead."),
    "erased": Counter("erased", "Customers erased."),
    "listed": Counter("listed", "Products that catalogue records listed."),
    "not_listed": Counter(
        "not_listed", "Products of the catalogue for which, or for whose names, there was no room."
    ),
    "timeless": Counter("timeless_events", "Purchases whose record carries no usable timestamp."),
    "passed_over": Counter("passed_over", "Customers whom a model could not bring to a day boundary."),
    "segment_changes": Counter("segment_changes", "Segment changes, sent or history."),
    "rows": Counter("changelog_rows", "Rows given to the changelog."),
    "row_bytes": Counter("changelog_bytes", "Bytes of keys and values of these rows."),
    "recoveries": Counter("recoveries", "Partitions whose state was recovered."),
    "rows_recovered": Counter("recovered_rows", "Rows of the changelog read by finished recoveries."),
    "rows_corrected": Counter("corrected_rows", "Rows written anew because the greatest was not the last."),
    "reopened": Counter("reopenings", "Partitions opened anew because others may have written to their log."),
    "take_overs": Counter("take_overs", "Memberships taken over by another worker of the same name."),
    "commits_refused": Counter("commits_refused", "Commits that the group did not accept."),
    "checkpoints_written": Counter("checkpoints_written", "Checkpoints written to the disk."),
    "checkpoints_failed": Counter("checkpoints_failed", "Checkpoints that could not be written."),
    "checkpoints_unusable": Counter("checkpoints_unusable", "Checkpoints found and thrown away."),
    "standbys_begun": Counter("standbys_begun", "Partitions of others that were begun to be followed."),
    "standby_rows": Counter("standby_rows", "Rows taken by warm copies of others' partitions."),
    "broken_batches": Counter(
        "broken_batches", "Record batches that could not be decoded and went to the dead letters whole."
    ),
    "gap_accepted": Counter("gap_offsets", "Offsets that were gone and passed over, as told."),
    "read_again": Counter("read_again", "Fetches begun again because records did not follow each other."),
    "ticks_written": Counter("ticks_written", "Ticks of the wall clock written to the log."),
}
"""Metrics by the name of their counter in `Counts`."""

LABELLED: Final = {
    "dead_letters": Labelled("dead_letters", "error", "Records refused, by why."),
    "outputs": Labelled("outputs", "type", "Events handed to delivery, by the topic that carries the type."),
    "alerts": Labelled("alerts", "state", "Replenishment alerts, by what became of them."),
}
"""Metrics by the common prefix of their counters in `Counts`; `.` or `_` follows the prefix."""

REST: Final = Labelled("events", "event", "Whatever else is counted, by its name in `counts`.")

TIMES: Final[tuple[tuple[str, str, Callable[[Counts], Times]], ...]] = (
    ("apply", "Time for which the agent had a batch.", lambda counts: counts.applying),
    (
        "batch",
        "Time from handing a batch to the agent until all that came of it was acknowledged.",
        lambda counts: counts.delivering,
    ),
    ("sweep", "Time to compute one slice of a day boundary's sweep.", lambda counts: counts.sweeping),
)

MS: Final = 1_000


class Gauge(NamedTuple):
    """Metric of one partition. A function that returns None leaves the partition out."""

    name: str
    help: str
    of: Callable[[PartitionHealth, float], float | None]
    """Function from a partition and a time (seconds since 1970 UTC) to the value."""


def _standing(name: str, scale: int = 1) -> Callable[[PartitionHealth, float], float | None]:
    def of(partition: PartitionHealth, _: float) -> float | None:
        value = None if partition.standing is None else getattr(partition.standing, name)
        return None if value is None else value / scale

    return of


def _delay(partition: PartitionHealth, now: float) -> float | None:
    standing = partition.standing
    return None if standing is None or standing.watermark is None else now - standing.watermark / MS


def _read(index: int) -> Callable[[PartitionHealth, float], float | None]:
    return lambda partition, _: None if partition.read is None else partition.read[index]


GAUGES: Final = (
    Gauge("partition_recovered", "1 once the partition has its state and is read.", lambda p, _: p.recovered),
    Gauge("recovery_offset", "Changelog offset that the partition's recovery has come to.", _read(0)),
    Gauge("recovery_end_offset", "Changelog offset at which its recovery will be done.", _read(1)),
    Gauge("lag_records", "Records of `purchases` not applied yet.", lambda p, _: p.lag),
    Gauge("still_seconds", "Time for which it had work and did not get on.", lambda p, _: p.still),
    Gauge("lease_seconds", "Time for which the last accepted commit permits to send.", lambda p, _: p.lease),
    Gauge("watermark_timestamp_seconds", "Event time that closes days.", _standing("watermark", MS)),
    Gauge("watermark_delay_seconds", "How far the watermark is behind the clock.", _delay),
    Gauge("boundary_begun_timestamp_seconds", "The last day boundary begun.", _standing("begun", MS)),
    Gauge("boundary_finished_timestamp_seconds", "The last one finished.", _standing("finished", MS)),
    Gauge("sweep_customers", "Customers whom the unfinished day boundary concerns.", _standing("concerned")),
    Gauge("sweep_customers_left", "Those of them that the sweep has not come to.", _standing("left")),
    Gauge("sending", "1 when outputs are sent, 0 while history is loaded.", _standing("sending")),
    Gauge("customers", "Customers known.", _standing("customers")),
    Gauge("ledger_rows", "Rows that the changelog holds of the partition.", _standing("rows")),
    Gauge("ledger_bytes", "Memory of the partition's columns in use.", _standing("memory")),
)
"""Metrics of each partition."""


def exposition(
    vitals: Health, counts: Counts, *, now: float, accept: str = "", process: Collector | None = None
) -> tuple[bytes, str]:
    """Return all metrics as text, and the content type of the text.

    Args:
        vitals: Health of the worker at the moment.
        counts: Counters of the worker.
        now: Wall time, seconds since 1970 UTC.
        accept: `Accept` header of the request; Prometheus prefers OpenMetrics.
        process: Collector of figures of the process; None to leave them out.
    """
    registry = CollectorRegistry()
    registry.register(_Once([*_metrics(vitals, counts, now), *(process.collect() if process else ())]))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def process_collector() -> Collector:
    """Make a collector of memory, processor time, open files and start time of this process, on Linux."""
    return ProcessCollector(registry=None)


class _Once(Collector):
    """Collector of metrics that were made for one answer."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._metrics


def _metrics(vitals: Health, counts: Counts, now: float) -> Iterator[Metric]:
    build = {"version": release(), "python": python_version()}
    yield InfoMetricFamily("cartpulse_build", "Which release this is.", value=build)
    yield from _counters(counts.counted())
    for name, help_text, times in TIMES:
        observed = times(counts)
        buckets = [("+Inf" if bound == float("inf") else str(bound), n) for bound, n in observed.cumulative()]
        yield HistogramMetricFamily(
            f"cartpulse_{name}_seconds", help_text, buckets=buckets, sum_value=observed.seconds
        )
    yield GaugeMetricFamily(
        "cartpulse_ready", "1 when the worker is assigned, recovered and committing.", value=vitals.ready
    )
    yield GaugeMetricFamily("cartpulse_paused", "1 while an operator paused it.", value=vitals.paused)
    levels = counts.levels()
    for name, help_text in (
        ("partitions_assigned", "Partitions that the group has assigned to this worker."),
        ("standby_lag", "Rows that warm copies of others' partitions have not taken yet."),
    ):
        if name in levels:
            unit = "" if name.startswith("partitions") else "_rows"
            yield GaugeMetricFamily(f"cartpulse_{name}{unit}", help_text, value=levels[name])
    for gauge in GAUGES:
        family = GaugeMetricFamily(f"cartpulse_{gauge.name}", gauge.help, labels=["partition"])
        for partition in vitals.partitions:
            value = gauge.of(partition, now)
            if value is not None:
                family.add_metric([str(partition.number)], float(value))
        yield family


def _counters(counted: dict[str, int]) -> Iterator[Metric]:
    """Yield the counters.

    Counters with a metric of their own are always shown, because a rate needs a zero to begin at.
    """
    for name, (metric, help_text) in COUNTERS.items():
        yield CounterMetricFamily(f"cartpulse_{metric}", help_text, value=counted.pop(name, 0))
    for prefix, (metric, label, help_text) in LABELLED.items():
        family = CounterMetricFamily(f"cartpulse_{metric}", help_text, labels=[label])
        for name in sorted(name for name in counted if name.startswith((f"{prefix}.", f"{prefix}_"))):
            family.add_metric([name[len(prefix) + 1 :]], counted.pop(name))
        yield family
    rest: Any = CounterMetricFamily(f"cartpulse_{REST.name}", REST.help, labels=[REST.label])
    for name, count in sorted(counted.items()):
        rest.add_metric([name], count)
    yield rest
