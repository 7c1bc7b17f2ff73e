"""Columns and answers of learners, and predictions on disk, by hand."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.quality import predictions
from benchmarks.quality.__main__ import main
from benchmarks.quality.baselines import rules, trees
from benchmarks.quality.baselines.features import Features
from benchmarks.quality.log.windows import Window
from benchmarks.quality.report import Run
from tests.benchmarks.quality.test_log import history

if TYPE_CHECKING:
    from pathlib import Path

WINDOW = Window(
    name="made up",
    days=24,
    cuts=(3,),
    purchases=(3, 3),
    sundays=(3, 3),
    trips=(3, 4),
    instants=(3, 3),
    value=(14, 20),
)


def test_columns_know_the_past_alone() -> None:
    later = history((0, 6, 10, 30), (0, 9, 40, 41))
    now = history((0, 6, 10), (0, 9))
    asked, same = later.at(12), now.at(12)
    assert Features(later).of(asked).tolist() == Features(now).of(same).tolist()


def test_columns_are_those_of_a_cell() -> None:
    pairs = history((0, 6, 10))
    row = Features(pairs).of(pairs.at(13))[0].tolist()
    logs = np.log([6, 4])
    # Purchases, last interval, mean and spread of ln D, recency-weighted D and ln D, elapsed, age.
    weighted = logs[0] + 0.3 * (logs[1] - logs[0])
    assert row[:8] == pytest.approx([3, 4, logs.mean(), logs.std(), 5.4, weighted, 2, 12])
    # The count of half-life 14 days: 1 now, .5^(4/14) of the one before, .5^(10/14) of the first.
    assert row[11] == pytest.approx(1 + 0.5 ** (4 / 14) + 0.5 ** (10 / 14))


def test_rates_agree_with_counts_taken_anew() -> None:
    pairs = history((0, 6, 10), (0, 7, 20, 21), (3, 5, 9, 40))
    asked = pairs.at(22)
    first, counts = rules.counts_of(pairs, 22)
    assert first.tolist() == asked.first.tolist()
    shape, days = rules._moments(counts, 1)
    rates = rules.decayed_gamma_poisson(pairs, asked, 22)
    assert rates.shape - shape[0] == pytest.approx(counts.decayed)
    assert rates.days - days[0] == pytest.approx(rules.watched(counts.age))


def test_a_median_lies_where_half_has_bought() -> None:
    # .5 within 14 days exactly; .5 between 7 (.25) and 14 (.75) days by straight log survival.
    found = trees._median_days(np.array([[0.2, 0.25], [0.5, 0.75], [0.6, 0.8]]))
    low, high = -np.log(0.75), -np.log(0.25)
    assert found.tolist() == pytest.approx([14.0, 7 + 7 * (np.log(2) - low) / (high - low)])


def test_bins_become_quantiles_and_the_date_that_is_hit_most_likely() -> None:
    # All in the bin of days 12 to 14: a third a day, so .1 by day 12, .5 by 13, .9 by 14.
    said = np.zeros((1, len(trees.BINS)))
    said[0, 5:] = 1
    low, middle, high, date, chance = trees._of_bins(said)[:, 0].tolist()
    assert (low, middle, high) == (12, 13, 14)
    # The first window that holds days 12 to 14 is the one of day 9: 7 to 14.
    assert (date, chance) == (9, 1)
    # Nothing within the follow-up: a day beyond it.
    never = np.zeros((1, len(trees.BINS)))
    assert trees._of_bins(never)[:3, 0].tolist() == [92, 92, 92]


def test_predictions_are_written_by_ledger_and_hold_no_truth(tmp_path: Path) -> None:
    run = Run(WINDOW, 80, {"one": 1}, lambda _: None, learners=False)
    run.answer({"A1", "C", "E"})
    predictions.write(run, tmp_path)
    folder = tmp_path / "1-partitions"
    heads = {}
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
        heads[file.stem] = rows[0]
        assert len(rows) > 1, file
    assert heads["a1"] == ["household_id", "key", "date", "pred_days", "p7", "p14", "p28", "score"]
    assert heads["a2"] == ["household_id", "key", "date", "pred_days", "q10", "q50", "q90", "likely_days"]
    assert heads["b1"] == ["household_id", "key", "date", "alert_date", "score"]
    assert heads["b2"] == ["household_id", "key", "date", "score"]
    assert heads["c-product_type"] == ["household_id", "date", "items"]
    assert heads["e"] == ["customer_id", "p_active", "x_hold", "spend"]
    assert json.loads((folder / "centers.json").read_text(encoding="utf-8")) == [], (
        "there are too few of them"
    )
    assert '"segment"' in (folder / "d.jsonl").read_text(encoding="utf-8")
    titles = [table.title[:2] for table in run.tables({"A1", "A2", "B1", "B2", "C", "D", "E", "emitted"})]
    assert titles == ["A1", "A2", "B1", "B2", "C.", "C.", "C.", "D.", "E.", "As", "As", "As"]


def test_a_section_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["F"])
    assert "no such section: F; there are A1" in capsys.readouterr().err
