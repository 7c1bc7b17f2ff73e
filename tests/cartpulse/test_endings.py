"""Work that is cancelled from outside puts away what it started before the command ends."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import typer

from cartpulse.endings import TERMINATED, run


def test_the_result_of_the_work_is_returned() -> None:
    async def work() -> int:
        return 7

    assert run(work()) == 7


def test_sigterm_lets_the_work_clean_up_and_ends_with_143() -> None:
    cleaned = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(30)
        finally:
            cleaned.append(True)

    with pytest.raises(typer.Exit) as ended:
        run(work())
    assert ended.value.exit_code == TERMINATED
    assert cleaned


def test_ctrl_c_lets_the_work_clean_up() -> None:
    cleaned = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(30)
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert cleaned
