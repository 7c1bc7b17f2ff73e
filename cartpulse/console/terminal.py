"""Terminal: consoles, printable instants, and progress of long reads, shared by commands."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.kafka.log.reading import ReadProgress

SIGN_SECONDS: Final = 8.0
"""Seconds between two signs of life in a file: readers of logs have doubts after ten seconds of silence."""


def moment(text: str | None) -> str:
    """Write an RFC 3339 instant in UTC, as Cartpulse's events have it, to the minute; write None as "never".

    >>> moment("2017-03-05T11:00:00Z"), moment(None)
    ('2017-03-05 11:00 UTC', 'never')
    """
    return f"{text[:10]} {text[11:16]} UTC" if text else "never"


def page_console() -> Console:
    """Make a console on standard output for pages of data. Nothing in the data is taken for markup."""
    return Console(highlight=False, markup=False, emoji=False)


@contextmanager
def reading_bar(title: str) -> Iterator[ReadProgress]:
    """Draw a progress bar on standard error for a long read.

    The bar disappears at the end; without a terminal no bar is drawn.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def show(read: int, of: int) -> None:
            bar.update(task, completed=read, total=of)

        yield show


@contextmanager
def signs_of_life(
    console: Console, tell: Callable[[], str], *, seconds: float = SIGN_SECONDS
) -> Iterator[None]:
    """Print a line now and then during long work where no bar can be drawn: in a file or a pipe.

    Args:
        console: Console to print on; nothing is printed on a terminal.
        tell: Returns the line. Called from a thread of its own, because the event loop may be busy.
        seconds: Seconds between two lines.
    """
    over = threading.Event()

    def sign() -> None:
        while not over.wait(seconds):
            console.print(tell(), highlight=False)

    if console.is_terminal:
        yield
        return
    thread = threading.Thread(target=sign, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def amount(number: int, noun: str) -> str:
    """Write a number and its noun, in the plural unless the number is 1: `1 row`, `2,000 categories`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
