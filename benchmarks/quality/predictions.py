"""Predictions without the truth, one file a section and ledger, for whoever judges them apart.

| file | columns |
| --- | --- |
| `a1.csv` | household_id, key, pred_days, p7, p14, p28, score (and the date after which the days count) |
| `a2.csv` | household_id, key, date, pred_days, q10, q50, q90, likely_days |
| `b1.csv` | household_id, key, date, alert_date, score |
| `b2.csv` | household_id, key, date, score |
| `c-LEVEL.csv` | household_id, date, items, separated by `;` |
| `d.jsonl` | customer_id, as_of, label, segment, r, f, m, cluster (null while there is none) |
| `e.csv` | customer_id, p_active, x_hold (empty: purchases are not foretold), spend |
| `centers.json` | per day and partition: names of the features, and centres, mean and spread in their units |

A key is the name of a category. Days count from the date.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.log import journey as journeys
from benchmarks.quality.log.windows import date_of
from benchmarks.quality.tables import cycles
from benchmarks.quality.tables.baskets import asked_trips
from models.clusters.features import FEATURES
from models.learning.rfm import SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.quality.log.ours import Ours
    from benchmarks.quality.log.pairs import Asked
    from benchmarks.quality.report import Run


def write(run: Run, folder: Path) -> None:
    """Write what every ledger of a run predicted, each into a folder named after its partitions."""
    for name, partitions in run.partitions.items():
        own = folder / f"{partitions}-partitions"
        own.mkdir(parents=True, exist_ok=True)
        ours = run.ours[name].get("category")
        if ours is not None:
            _write_pairs(run, ours, own)
            _write_labels(ours, own / "d.jsonl")
            _write_centres(ours, own / "centers.json")
        for level in journeys.LEVELS:
            given = run.lists(level).get(name) if "product_type" in run.ours[name] else None
            if given is None:
                continue
            names = run.journey.names[level]
            rows = (
                (household, date_of(day), ";".join(names[item] for item in given(household, day)))
                for household, day in asked_trips(run.journey.bought(level), run.window.trip_days)
            )
            _csv(own / f"c-{level}.csv", "household_id date items", rows)
        outlook = run.outlooks.get(name)
        if outlook is not None:
            rows_of_value = zip(
                outlook.households.tolist(),
                _rounded(outlook.active),
                [""] * len(outlook.households),
                _rounded(outlook.spend),
                strict=True,
            )
            _csv(own / "e.csv", "customer_id p_active x_hold spend", rows_of_value)


def _write_pairs(run: Run, ours: Ours, folder: Path) -> None:
    """Write A1, A2, B1 and B2."""
    history, names, window = run.history, run.journey.names["category"], run.window

    def pairs(asked: Asked) -> list[list[Any]]:
        keys = [names[name] for name in history.names(asked).tolist()]
        return [history.households(asked).tolist(), keys, list(map(date_of, asked.day.tolist()))]

    first, weekly = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for cut, answer in ours.chances.items():
        said = answer.forecast
        if said is None:
            continue
        household, key, date = pairs(history.at(cut))
        if cut in window.pair_cuts:
            columns = [said.days, *said.chances, said.chances[1]]
            first += zip(household, key, date, *map(_rounded, columns), strict=True)
        if cut in window.digest_cuts:
            weekly += zip(household, key, date, _rounded(said.chances[0]), strict=True)
    _csv(folder / "a1.csv", "household_id key date pred_days p7 p14 p28 score", first)
    _csv(folder / "b2.csv", "household_id key date score", weekly)
    asked = history.after(window.purchase_days)
    whole, _, _ = cycles.gathered(ours.cycles, asked)
    household, key, date = pairs(asked)
    low, middle, high = map(_rounded, whole.quantiles)
    likely = whole.date.astype(np.int64)
    times = zip(household, key, date, middle, low, middle, high, likely.tolist(), strict=True)
    _csv(folder / "a2.csv", "household_id key date pred_days q10 q50 q90 likely_days", times)
    alerts = list(map(date_of, (asked.day + likely).tolist()))
    rows = zip(household, key, date, alerts, _rounded(whole.chance), strict=True)
    _csv(folder / "b1.csv", "household_id key date alert_date score", rows)


def _write_labels(ours: Ours, file: Path) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for instant, said in ours.standings.items():
            moment = datetime.fromtimestamp(instant / 1000, UTC).isoformat()
            columns = said.households, said.labels, said.segments, said.clusters, *said.scores
            for who, label, segment, cluster, r, f, m in zip(
                *(column.tolist() for column in columns), strict=True
            ):
                row = {
                    "customer_id": who,
                    "as_of": moment,
                    "label": None if label < 0 else SEGMENTS[label],
                    "segment": None if segment < 0 else SEGMENTS[segment],
                    "r": r,
                    "f": f,
                    "m": m,
                    "cluster": None if cluster < 0 else cluster,
                }
                lines.write(json.dumps(row) + "\n")


def _write_centres(ours: Ours, file: Path) -> None:
    told = [
        {
            "day": date_of(day).isoformat(),
            "partition": number,
            "features": [feature.measure for feature in FEATURES],
            "centres": (part.centres * part.spread + part.mean).round(6).tolist(),
            "mean": part.mean.round(6).tolist(),
            "spread": part.spread.round(6).tolist(),
        }
        for day, parts in sorted(ours.clusters.items())
        for number, part in enumerate(parts)
    ]
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _rounded(values: NDArray[np.float64]) -> list[float]:
    rounded: list[float] = np.round(values, 6).tolist()
    return rounded


def _csv(file: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(header.split())
        writer.writerows(rows)
