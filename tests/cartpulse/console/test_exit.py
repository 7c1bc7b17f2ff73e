"""Work that is cancelled from outside puts away what it started before the command ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest
import typer

from cartpulse.console.exit import INTERRUPTED, TERMINATED, Interrupted, run


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


def test_ctrl_c_says_that_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)

    with pytest.raises(Interrupted):
        run(work())
    assert capsys.readouterr().err == "Ending ...\n"


def test_a_busy_loop_is_no_reason_to_wait_after_ctrl_c() -> None:
    busy = (
        "from cartpulse.console import exit as endings\n"
        "async def work():\n"
        "    print('works', flush=True)\n"
        "    while True:\n"
        "        pass\n"
        "endings.LAST_SECONDS = 0.1\n"
        "endings.run(work())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (INTERRUPTED, "Ending ...\n")


def test_ctrl_c_during_the_imports_is_no_traceback() -> None:
    early = (
        "import os, signal, sys\n"
        "class Early:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'cartpulse.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Early())\n"
        "import cartpulse.__main__\n"
    )
    done = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize("again", [False, True])
def test_work_that_does_not_end_is_ended_after_ctrl_c(again: bool) -> None:  # noqa: FBT001 - a parameter
    stubborn = (
        "import asyncio, sys\n"
        "from cartpulse.console import exit as endings\n"
        "async def work():\n"
        "    while True:\n"
        "        try:\n"
        "            print('works', flush=True)\n"
        "            await asyncio.sleep(600)\n"
        "        except asyncio.CancelledError:\n"
        "            pass\n"
        "endings.LAST_SECONDS = float(sys.argv[1])\n"
        "endings.run(work())\n"
    )
    arguments = [sys.executable, "-c", stubborn, "600" if again else "0.1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(signal.SIGINT)
        if again:
            assert process.stdout.readline() == "works\n"
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (INTERRUPTED, "Ending ...\n")
