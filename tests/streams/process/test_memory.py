"""How a worker keeps its memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from streams.process.memory import keep_buffers


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_the_allocator_takes_the_thresholds() -> None:
    script = "from streams.process.memory import keep_buffers; raise SystemExit(0 if keep_buffers() else 3)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_buffers()


def test_what_recovery_made_is_not_looked_at_again() -> None:
    script = (
        "import gc; from streams.process.memory import spare_the_collector; spare_the_collector(); "
        "raise SystemExit(0 if gc.get_freeze_count() > 1_000 and gc.get_threshold()[0] == 50_000 else 3)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
