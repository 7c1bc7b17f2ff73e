"""Reports: written as runs finish, taken up again, added up, merged, and put into a page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.verification.proof.report import BEGIN, END, ZEROS, Finished, Report
from tests.verification.proof.runner import planned
from tests.verification.proof.scenario import BOTH, Scenario

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.verification.proof.stage import Stage

RUN = Finished(
    name="a fault",
    guarantee="at_least_once",
    seed=1,
    number=0,
    events=100,
    faults=2,
    longest_stall_seconds=2.5,
)


async def story(stage: Stage, chance: random.Random) -> None:
    """Nothing happens."""
    del stage, chance


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    written = Report()
    written.add(RUN)
    written.add(replace(RUN, number=1, events=50, longest_stall_seconds=4.25))
    written.write(path)
    read = Report.read(path)
    assert read.finished == written.finished
    assert read.facts == written.facts
    assert [each.name for each in tmp_path.iterdir()] == ["proof.json"]
    content = json.loads(path.read_text())
    assert content["scenarios"] == [
        {
            "name": "a fault",
            "guarantee": "at_least_once",
            "runs": 2,
            "events": 150,
            "lost": 0,
            "counted_twice": 0,
            "outputs_missing": 0,
            "outputs_repeated": 0,
            "customers_differing": 0,
            "longest_stall_seconds": 4.25,
            "worker_exits": 0,
        }
    ]
    assert content["seeds"] == [1]
    assert {"date", "commit", "machine"} < content.keys()


def test_a_file_that_is_not_there_is_an_empty_report(tmp_path: Path) -> None:
    assert Report.read(tmp_path / "proof.json") == Report()


def test_what_is_finished_is_not_made_again() -> None:
    scenario = Scenario(name="a fault", story=story, runs=2)
    report = Report([RUN])
    runs = planned([scenario], BOTH, seed=1, report=report)
    assert [run.key[1:] for run in runs] == [
        ("exactly_once", 1, 0),
        ("at_least_once", 1, 1),
        ("exactly_once", 1, 1),
    ]
    assert len(planned([scenario], BOTH, seed=2, report=report)) == 4
    assert len(planned([scenario], ["at_least_once"], seed=1, report=report)) == 1
    assert len(planned([scenario], BOTH, seed=2, report=report, most=1)) == 2


def test_every_scenario_is_tried_once_before_any_is_tried_twice() -> None:
    scenarios = [Scenario(name=name, story=story, runs=2) for name in "ab"]
    runs = planned(scenarios, ["at_least_once"], seed=1, report=Report())
    assert [(run.scenario.name, run.number) for run in runs] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_merged_reports_hold_every_run_once() -> None:
    other = replace(RUN, seed=2)
    first, second = Report(), Report()
    first.add(RUN)
    second.add(RUN)
    second.add(other)
    merged = first.merged(second)
    assert merged.finished == [RUN, other]
    assert merged.facts["seeds"] == [1, 2]


@pytest.mark.parametrize("name", ZEROS)
def test_a_number_that_is_not_zero_makes_a_report_unclean(name: str) -> None:
    report = Report([RUN, Finished(**vars(RUN) | {"number": 1, name: 3})])
    assert not report.clean
    assert report.scenarios()[0][name] == 3


def test_a_run_that_hung_makes_a_report_unclean_whatever_its_numbers() -> None:
    assert Report([RUN]).clean
    assert not Report([replace(RUN, failure="it hung")]).clean


def test_the_table_of_a_page_is_replaced_and_the_rest_of_it_kept(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    report = Report()
    report.add(RUN)
    report.write_markdown(page)
    report.write_markdown(page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "| a fault | at least once | 1 | 2 | 100 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 2.5 | 0 |" in text


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="begin"):
        Report([RUN]).write_markdown(page)
