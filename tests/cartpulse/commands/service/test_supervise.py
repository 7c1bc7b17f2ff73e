"""Workers that are kept running on one machine, and ended together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from cartpulse.commands.service.supervise import LONGEST_PAUSE_SECONDS, Backoff, Supervisor, environments
from streams.errors import SettingsError
from streams.process.exit_status import Status
from streams.settings.environment import load_settings
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAM = """
import os, pathlib, signal, sys, time
name, folder = os.environ["CARTPULSE_WORKER_NAME"], pathlib.Path(os.environ["FOLDER"])
with (folder / name).open("a") as starts:
    starts.write(f"{os.getpid()}\\n")
signal.signal(signal.SIGTERM, signal.SIG_IGN if name in os.environ["DEAF"] else lambda *_: sys.exit(0))
status = dict(pair.split("=") for pair in os.environ["STATUSES"].split(",") if pair).get(name)
if status is not None:
    sys.exit(int(status))
time.sleep(60)
"""


class Machine:
    """A supervisor over workers that write down when they start."""

    def __init__(self, folder: Path, *, workers: int = 2, statuses: str = "", deaf: str = "") -> None:
        self._folder = folder
        told = {"FOLDER": str(folder), "STATUSES": statuses, "DEAF": deaf}
        self.supervisor = Supervisor(
            environments(Settings(), workers, dict(os.environ) | told),
            command=(sys.executable, "-c", PROGRAM),
            first_pause=0.01,
            stop=2.0,
        )

    def starts(self, name: str) -> list[int]:
        """Process ids, in order."""
        path = self._folder / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - a file, not an event
                await asyncio.sleep(0.01)

    def gone(self) -> bool:
        """Whether no worker is left."""
        return all(not alive(pid) for path in self._folder.iterdir() for pid in self.starts(path.name))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_all_run_and_all_end_when_the_supervisor_is_told_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    machine = Machine(tmp_path)
    running = asyncio.create_task(machine.supervisor.run())
    await machine.until(lambda: machine.starts("worker-1") and machine.starts("worker-2"))
    os.kill(os.getpid(), number)
    assert await running == 0
    assert machine.gone()


async def test_a_worker_that_is_killed_is_started_again_and_the_others_are_left_alone(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    running = asyncio.create_task(machine.supervisor.run())
    await machine.until(lambda: machine.starts("worker-1") and machine.starts("worker-2"))
    os.kill(machine.starts("worker-1")[0], signal.SIGKILL)
    await machine.until(lambda: len(machine.starts("worker-1")) == 2)
    assert len(machine.starts("worker-2")) == 1
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert machine.gone()


async def test_a_worker_that_ends_at_once_is_started_again_but_not_without_end(tmp_path: Path) -> None:
    machine = Machine(tmp_path, statuses="worker-1=1")
    running = asyncio.create_task(machine.supervisor.run())
    await machine.until(lambda: len(machine.starts("worker-1")) == 5)
    assert not running.done()
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert len(machine.starts("worker-1")) == 5


@pytest.mark.parametrize("status", [Status.REFUSED, Status.NEWER_ROWS, Status.BOUNDARY], ids=str)
async def test_an_end_that_will_not_heal_ends_them_all_with_its_status(
    tmp_path: Path, status: Status
) -> None:
    machine = Machine(tmp_path, statuses=f"worker-2={int(status)}")
    assert await machine.supervisor.run() == status
    assert len(machine.starts("worker-2")) == 1
    assert machine.gone()


async def test_a_worker_that_does_not_end_is_killed_in_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path, deaf="worker-2")
    running = asyncio.create_task(machine.supervisor.run())
    await machine.until(lambda: machine.starts("worker-1") and machine.starts("worker-2"))
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await running == 1
    assert machine.gone()


def test_pauses_double_up_to_half_a_minute_and_begin_anew_after_a_steady_minute() -> None:
    backoff, now, pauses = Backoff(), 0.0, []
    for _ in range(12):
        backoff.started(now)
        pauses.append(backoff.pause(now))
        now += pauses[-1]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    backoff.started(now)
    assert backoff.pause(now + 61) == 0.5


def test_a_worker_is_started_five_times_within_a_minute_at_most() -> None:
    backoff, now, starts = Backoff(), 0.0, []
    while now < 600:
        backoff.started(now)
        starts.append(now)
        now += backoff.pause(now)
    assert max(sum(first <= start < first + 60 for start in starts) for first in starts) <= 5


def test_each_worker_has_a_name_a_port_and_a_membership_of_its_own() -> None:
    settings = Settings(
        kafka_broker="k:1", accept_gap=True, web_port=7_000, group_instance_id="till", worker_name="shop"
    )
    made = [load_settings(each) for each in environments(settings, 2, {"CARTPULSE_WEB_PORT": "1"})]
    assert [each.web_port for each in made] == [7_000, 7_001]
    assert [each.group_instance_id for each in made] == ["till-1", "till-2"]
    assert [each.worker_name for each in made] == ["shop-1", "shop-2"]
    assert {(each.kafka_broker, each.accept_gap) for each in made} == {("k:1", True)}


def test_a_web_server_that_is_off_stays_off_and_nobody_gets_a_membership_that_was_not_asked_for() -> None:
    made = [load_settings(each) for each in environments(Settings(web_port=0), 2, {})]
    assert [(each.web_port, each.group_instance_id) for each in made] == [(0, None)] * 2


def test_too_few_ports_are_refused_before_anything_is_started() -> None:
    with pytest.raises(SettingsError, match="leaves no port for each of 3 workers"):
        environments(Settings(web_port=65_534), 3, {})
