"""The end of a worker: one line, and a bound."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from streams.errors import EngineError
from streams.process.shutdown import LAST_RESORT_SECONDS, Shutdown

if TYPE_CHECKING:
    import pytest


def test_only_the_first_reason_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    times: list[float] = []
    ending = Shutdown(times.append)
    assert ending.begin(EngineError("the first"))
    assert not ending.begin(EngineError("what follows from it"))
    assert [record.getMessage() for record in caplog.records] == ["The worker ends: the first"]
    assert times == [LAST_RESORT_SECONDS]


def test_an_error_without_words_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    Shutdown(lambda _: None).begin(KeyError())
    assert "KeyError()" in caplog.text


def test_a_stop_that_was_asked_for_is_bounded_too_and_needs_no_reason() -> None:
    times: list[float] = []
    ending = Shutdown(times.append)
    ending.expect()
    assert times == [LAST_RESORT_SECONDS]
    assert ending.reason is None


def test_a_process_that_hangs_is_gone_with_status_one() -> None:
    script = "import time; from streams.process.shutdown import exit_after; exit_after(0.1); time.sleep(60)"
    begun = time.monotonic()
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 1
    assert time.monotonic() - begun < 30


def test_a_process_that_hangs_keeps_the_status_of_what_ended_it() -> None:
    script = (
        "import time; from streams.process import shutdown; from streams.errors import SourceJumpedError; "
        "shutdown.LAST_RESORT_SECONDS = 0.1; shutdown.Shutdown().begin(SourceJumpedError('x')); "
        "time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 3


def test_a_process_that_stops_in_time_is_not_held_up() -> None:
    script = "from streams.process.shutdown import exit_after; exit_after(3600)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
