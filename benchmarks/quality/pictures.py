"""Pictures of a report: reliability, precision over recall, clusters, and shares of segments by month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.quality.tables import emitted, segments
from benchmarks.quality.tables.next_purchase import OURS
from models.clusters.features import FEATURES, values_of
from models.clusters.names import portraits_of
from models.learning.clusters import SCALE, Clusters
from models.learning.rfm import SEGMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.quality.report import Run

TENTHS: Final = 10
COLOURS: Final = ("#1b9e77", "#66a61e", "#a6d854", "#80b1d3", "#8da0cb", "#e6ab02", "#d95f02", "#999999")
"""One a segment, from the best to the worst."""
_WORDS: Final = ("trips a week", "basket value", "items", "days between", "discounts")


def draw(run: Run, folder: Path) -> list[Path]:
    """Draw the pictures of the sections that a run answered, as SVG; returns their files."""
    import matplotlib as mpl  # noqa: PLC0415 - of the benchmark's own group of packages

    mpl.use("svg")
    # Text stays text, and the same figures give the same bytes.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cartpulse", "font.size": 9})
    folder.mkdir(parents=True, exist_ok=True)
    ours = run.ours[OURS]["category"]
    drawn = [_reliability(run, folder), _segments(run, folder)]
    if ours.chances:
        drawn.append(_precision(run, folder))
    if any(ours.clusters.values()):
        drawn.append(_clusters(run, folder))
    return drawn


def _figure(**how: Any) -> tuple[Any, Any]:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - of the benchmark's own group of packages

    figure, axes = plt.subplots(**how)
    return figure, axes


def _saved(figure: Any, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file


def _tenths(said: NDArray[np.float64], seen: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """Return the means of what was said and seen over tenths of the rows, by what was said."""
    parts = [part for part in np.array_split(np.argsort(said, kind="stable"), TENTHS) if len(part)]
    return [float(said[part].mean()) for part in parts], [float(seen[part].mean()) for part in parts]


def _reliability(run: Run, folder: Path) -> Path:
    topics = run.ours[OURS]["category"].topics
    names, days = run.journey.names["category"], run.window.trip_days
    found = emitted.raised_alerts(topics, run.history, names, days, run.window.days)
    curves = {
        "alert: in its window": (found.said, emitted.in_window(found, -2, 5)),
        "alert: within 7 days": (found.soon, found.until < found.raised + 7),
    }
    if run.ours[OURS]["category"].chances:
        curves["pair: within 7 days"] = (run.digests.scores[OURS], run.digests.seen)
    figure, axis = _figure(figsize=(4.6, 4.2))
    axis.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1)
    for (label, (said, seen)), mark in zip(curves.items(), "os^", strict=False):
        text = f"{label} ({len(said):,})"
        axis.plot(*_tenths(said, seen), marker=mark, markersize=4, linewidth=1, label=text)
    axis.set(xlabel="chance said", ylabel="share seen", xlim=(0, 1), ylim=(0, 1))
    axis.set_title("Reliability, tenths by what was said")
    axis.legend(frameon=False)
    return _saved(figure, folder / "reliability.svg")


def _precision(run: Run, folder: Path) -> Path:
    from benchmarks.quality.measures.scores import Ranking  # noqa: PLC0415 - beside its use

    figure, axis = _figure(figsize=(5.4, 4.2))
    for name, score in run.digests.scores.items():
        ranking = Ranking(score, run.digests.seen)
        at = np.unique(np.linspace(0, len(ranking.recall) - 1, 400).astype(np.int64))
        wide = 2.2 if name == OURS else 1.0
        label = f"{name.strip('*')} (AP {ranking.average_precision:.3f})"
        axis.plot(ranking.recall[at], ranking.precision[at], linewidth=wide, label=label)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
    axis.set_title("Who buys a category within a week, asked on Sundays")
    axis.legend(frameon=False)
    return _saved(figure, folder / "precision-recall.svg")


def _clusters(run: Run, folder: Path) -> Path:
    parts = run.ours[OURS]["category"].clusters
    day = max(day for day, found in parts.items() if found)
    part = parts[day][0]
    sizes = np.bincount(part.clusters, minlength=len(part.centres))
    raw = [(part.centres * part.spread + part.mean) * SCALE, part.mean * SCALE, part.spread * SCALE]
    portraits = portraits_of(Clusters(raw[0], raw[1], raw[2], sizes), FEATURES)
    figure, axes = _figure(nrows=2, ncols=4, figsize=(10, 4.6), sharex=True, sharey=True)
    values = values_of(raw[0])
    for number, axis in zip(np.argsort(-sizes).tolist(), axes.ravel(), strict=True):
        away = part.centres[number]
        axis.barh(_WORDS, away, color=np.where(away > 0, "#1b9e77", "#d95f02").tolist())
        axis.axvline(0, color="#888888", linewidth=0.8)
        axis.invert_yaxis()
        trips, value, items = values[number][:3]
        axis.set_title(f"{portraits[number].name}\n{portraits[number].share:.0%} of customers", fontsize=9)
        axis.text(
            0.98, 0.03, f"{trips:.1f} a week, ${value:.0f}, {items:.0f} items", fontsize=7,
            ha="right", transform=axis.transAxes,
        )  # fmt: skip
    figure.suptitle(f"Clusters on day {day}: standard deviations from the average customer", fontsize=10)
    return _saved(figure, folder / "clusters.svg")


def _segments(run: Run, folder: Path) -> Path:
    baskets = segments.baskets_of(run.journey)
    standings = run.ours[OURS]["category"].standings
    shares: dict[str, dict[str, list[NDArray[np.float64]]]] = {"reported": {}, "exact at the instant": {}}
    for instant, standing in standings.items():
        month = datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m")
        exact = segments.exact_labels(baskets, instant).labels
        for kind, numbers in (("reported", standing.segments), ("exact at the instant", exact)):
            counts = np.bincount(numbers[numbers >= 0], minlength=len(SEGMENTS))
            shares[kind].setdefault(month, []).append(counts / max(counts.sum(), 1))
    figure, axes = _figure(ncols=2, figsize=(9, 4), sharey=True)
    for axis, (kind, by_month) in zip(axes, shares.items(), strict=True):
        months, bottom = sorted(by_month), np.zeros(len(by_month))
        each = np.array([np.mean(by_month[month], axis=0) for month in months])
        for number, (segment, colour) in enumerate(zip(SEGMENTS, COLOURS, strict=True)):
            axis.bar(months, each[:, number], bottom=bottom, color=colour, width=0.8, label=segment)
            bottom += each[:, number]
        axis.set_title(f"Share of customers, {kind}")
        axis.set_ylim(0, 1)
    axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
    return _saved(figure, folder / "segments.svg")
