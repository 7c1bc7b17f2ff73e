"""What a worker's figures look like to Prometheus, by the rules of `promtool check metrics` and more."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families

from models.contracts.status import LedgerStatus
from streams.metrics import Counts
from streams.monitoring.health import Health, PartitionHealth
from streams.monitoring.prometheus import exposition, process_collector

if TYPE_CHECKING:
    from prometheus_client.core import Metric

NOW = 1_700_000_000.0
STANDING = LedgerStatus(
    customers=617,
    rows=640,
    memory=2_000_000,
    watermark=int((NOW - 3_600) * 1_000),
    begun=int((NOW - 7_200) * 1_000),
    finished=int((NOW - 93_600) * 1_000),
    concerned=500,
    left=200,
    sending=True,
)
READING = PartitionHealth(0, recovered=True, lag=12, lease=4.5, still=0.0, standing=STANDING, read=None)
RECOVERING = PartitionHealth(
    1, recovered=False, lag=0, lease=0.0, still=0.0, standing=None, read=(120_000, 400_000)
)
VITALS = Health(
    reasons=("partition 1 is being recovered",), assigned=2, paused=False, partitions=(READING, RECOVERING)
)


def counted() -> Counts:
    """What a worker may have counted."""
    counts = Counts(
        applied=40,
        records=42,
        dead_letters=Counter({"json": 2, "too-old": 1}),
        outputs=Counter({"segment-changes": 7}),
        alerts_raised=5,
        alerts_fulfilled=3,
        evicted_categories=1,
        partitions_assigned=2,
        standby_lag=9,
    )
    counts.applying.observe(0.02)
    counts.applying.observe(99.0)
    return counts


def families(counts: Counts | None = None, vitals: Health = VITALS) -> dict[str, Metric]:
    text, _ = exposition(vitals, counts or counted(), now=NOW, process=process_collector())
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def value(name: str, **labels: str) -> float | None:
    for family in families().values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_the_lint_of_the_metrics_is_clean(accept: str) -> None:
    text, content_type = exposition(VITALS, counted(), now=NOW, accept=accept, process=process_collector())
    parse = open_metrics if "openmetrics" in content_type else text_string_to_metric_families
    made = list(parse(text.decode()))
    assert [fault for family in made for fault in faults(family)] == []
    assert len({family.name for family in made}) == len(made)
    series = Counter(
        (sample.name, *sorted(sample.labels.items())) for family in made for sample in family.samples
    )
    assert [one for one, count in series.items() if count > 1] == []


UNITS = {"s", "ms", "us", "ns", "sec", "min", "milliseconds", "minutes", "hours", "kb", "mb"}
"""None of them is the base unit of anything."""


def faults(family: Metric) -> list[str]:
    """What `promtool check metrics` would say of a family, whose name the parsers give without `_total`."""
    words, kind = family.name.split("_"), family.type
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    totals = [sample.name.endswith("_total") for sample in family.samples]
    broken = {
        "no help text": not family.documentation,
        "a name that is not in lower case": not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", family.name),
        "no counter, and called a total": kind != "counter" and any(totals),
        "a counter that is not called a total": kind == "counter" and not all(totals),
        "its type is in its name": set(words) & {"counter", "gauge", "histogram", "summary"},
        "a gauge with a histogram's suffix": kind == "gauge" and words[-1] in ("count", "sum", "bucket"),
        "a unit that is not the base one": set(words) & UNITS,
        "no unit": {"timestamp", "delay", "lease"} & set(words) and words[-1] != "seconds",
        "a label that is not in lower case": not all(re.fullmatch(r"[a-z][a-z_]*", each) for each in labels),
        "a label's name is in its name": (labels - {"partition"}) & set(words),
    }
    return [f"{family.name}: {fault}" for fault, found in broken.items() if found]


def test_the_lint_finds_what_it_looks_for() -> None:
    text = "# TYPE cartpulse_lag_ms gauge\ncartpulse_lag_ms 3\n# TYPE badCounter counter\nbadCounter 1\n"
    found = [fault for family in text_string_to_metric_families(text) for fault in faults(family)]
    assert len(found) == 4


def test_counters_are_there_from_the_start_so_that_a_rate_begins_at_nothing() -> None:
    made = families(Counts(), Health((), None, paused=False, partitions=()))
    assert made["cartpulse_baskets"].samples[0].value == 0
    assert made["cartpulse_late"].samples[0].value == 0


def test_what_is_counted_by_kind_is_one_metric_with_a_label() -> None:
    assert value("cartpulse_dead_letters_total", error="too-old") == 1
    assert value("cartpulse_outputs_total", type="segment-changes") == 7
    assert value("cartpulse_alerts_total", state="fulfilled") == 3


def test_what_no_metric_was_made_for_is_shown_all_the_same() -> None:
    assert value("cartpulse_events_total", event="evicted_categories") == 1


def test_durations_are_a_histogram_whose_last_class_takes_all() -> None:
    assert value("cartpulse_apply_seconds_bucket", le="0.01") == 0
    assert value("cartpulse_apply_seconds_bucket", le="0.025") == 1
    assert value("cartpulse_apply_seconds_bucket", le="+Inf") == 2
    assert value("cartpulse_apply_seconds_sum") == pytest.approx(99.02)


def test_each_partition_says_where_it_stands() -> None:
    assert value("cartpulse_lag_records", partition="0") == 12
    assert value("cartpulse_watermark_delay_seconds", partition="0") == pytest.approx(3_600)
    assert value("cartpulse_sweep_customers_left", partition="0") == 200
    assert value("cartpulse_ledger_bytes", partition="0") == 2_000_000
    assert value("cartpulse_boundary_finished_timestamp_seconds", partition="0") == NOW - 93_600


def test_a_recovery_shows_how_far_it_is_and_nothing_that_is_not_known() -> None:
    assert value("cartpulse_partition_recovered", partition="1") == 0
    assert value("cartpulse_recovery_offset", partition="1") == 120_000
    assert value("cartpulse_recovery_end_offset", partition="1") == 400_000
    assert value("cartpulse_customers", partition="1") is None
    assert value("cartpulse_recovery_offset", partition="0") is None
