"""Metrics of a worker in the text format of Prometheus: counters, times and partitions.

Names follow the conventions of Prometheus: base units, `_total` for values that only grow, one help text
each.
"""

from __future__ import annotations

from collections import Counter
from math import inf
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

from streams.metrics import Times
from streams.process.version import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from streams.metrics import Counts
    from streams.monitoring.health import Health, PartitionHealth


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
    own = _own(counts)
    yield from (family for family in own if family.type != "gauge")
    yield GaugeMetricFamily(
        "cartpulse_ready", "1 when the worker is assigned, recovered and committing.", value=vitals.ready
    )
    yield GaugeMetricFamily("cartpulse_paused", "1 while an operator paused it.", value=vitals.paused)
    yield from (family for family in own if family.type == "gauge")
    for gauge in GAUGES:
        family = GaugeMetricFamily(f"cartpulse_{gauge.name}", gauge.help, labels=["partition"])
        for partition in vitals.partitions:
            value = gauge.of(partition, now)
            if value is not None:
                family.add_metric([str(partition.number)], float(value))
        yield family


def _own(counts: Counts) -> list[Metric]:
    """Return the metrics that `Counts` declares.

    A counter without a label is always shown, because a rate needs a zero to begin at. A label's value is
    shown once something was counted, and a level while it is known.
    """
    families: dict[str, Any] = {}
    for _, metric, value in counts.declared():
        name = f"cartpulse_{metric.name}"
        if metric.kind is Times:
            buckets = [("+Inf" if bound == inf else str(bound), n) for bound, n in value.cumulative()]
            families[name] = HistogramMetricFamily(
                f"{name}_seconds", metric.help, buckets=buckets, sum_value=value.seconds
            )
        elif metric.label:
            family = families.setdefault(name, CounterMetricFamily(name, metric.help, labels=[metric.label]))
            for label, count in sorted(value.items()) if metric.kind is Counter else [(metric.value, value)]:
                if count:
                    family.add_metric([label], count)
        elif metric.kind is int:
            families[name] = CounterMetricFamily(name, metric.help, value=value)
        elif value is not None:
            families[name] = GaugeMetricFamily(name, metric.help, value=value)
    return list(families.values())
