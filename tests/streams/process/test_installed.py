"""Programs and jars lie where Cartpulse is installed; neither a home nor a writable environment is needed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.brokers.embedded import LocalBroker
from streams.errors import LocalBrokerError
from streams.process import installed
from streams.process.installed import broker_program, data_folder


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that is empty, beside a folder for temporary files."""
    folder = tmp_path / "environment"
    folder.mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(sys, "prefix", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return folder


@pytest.fixture
def stripped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's program as an installer left it that keeps no right to execute."""
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho a broker\n")
    program.chmod(0o644)
    monkeypatch.setattr(installed, "_bundled", lambda: program)
    return program


def read_only(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment be one that cannot be written; for root, too."""
    prefix.rmdir()
    prefix.write_text("no folder")
    monkeypatch.setattr(sys, "prefix", str(prefix))


def test_the_embedded_broker_is_started_where_it_is_installed() -> None:
    assert Path(broker_program()).is_relative_to(sys.prefix)


@pytest.mark.parametrize("home", ["/nonexistent", "/proc", None])
def test_a_home_that_cannot_be_written_or_is_unset_is_no_obstacle(home: str | None) -> None:
    program = (
        "import asyncio\n"
        "from streams.brokers.embedded import LocalBroker\n"
        "async def main():\n"
        "    async with LocalBroker() as local:\n"
        "        print(local.running)\n"
        "asyncio.run(main())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {} if home is None else {"HOME": home}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_nothing_is_added_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async def start_and_stop() -> None:
        async with LocalBroker():
            pass

    asyncio.run(start_and_stop())
    assert list(tmp_path.iterdir()) == []


def test_a_program_without_the_right_to_execute_is_copied_into_the_environment_once(
    prefix: Path, stripped: Path
) -> None:
    copy = Path(broker_program())
    assert copy.is_relative_to(prefix)
    assert subprocess.run([copy], capture_output=True, text=True, check=True).stdout == "a broker\n"
    stamp = copy.stat().st_mtime_ns
    assert Path(broker_program()) == copy
    assert copy.stat().st_mtime_ns == stamp
    stripped.write_text("#!/bin/sh\necho another release\n")
    assert Path(broker_program()) != copy


def test_starts_at_the_same_moment_leave_one_whole_copy(prefix: Path, stripped: Path) -> None:
    stripped.write_bytes(b"#!/bin/sh\necho a broker\nexit 0\n" + b"#" * 3_000_000)
    with ThreadPoolExecutor(8) as starts:
        copies = set(starts.map(lambda _: broker_program(), range(16)))
    (copy,) = copies
    assert Path(copy).read_bytes() == stripped.read_bytes()
    assert list((prefix / "share" / "cartpulse").iterdir()) == [Path(copy)]


def test_an_environment_that_cannot_be_written_has_it_among_the_temporary_files(
    prefix: Path, stripped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stripped
    read_only(prefix, monkeypatch)
    copy = Path(broker_program())
    assert copy.parent == prefix.parent / "temporary" / f"cartpulse-{os.getuid()}"
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_started_from_a_folder_that_others_may_write(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only(prefix, monkeypatch)
    folder = data_folder()
    folder.chmod(0o777)
    with pytest.raises(LocalBrokerError, match="is not this user's alone: remove it"):
        data_folder()
    folder.rmdir()
    folder.symlink_to(prefix.parent)
    with pytest.raises(LocalBrokerError, match="is not this user's alone"):
        data_folder()


def test_no_folder_that_can_be_written_is_said_in_one_sentence(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only(prefix, monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(prefix / "nowhere"))
    with pytest.raises(LocalBrokerError, match="name one in TMPDIR"):
        data_folder()
