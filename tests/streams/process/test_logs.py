"""What an operator reads, on a terminal and in a file."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import pytest
import structlog

from streams.process.logs import configure, logging_config, readable
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["auto", "console", "json"]


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    aiokafka = logging.getLogger("aiokafka").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiokafka").setLevel(aiokafka)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    said = capsys.readouterr()
    assert said.out == "", "standard output is the commands' own"
    return [json.loads(line) for line in said.err.splitlines()]


def test_json_lines_carry_level_logger_time_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    structlog.get_logger("streams.delivery.queue").warning("send is slow", partition=3, seconds=1.5)
    (line,) = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "send is slow",
        "level": "warning",
        "logger": "streams.delivery.queue",
        "partition": 3,
        "seconds": 1.5,
    }


def test_what_libraries_log_looks_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    logging.getLogger("faust.app").info("worker %s is %s", "one", "ready")
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("worker one is ready", "info", "faust.app")


def test_every_line_names_the_worker_that_has_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json", worker_name="worker-2"))
    structlog.get_logger("streams.delivery.queue").info("sent")
    logging.getLogger("streams.process.shutdown").critical("the end")
    assert [line["worker"] for line in lines(capsys)] == ["worker-2"] * 2


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    try:
        int("seven")
    except ValueError:
        logging.getLogger("streams.app").exception("cannot go on")
    (line,) = lines(capsys)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert line["exception"][0]["exc_value"] == "invalid literal for int() with base 10: 'seven'"


@pytest.mark.parametrize(("log_format", "is_readable"), [("console", True), ("json", False), ("auto", False)])
def test_auto_is_json_where_no_terminal_is(
    log_format: Format,
    is_readable: bool,  # noqa: FBT001 (a column of the table)
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings(log_format=log_format)
    assert readable(settings) is is_readable
    configure(settings)
    structlog.get_logger("demo").info("alert raised", customer="900")
    said = capsys.readouterr().err
    assert said.startswith("{") is not is_readable
    assert "alert raised" in said
    assert "900" in said


def test_nothing_below_the_level_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json", log_level="WARNING"))
    structlog.get_logger("demo").info("not this")
    logging.getLogger("faust").info("nor this")
    assert lines(capsys) == []


def test_aiokafka_is_heard_from_warning_on_whatever_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json", log_level="DEBUG"))
    logging.getLogger("aiokafka.conn").debug("a request")
    logging.getLogger("aiokafka.conn").warning("a refusal")
    assert [line["event"] for line in lines(capsys)] == ["a refusal"]


def test_the_same_configuration_serves_faust(capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(logging_config(Settings(log_format="json")))
    logging.getLogger("faust.worker").warning("from its own set-up")
    (line,) = lines(capsys)
    assert line["event"] == "from its own set-up"


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str, *, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure(Settings(log_format="console"))
    structlog.get_logger("demo").warning("a line")
    said = capsys.readouterr().err
    assert "a line" in said
    assert ("\x1b[3" in said) == coloured
