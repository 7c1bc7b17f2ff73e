"""The report has every figure a program asks for, and the screen says them to a person."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from cartpulse.demo.play import rate
from cartpulse.demo.report import Report, show, too_short
from cartpulse.demo.stories import Story

REPORT = Report(
    baskets=155_848,
    applied=155_516,
    dead_letters=0,
    left_out={"quantity 0": 330, "unknown product": 2},
    lost=0,
    customers=2_469,
    alerts=1_000,
    alerts_fulfilled=500,
    alerts_missed=400,
    alerts_withdrawn=10,
    alert_hit_share=0.456789,
    baseline_hit_share=0.3,
    baseline_updated_hit_share=0.35,
    alerts_judged=900,
    lists=12_000,
    listed_bought_share=0.512,
    recommendations=88_123,
    recommendation_hit_share=0.821,
    popular_hit_share=0.732,
    recommendations_judged=70_000,
    segment_changes=77,
    cluster_changes=5,
    dead_letters_by_reason={},
    copies=0,
    seconds=60.0,
    baskets_per_second=2_591.9,
    latency_ms_p50=9.5,
    latency_ms_p99=21.0,
    latency_purchases=15_000,
    latency_unanswered=0,
    first_alert_seconds=7.25,
    total_seconds=90.0,
    days=365,
    partitions=1,
    workers=1,
)
ASKED_FOR = {
    "baskets",
    "customers",
    "alerts",
    "alert_hit_share",
    "baseline_hit_share",
    "alerts_fulfilled",
    "alerts_missed",
    "alerts_withdrawn",
    "lists",
    "listed_bought_share",
    "recommendations",
    "recommendation_hit_share",
    "segment_changes",
    "cluster_changes",
    "dead_letters",
    "left_out",
    "lost",
    "seconds",
    "baskets_per_second",
    "latency_ms_p50",
    "latency_ms_p99",
    "first_alert_seconds",
}


def screen(report: Report) -> str:
    console = Console(file=io.StringIO(), width=100)
    show(console, report, [Story("1228", "a steady rhythm", "Customer 1228 buys milk.")])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_json_has_every_figure() -> None:
    written = json.loads(json.dumps(REPORT.as_json()))
    assert written.keys() >= ASKED_FOR
    assert written["left_out"] == {"quantity 0": 330, "unknown product": 2}
    assert written["alert_hit_share"] == 0.4568


def test_the_account_adds_up() -> None:
    assert REPORT.baskets == (
        REPORT.applied + REPORT.dead_letters + sum(REPORT.left_out.values()) + REPORT.lost
    )


def test_the_screen_tells_counts_quality_speed_and_what_to_try() -> None:
    text = screen(REPORT)
    for part in (
        "155,848",
        "2,469",
        "45.7%",
        "30.0%",
        "88,123",
        "82.1%",
        "73.2%",
        "500, 400, 10",
        "2,592",
        "10 ms",
        "Customer 1228",
        "cartpulse broker",
    ):
        assert part in text


def test_what_was_not_measured_is_left_off_the_screen() -> None:
    text = screen(
        replace(
            REPORT, alert_hit_share=None, latency_ms_p50=None, latency_ms_p99=None, first_alert_seconds=None
        )
    )
    assert "None" not in text
    assert "hit, of" not in text


def test_a_rate_is_taken_between_the_first_and_the_last_look() -> None:
    assert rate([(10.0, 500), (11.0, 900), (12.0, 2_500)]) == 1_000
    assert rate([(10.0, 500), (10.5, 900)]) is None
    assert rate([]) is None


def test_a_week_is_said_to_be_too_short_and_nothing_of_it_is_judged() -> None:
    assert too_short(365) is None
    week = screen(replace(REPORT, days=7))
    said = " ".join(week.split())
    assert (
        "7 days are too short to judge what comes out: alerts and recommendations are judged from 14 days on"
        in said
    )
    assert "segments from 28" in said
    assert "45.7%" not in week
    assert "82.1%" not in week
    assert "a steady rhythm" not in week
    month = screen(replace(REPORT, days=27))
    assert "45.7%" in month
    assert "27 days are too short to judge segments" in month
    assert "too short" not in screen(replace(REPORT, days=28))
