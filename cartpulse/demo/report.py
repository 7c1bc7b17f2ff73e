"""Results of the demonstration, as one flat object for programs and as a screen for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.panel import Panel
from rich.table import Table

from models.segments.settling import SETTLED_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cartpulse.demo.stories import Story


JUDGED_DAYS: Final = 14
"""Days of data from which on alerts are judged. Three purchases of a category, a date and five days of grace
take about two weeks. With fewer days, the handful of alerts with a known outcome are those of the quickest
buyers."""


def too_short(days: int) -> str | None:
    """Describe the judgements for which a number of days is too short; None where the days suffice."""
    if days >= SETTLED_DAYS:
        return None
    counted = "1 day is" if days == 1 else f"{days} days are"
    if days >= JUDGED_DAYS:
        return (
            f"{counted} too short to judge segments: nobody falls to a worse one in the first {SETTLED_DAYS}."
        )
    return (
        f"{counted} too short to judge what comes out: alerts and recommendations are judged from "
        f"{JUDGED_DAYS} days on, segments from {SETTLED_DAYS}."
    )


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of a run.

    Every basket is accounted for: `baskets` = `applied` + `dead_letters` + the sum of `left_out` + `lost`,
    always. A negative `lost` would mean that baskets were counted twice; it never happens in a sound run.
    Shares are of 1, and None where nothing could be judged.
    """

    baskets: int
    """Baskets in the data, for the days asked for."""
    applied: int
    """Baskets applied, by the workers' own state, read back from its changelog."""
    dead_letters: int
    left_out: dict[str, int]
    """Rule of the source -> baskets left out."""
    lost: int
    customers: int
    alerts: int
    alerts_fulfilled: int
    alerts_missed: int
    alerts_withdrawn: int
    alert_hit_share: float | None
    baseline_hit_share: float | None
    baseline_updated_hit_share: float | None
    """Hit share of the median rhythm, where a date that has passed when the alert is raised moves to that
    day."""
    alerts_judged: int
    """Alerts whose outcome is known."""
    lists: int
    """Replenishment lists."""
    listed_bought_share: float | None
    """Share of the categories of ended lists that were bought while their list held."""
    recommendations: int
    recommendation_hit_share: float | None
    """Share of trips with at least one of the ten categories that were recommended last before the day."""
    popular_hit_share: float | None
    """Share of the judged trips with at least one of the ten categories most popular before that day."""
    recommendations_judged: int
    """Trips on which recommendations were judged."""
    segment_changes: int
    cluster_changes: int
    dead_letters_by_reason: dict[str, int]
    copies: int
    """Output events that arrived more than once; consumers drop copies by `ce_id`."""
    seconds: float
    """Seconds from the first send until the state accounted for the last record."""
    baskets_per_second: float
    """Baskets that the workers applied per second, once a worker was at work."""
    latency_ms_p50: float | None
    latency_ms_p99: float | None
    latency_purchases: int
    latency_unanswered: int
    first_alert_seconds: float | None
    """Seconds from the start of the command to the receipt of the first alert."""
    total_seconds: float
    days: int
    partitions: int
    workers: int

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values, seconds and milliseconds rounded to what can be measured."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def show(console: Console, report: Report, stories: Sequence[Story]) -> None:
    """Show the last screen, for someone who sees Cartpulse for the first time."""
    console.print()
    console.print(Panel.fit(_headline(report), title="Cartpulse", border_style="green"))
    console.print(_account(report))
    console.print(_results(report))
    for story in stories if report.days >= JUDGED_DAYS else ():
        console.print(Panel(story.text, title=story.title, title_align="left", border_style="dim"))
    console.print(_next(report), highlight=False)


def _headline(report: Report) -> str:
    return (
        f"{report.baskets:,} real baskets of {report.customers:,} customers in {report.days} days\n"
        f"went through Kafka in {report.seconds:,.0f} s. Out came\n"
        f"{report.alerts:,} replenishment alerts, {report.lists:,} weekly lists,\n"
        f"{report.recommendations:,} recommendations, {report.segment_changes:,} segment changes\n"
        f"and {report.cluster_changes:,} cluster changes."
    )


def _account(report: Report) -> Table:
    table = Table(title="Every basket is accounted for", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("applied, by the worker's own state", f"{report.applied:,}")
    table.add_row("refused, in dead-letters", f"{report.dead_letters:,}")
    for rule, count in report.left_out.items():
        table.add_row(f"left out by the source: {rule}", f"{count:,}")
    table.add_row("lost", f"{report.lost:,}", style="bold red" if report.lost else "bold green")
    table.add_row("in the data", f"{report.baskets:,}", end_section=True)
    return table


def _results(report: Report) -> Table:
    table = Table(title="How well, and how fast", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    judged = report.days >= JUDGED_DAYS
    # Stage 1: what was sent, and how much of it came true.
    if judged and report.alert_hit_share is not None:
        table.add_row(
            f"alerts that hit, of {report.alerts_judged:,} with a known outcome",
            f"{report.alert_hit_share:.1%}",
            style="bold",
        )
        table.add_row(
            "  the customer's own median rhythm, on the same cycles", _share(report.baseline_hit_share)
        )
    table.add_row(
        "alerts fulfilled, missed, withdrawn",
        f"{report.alerts_fulfilled:,}, {report.alerts_missed:,}, {report.alerts_withdrawn:,}",
    )
    if judged and report.listed_bought_share is not None:
        table.add_row(
            "categories of weekly lists that were bought in their week",
            f"{report.listed_bought_share:.1%}",
            style="bold",
        )
    if judged and report.recommendation_hit_share is not None:
        table.add_row(
            f"trips with one of the ten recommended, of {report.recommendations_judged:,}",
            f"{report.recommendation_hit_share:.1%}",
            style="bold",
        )
        table.add_row(
            "  with one of the ten most popular, on the same trips", _share(report.popular_hit_share)
        )
    # Stage 2: how fast.
    table.add_row("baskets a second", f"{report.baskets_per_second:,.0f}")
    if report.latency_ms_p50 is not None and report.latency_ms_p99 is not None:
        table.add_row(
            "purchase to event at 1,000/s: median, 99th percentile",
            f"{report.latency_ms_p50:.0f} ms, {report.latency_ms_p99:.0f} ms",
        )
    if report.first_alert_seconds is not None:
        table.add_row(
            "from the start of the command to the first alert", f"{report.first_alert_seconds:.1f} s"
        )
    return table


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _next(report: Report) -> str:
    short = too_short(report.days)
    explained = "A hit: bought from two days before the alert's date to five days after it."
    slower = "" if report.days < 60 else "  cartpulse demo --days 60 --speed 2  watch it, two days a second\n"
    return (
        f"{short or explained}\n\n"
        "What to try next\n"
        f"{slower}"
        "  cartpulse broker                    a broker that stays, in its own terminal\n"
        "  cartpulse demo --broker 127.0.0.1:9092 --days 30\n"
        "                                      the demo on it: its topics stay to be read\n"
        "  docs/first-steps.md                 how to read them from Python and the shell\n"
    )
