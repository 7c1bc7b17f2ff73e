"""What the demonstration starts: a broker, the topics and a worker, all of which end with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar

from streams.broker import LOCAL_SESSION_MS, LocalBroker
from streams.errors import CartpulseError
from streams.settings import load_settings, variable
from streams.sources.complete_journey import TIME_ZONE
from streams.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from streams.settings import Settings

T = TypeVar("T")

DRAIN_SECONDS: Final = 12.0
"""A worker drains and ends within ten seconds of SIGTERM."""

_LAST_WORDS: Final = 2_000
"""Bytes of the log of a worker that ended too soon, for the error message."""


class WorkerEndedError(CartpulseError):
    """The demonstration's worker ended before its work was done."""


class Stage:
    """A local broker and one worker as processes of their own.

    async with Stage(partitions=1) as stage:
        await stage.guard(something(stage.settings))
    """

    def __init__(self, *, partitions: int) -> None:
        self._broker = LocalBroker()
        self._overrides: dict[str, Any] = {
            "partitions": partitions,
            "time_zone": TIME_ZONE,
            "clock": "log",
            "session_timeout_ms": LOCAL_SESSION_MS,
            "web_port": 0,
            "log_format": "console",
        }
        self._worker: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None
        self.settings: Settings

    async def __aenter__(self) -> Self:
        await self._broker.start()
        try:
            self._overrides["kafka_broker"] = self._broker.address
            self.settings = load_settings(_without_connection(), **self._overrides)
            await create_topics(self.settings)
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
            self._worker = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cartpulse",
                "worker",
                env=_without_connection()
                | {variable(name): str(value) for name, value in self._overrides.items()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal reaches us, and we end the worker
            )
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def guard(self, work: Coroutine[object, object, T]) -> T:
        """The result of the work, unless the worker ends before it.

        Raises:
            WorkerEndedError: It did.
        """
        if self._worker is None:
            raise RuntimeError("the stage is not set")
        working = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(self._worker.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise WorkerEndedError(
                    f"the worker ended with status {ending.result()}: {self._last_words()}"
                )
            return working.result()
        finally:
            for task in (working, ending):
                task.cancel()
            await asyncio.gather(working, ending, return_exceptions=True)

    async def _end(self) -> None:
        if self._worker is not None and self._worker.returncode is None:
            self._worker.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._worker.wait()
            except TimeoutError:
                self._worker.kill()
                await self._worker.wait()
        await self._broker.stop()
        if self._log is not None:
            self._log.close()

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read()[-_LAST_WORDS:].decode(errors="replace").strip() or "it said nothing."


def _without_connection() -> dict[str, str]:
    """The environment without what names another broker: the demonstration talks to its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
