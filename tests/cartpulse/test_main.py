"""The command line: every command explains itself with an example and ends with a status a script can use."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from importlib.metadata import version
from platform import python_version
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from cartpulse.main import app
from streams.errors import BrokerUnreachableError
from streams.kafka.topics import TopicsReport

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

COMMANDS = (
    ("demo",),
    ("worker",),
    ("broker",),
    ("doctor",),
    ("topics",),
    ("catalogue",),
    ("go-live",),
    ("replay",),
    ("customer",),
    ("export",),
    ("snapshot",),
    ("erase",),
    ("watch",),
    ("reset",),
    ("dead-letters",),
    ("dead-letters", "list"),
    ("dead-letters", "show"),
    ("dead-letters", "replay"),
    ("settings",),
)
NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BROKER", raising=False)
    monkeypatch.delenv("CARTPULSE_CLOCK", raising=False)


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=typed)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Example: " in result.output


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert all(command[0] in result.output for command in COMMANDS)


def test_no_command_shows_the_help() -> None:
    assert "Usage" in run().output


def test_an_unknown_command_is_the_callers_mistake() -> None:
    result = run("demnstration")
    assert result.exit_code == 2
    assert "demnstration" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("topics",),
        ("dead-letters", "list"),
        ("customer", "1"),
        ("export", "1"),
        ("snapshot", "--parquet", "."),
        ("watch",),
        ("reset", "--yes"),
        ("replay",),
    ],
    ids=" ".join,
)
def test_without_a_broker_a_command_fails_in_one_clear_line(command: tuple[str, ...]) -> None:
    result = run(*command, "--broker", NOWHERE)
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("cartpulse: ")]
    assert len(lines) == 1
    assert NOWHERE in lines[0]
    assert "Traceback" not in result.output


def test_a_setting_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTPULSE_PARTITIONS", "none")
    result = run("settings")
    assert result.exit_code == 1
    assert "CARTPULSE_PARTITIONS" in result.stderr


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cartpulse.commands.service.settings.settings_with", interrupted)
    result = run("settings")
    assert result.exit_code == 130
    assert result.output == "Ending ...\n"


def test_a_failure_on_purpose_is_one_line_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise BrokerUnreachableError("nobody answers")

    monkeypatch.setattr("cartpulse.commands.service.settings.settings_with", failing)
    result = run("settings")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "cartpulse: nobody answers\n")


def test_settings_come_as_json_with_the_environments_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTPULSE_PARTITIONS", "7")
    shown = json.loads(run("settings", "--json").stdout)
    assert shown["CARTPULSE_PARTITIONS"] == "7"


def test_reset_asks_and_does_nothing_without_a_yes() -> None:
    result = run("reset", "--broker", NOWHERE, typed="n\n")
    assert result.exit_code == 1
    assert "Delete" in result.output
    assert "cartpulse: " not in result.stderr


def test_the_worker_hands_on_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def worker(settings: object) -> int:
        seen.append(settings)
        return 3

    async def no_topics(_: object) -> TopicsReport:
        return TopicsReport()

    monkeypatch.setattr("cartpulse.commands.service.worker.create_topics", no_topics)
    monkeypatch.setattr("cartpulse.commands.service.worker.run_worker", worker)
    assert run("worker", "--broker", NOWHERE, "--accept-gap").exit_code == 3
    assert [(each.kafka_broker, each.accept_gap) for each in seen] == [(NOWHERE, True)]  # type: ignore[attr-defined]


def test_a_demonstration_whose_figures_have_nowhere_to_go_does_not_begin(tmp_path: Path) -> None:
    result = run("demo", "--json", str(tmp_path / "missing" / "demo.json"))
    assert result.exit_code == 2
    assert "--json" in result.output


def test_the_version_names_what_matters() -> None:
    result = run("--version")
    told = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert result.exit_code == 0
    assert list(told)[:2] == ["cartpulse", "python"]
    assert told["python"] == python_version()
    assert {name: told[name] for name in ("faust-streaming", "aiokafka", "numpy")} == {
        name: version(name) for name in ("faust-streaming", "aiokafka", "numpy")
    }


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_help_folds_to_a_narrow_terminal(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, (*command, "--help"), env={"COLUMNS": "44"})
    assert max(map(len, result.output.splitlines())) <= 44
    assert not command or " ".join(result.output.split()).count("Example: ") == 1


@pytest.mark.parametrize(
    ("shell", "environment"),
    [
        ("bash", {"COMP_WORDS": "cartpulse do", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "cartpulse do"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "cartpulse do", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_commands(shell: str, environment: dict[str, str]) -> None:
    asked = {"_CARTPULSE_COMPLETE": f"complete_{shell}", **environment}
    completed = CliRunner().invoke(app, prog_name="cartpulse", env=asked)
    assert "doctor" in completed.output
    assert "worker" not in completed.output


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_keeps_colours_off_a_terminal(no_color: str, *, coloured: bool) -> None:
    master, terminal = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ".", "TERM": "xterm-256color", "COLUMNS": "80"}
    with os.fdopen(master, "rb", buffering=0) as shown:
        subprocess.run(
            [sys.executable, "-m", "cartpulse", "doctor", "--broker", NOWHERE],
            env=environment | {"NO_COLOR": no_color},
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            check=False,
        )
        os.close(terminal)
        text = read_all_of(shown)
    assert b"fault" in text
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-7]m", text)) == coloured


def read_all_of(terminal: FileIO) -> bytes:
    """What a terminal was written; Linux ends it with an error."""
    text = b""
    with contextlib.suppress(OSError):
        while piece := terminal.read(65_536):
            text += piece
    return text
