"""The demonstration, for real and short: every basket is accounted for, and nothing is left running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.sources.complete_journey import CompleteJourney

pytestmark = pytest.mark.end_to_end

DEMO = [sys.executable, "-m", "cartpulse", "demo"]
SHARED = ["--partitions", "2", "--workers", "2"]
DEADLINE_SECONDS = 60.0


def children(pid: int) -> set[int]:
    """The processes that a process has started, and theirs."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            for child in map(int, path.read_text().split()):
                found |= {child} | children(child)
    return found


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_every_basket_is_accounted_for(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    done = subprocess.run(
        [*DEMO, *SHARED, "--days", "7", "--latency-seconds", "1", "--json", str(file)],
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(file.read_text())
    accounting = CompleteJourney(days=7).accounting
    assert report["baskets"] == accounting.baskets
    assert report["applied"] == accounting.sent
    assert report["customers"] == accounting.customers
    assert report["left_out"] == accounting.left_out
    assert (report["lost"], report["dead_letters"]) == (0, 0)
    assert report["segment_changes"] > 0
    assert report["cluster_changes"] >= 0
    assert report["recommendations"] > accounting.sent / 2
    assert 0 < report["popular_hit_share"] < 1
    assert 0 < report["recommendation_hit_share"] < 1
    assert report["latency_unanswered"] == 0
    assert 0 < report["latency_ms_p50"] <= report["latency_ms_p99"]
    assert f"{accounting.baskets:,} real baskets" in done.stdout
    assert "a local broker and 2 workers" in done.stdout
    assert done.stdout.count("7 days are too short to judge what comes out") == 2, "before and after"


def test_a_worker_that_would_have_nothing_to_do_is_refused() -> None:
    done = subprocess.run(
        [*DEMO, "--workers", "2"], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert done.returncode == 2
    assert "add --partitions 2" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are told by /proc")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demonstration_ends_all_that_it_started(sent: signal.Signals, status: int) -> None:
    process = subprocess.Popen(
        [*DEMO, "--speed", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(started := children(process.pid)) < 2 and time.monotonic() < deadline:
            os.sched_yield()
        assert len(started) >= 2
        process.send_signal(sent)
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == status
    assert "Traceback" not in errors
    assert errors == ("Ending ...\n" if sent == signal.SIGINT else "")
    assert not {pid for pid in started if alive(pid)}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are told by /proc")
def test_a_worker_that_ends_too_soon_ends_the_demonstration() -> None:
    process = subprocess.Popen(
        [*DEMO, *SHARED, "--speed", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(workers := [pid for pid in children(process.pid) if is_worker(pid)]) < 2:
            assert time.monotonic() < deadline
            os.sched_yield()
        started = children(process.pid)
        os.kill(workers[1], signal.SIGKILL)
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert "the worker ended with status -9" in errors
    assert not {pid for pid in started if alive(pid)}


def is_worker(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"cartpulse\0worker\0")
    except OSError:
        return False
