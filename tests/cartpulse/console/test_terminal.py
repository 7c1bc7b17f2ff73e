"""Where no bar can be drawn, lines say that something goes on; a terminal has its bar."""

from __future__ import annotations

import io
import threading

from rich.console import Console

from cartpulse.console.terminal import signs_of_life


def test_a_file_gets_a_line_now_and_then_until_the_work_is_done() -> None:
    console, twice = Console(file=io.StringIO(), width=80), threading.Event()
    lines = iter(["1 of 3", "2 of 3"])

    def tell() -> str:
        said = next(lines, "3 of 3")
        if said == "3 of 3":
            twice.set()
        return said

    with signs_of_life(console, tell, seconds=0.001):
        assert twice.wait(60)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert said.startswith("1 of 3\n2 of 3\n")
    assert not [thread for thread in threading.enumerate() if thread.name == "signs of life"]


def test_a_terminal_gets_none() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with signs_of_life(console, lambda: "never", seconds=0.001):
        assert not [thread for thread in threading.enumerate() if thread.name == "signs of life"]
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""
