"""Do segments hold still, and do they follow? The Complete Journey through a ledger, day by day.

    python -m benchmarks.segments [--days 280] [--first 189] [--margin 0 --margin 0.11] [--json FILE]

For every margin (`CARTPULSE_SEGMENT_MARGIN`), from a first day on: reported changes per customer and month,
on how many customer-days the segment is the label, the share of customers in each segment by month, who moved
from where to where, and how long a change comes after the label that it follows. Beside it how often the
label, asked at the end of a month, is that of an exact batch computation.
"""

from __future__ import annotations

import argparse
import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from models.learning.rfm import SEGMENTS, label
from models.ledger.ledger import Ledger
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from streams.sources.complete_journey import TIME_ZONE, CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.ledgers import exact
from tests.support.ledgers.logs import Replay, drive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.state.state import State
    from streams.sources.feed import Feed

DAYS_A_MONTH = 365 / 12
FIRST_DATE = date(2017, 1, 1)
UNKNOWN = -1
"""Segment or label of a customer who has none yet."""


class Day(NamedTuple):
    """Customers as they stand when a boundary is finished, in order of their first purchase."""

    segments: NDArray[np.int8]
    labels: NDArray[np.int8]
    """As asked at that moment."""
    spend: NDArray[np.int64]
    """1/10,000 of the currency."""
    agreement: float | None
    """Share of labels that are the exact batch computation's; on the last day of a month only."""


class Figures(NamedTuple):
    """What a year shows."""

    changes: int
    per_customer_month: float
    upper_tenth: float
    """Changes a month of a customer whom nine of ten stay below."""
    agreement: float
    """The least of the months'."""
    customer_days: float
    """Share of customer-days on which the segment is the label."""
    apart: float
    """Greatest ratio between the shares of segments and of labels, of labels that hold 2 % or more."""
    explained: float
    """Share of the variance of ln spend on the days to come that the segments of the first day explain."""
    rise_days: float
    fall_days: float
    """Median days for which the label had been on the new side of the old segment."""
    shares: NDArray[np.float64]
    """(months, 8) of the customers who have a segment."""
    moves: NDArray[np.int64]
    """(8, 8) changes by segment left and entered."""


def follow(days: int, settings: LedgerSettings) -> tuple[list[Day], Replay]:
    """Every boundary of the first days, and what came out."""
    decoder, ledger, replay = Decoder(settings), Ledger(settings), Replay()
    found: list[Day] = []
    offset = 0
    for number, feeds in enumerate(_by_day(days, settings)):
        raws = [Raw(offset + at, feed.value, UNKNOWN_TIME) for at, feed in enumerate(feeds)]
        offset += len(raws)
        drive(ledger, decoder.decode(raws)[0], replay, finish=True)
        if number:  # the first tick opens the log
            month_ends = int(number / DAYS_A_MONTH) > int((number - 1) / DAYS_A_MONTH)
            asked_at = feeds[-1].occurred_at if month_ends else None
            found.append(_day(ledger._state, asked_at))  # noqa: SLF001 - as a test, it looks inside
    return found, replay


def _by_day(days: int, settings: LedgerSettings) -> Iterator[list[Feed]]:
    """The records up to and with each tick."""
    feeds: list[Feed] = []
    for feed in with_ticks(CompleteJourney(days=days), settings):
        feeds.append(feed)
        if feed.key is None:
            yield feeds
            feeds = []


def _day(state: State, asked_at: int | None) -> Day:
    rows = np.arange(len(state.ids))
    standing = state.standing(rows)
    bought = standing.frequency > 0
    cuts = state.histograms.thresholds()
    labels = np.full(len(rows), UNKNOWN, np.int8)
    if cuts is not None:
        labels[bought] = label(*cuts.scores(standing))[bought]
    agreement = None
    if asked_at is not None:
        known = exact.customers(exact.complete_journey(), before_ms=asked_at)
        held = {int(customer): number for number, customer in enumerate(state.ids)}
        mine = labels[[held[int(customer)] for customer in known.customers]]
        agreement = float(np.mean(mine == exact.rfm_labels(known)))
    return Day(state.customers["segment"][rows].copy(), labels, standing.spend, agreement)


def figures(days: Sequence[Day], replay: Replay, first: int = 0) -> Figures:
    """What the boundaries and the events say from a day on."""
    since = (FIRST_DATE + timedelta(days=first)).isoformat()
    customers = len(days[-1].segments)
    events: list[dict[str, Any]] = [
        event
        for event in replay.values("segment-changes")
        if event["from"] is not None and str(event["occurred_at"]) >= since
    ]
    changed = dict.fromkeys((str(event["customer_id"]) for event in events), 0)
    moves = np.zeros((len(SEGMENTS), len(SEGMENTS)), np.int64)
    for event in events:
        changed[event["customer_id"]] += 1
        moves[SEGMENTS.index(event["from"]), SEGMENTS.index(event["to"])] += 1
    days = days[first:]
    months = len(days) / DAYS_A_MONTH
    each = np.zeros(customers)
    each[: len(changed)] = list(changed.values())
    rises, falls = _delays(days)
    both = [
        (day.segments[seen], day.labels[seen])
        for day in days
        for seen in [(day.segments >= 0) & (day.labels >= 0)]
    ]
    said, meant = (np.concatenate(each_of) for each_of in zip(*both, strict=True))
    shares_of = [np.bincount(what, minlength=len(SEGMENTS)) / len(what) for what in (said, meant)]
    common = shares_of[1] >= 0.02
    ratio = shares_of[0][common] / shares_of[1][common]
    ends = [days[min(round((month + 1) * DAYS_A_MONTH), len(days)) - 1] for month in range(round(months))]
    counts = [np.bincount(day.segments[day.segments >= 0], minlength=len(SEGMENTS)) for day in ends]
    return Figures(
        changes=len(events),
        per_customer_month=len(events) / customers / months,
        upper_tenth=float(np.quantile(each, 0.9)) / months,
        agreement=min((day.agreement for day in days if day.agreement is not None), default=float("nan")),
        customer_days=float(np.mean(said == meant)),
        apart=float(np.maximum(ratio, 1 / np.maximum(ratio, 1e-9)).max()),
        explained=_explained(days),
        rise_days=float(np.median(rises)) if rises else 0.0,
        fall_days=float(np.median(falls)) if falls else 0.0,
        shares=np.array([count / max(count.sum(), 1) for count in counts]),
        moves=moves,
    )


def _explained(days: Sequence[Day]) -> float:
    """Return eta squared of ln(1 + spend) between the first and the last day, by the first day's segments."""
    first, last = days[0], days[-1]
    known = first.segments >= 0
    spent = np.log1p(np.maximum(last.spend[: len(first.spend)] - first.spend, 0) / 10_000)[known]
    groups = first.segments[known]
    count = np.bincount(groups)
    mean = np.bincount(groups, spent) / np.maximum(count, 1)
    return float((count * (mean - spent.mean()) ** 2).sum() / ((spent - spent.mean()) ** 2).sum())


def _delays(days: Sequence[Day]) -> tuple[list[int], list[int]]:
    """Days for which labels at boundaries had been better, or worse, than the segment that then changed."""
    customers = len(days[-1].segments)
    better, worse = np.zeros(customers, np.int64), np.zeros(customers, np.int64)
    before = np.full(customers, UNKNOWN, np.int8)
    rises, falls = list[int](), list[int]()
    for day in days:
        segments, labels = np.full(customers, UNKNOWN, np.int8), np.full(customers, UNKNOWN, np.int8)
        segments[: len(day.segments)], labels[: len(day.labels)] = day.segments, day.labels
        known = (before >= 0) & (labels >= 0)
        better = np.where(known & (labels < before), better + 1, 0)
        worse = np.where(known & (labels > before), worse + 1, 0)
        rises += better[(before >= 0) & (segments < before)].tolist()
        falls += worse[(before >= 0) & (segments > before)].tolist()
        better[segments != before] = worse[segments != before] = 0
        before = segments
    return rises, falls


def show(console: Console, margin: float, found: Figures) -> None:
    """Print what a margin gives."""
    console.print(
        f"\n[bold]margin {margin}[/bold]: {found.changes:,} changes, {found.per_customer_month:.2f} per "
        f"customer and month (a tenth of the customers has {found.upper_tenth:.2f} or more); median days for "
        f"which the label had been better before a rise {found.rise_days:.0f}, worse before a fall "
        f"{found.fall_days:.0f}; segment is the label on {found.customer_days:.3f} of the customer-days, "
        f"shares within a factor of {found.apart:.2f}, spend explained {found.explained:.3f}; labels as the "
        f"exact batch has them, worst month {found.agreement:.4f}"
    )
    shares = Table("month", *SEGMENTS, title="share of customers in each segment")
    for month, row in enumerate(found.shares, 1):
        shares.add_row(str(month), *(f"{share:.2f}" for share in row))
    moves = Table("from \\ to", *SEGMENTS, title="changes")
    for name, counts in zip(SEGMENTS, found.moves.tolist(), strict=True):
        moves.add_row(name, *(f"{count:,}" if count else "" for count in counts))
    console.print(shares, moves)


def main() -> None:
    """Replay once for every margin."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segments")
    parser.add_argument("--days", type=int, default=280)
    parser.add_argument("--first", type=int, default=189, help="first day that is judged")
    parser.add_argument("--margin", type=float, action="append", help="share of ranks; may be repeated")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    default = LedgerSettings.model_fields["segment_margin"].default
    console, report = Console(width=150), {}
    for margin in given.margin or [0.0, default]:
        settings = LedgerSettings(time_zone=TIME_ZONE, segment_margin=margin)
        found = figures(*follow(given.days, settings), given.first)
        show(console, margin, found)
        report[margin] = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in found._asdict().items()
        }
    if given.json:
        given.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
