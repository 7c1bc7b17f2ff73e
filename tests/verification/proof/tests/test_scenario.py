"""Scenarios: how they are named and picked, and that one seed gives one schedule of faults."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from streams.settings.settings import Settings
from tests.verification.proof.__main__ import chosen
from tests.verification.proof.runner import Run, service
from tests.verification.proof.scenario import scenario, scenarios
from tests.verification.proof.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Worker:
    """A process that does nothing but end."""

    def __init__(self) -> None:
        self.status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""
        return self.status

    def kill(self) -> None:
        """It ends."""
        self.status = -9

    def wait(self) -> None:
        """It has ended."""

    def send_signal(self, number: int) -> None:
        """It does not mind."""


class Rehearsal(Stage):
    """A stage without a broker, on which every condition holds at once."""

    def __init__(self, folder: Path, lines: list[str]) -> None:
        async def written(least: int) -> None:
            lines.append(f"{least} written")

        load: Any = SimpleNamespace(events=6_000, start=lambda: None, until_written=written)
        super().__init__(
            Settings(session_timeout_ms=2_000),
            folder,
            guarantee="exactly_once",
            broker=None,
            load=load,
            say=lines.append,
        )
        self._lines = lines
        nothing: Any = SimpleNamespace(measure_from_now=lambda: None, applied=0)
        self.watch = nothing

    def start(self, **options: Any) -> Any:
        """Start nothing."""
        self._lines.append(f"start {options}")
        worker: Any = Worker()
        self.workers.append(worker)
        return worker

    async def term(self, worker: Any) -> None:
        """It ends at once."""
        self.note(f"SIGTERM of worker {self.number(worker)}")
        worker.status = 0

    async def until_applied(self, least: int, seconds: float = 0) -> None:
        """They are."""
        del seconds
        self._lines.append(f"{least} applied")

    async def until(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        """It is so."""
        del condition, seconds, what

    async def pause(self, seconds: float) -> None:
        """No time passes."""
        self.note(f"{seconds} s pass")


STORIES = [
    "kill -9 of a worker",
    "two workers within half a second",
    "SIGSTOP beyond the session, SIGCONT, SIGKILL of the successor",
    "SIGTERM rolling restart of all workers",
    "1 -> 4 -> 1 workers",
]


@pytest.mark.parametrize("name", STORIES)
async def test_one_seed_gives_one_schedule_and_another_seed_another(name: str, tmp_path: Path) -> None:
    schedules = []
    for seed in (1, 1, 2):
        lines: list[str] = []
        await scenarios()[name].story(Rehearsal(tmp_path, lines), random.Random(seed))
        assert len(lines) > 3
        schedules.append(lines)
    assert schedules[0] == schedules[1] != schedules[2]


def test_the_settings_of_a_run_are_those_of_its_seed_but_for_names_that_no_other_run_has() -> None:
    run = Run(scenarios()["64 partitions"], "exactly_once", 1, 0)
    first, second = (service(run, "127.0.0.1:9092", random.Random(1)) for _ in range(2))
    assert first.topic_prefix != second.topic_prefix
    assert first.partitions == 64
    assert first.delivery_guarantee == "exactly_once"
    names = {"application": "x", "topic_prefix": "x."}
    assert first.model_copy(update=names) == second.model_copy(update=names)


def test_a_scenario_is_picked_by_its_name_or_by_a_part_that_several_may_share() -> None:
    assert len(chosen(None)) == len(scenarios()) > 10
    assert [each.name for each in chosen(["kill -9 of a worker"])] == ["kill -9 of a worker"]
    assert {"SIGTERM rolling restart of all workers"} < {each.name for each in chosen(["SIG"])}
    with pytest.raises(SystemExit, match="No scenario is called 'nothing'"):
        chosen(["nothing"])


def test_two_scenarios_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two scenarios"):
        scenario(STORIES[0], runs=1)(scenarios()[STORIES[0]].story)
