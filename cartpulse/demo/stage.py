"""Broker, topics and workers that the demonstration starts, and that end with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import aclosing
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar

from streams.brokers.embedded import LOCAL_SESSION_MS, LocalBroker, end_with_parent
from streams.errors import CartpulseError
from streams.kafka.log.reading import read_all
from streams.kafka.options import abilities
from streams.kafka.topics import create_topics
from streams.settings.environment import load_settings
from streams.settings.settings import variable
from streams.sources.complete_journey import TIME_ZONE

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from streams.settings.settings import Settings

T = TypeVar("T")

DRAIN_SECONDS: Final = 12.0
"""Seconds that a worker may take to end: it drains and ends within ten seconds of SIGTERM."""

ABANDON_SECONDS: Final = 1.0
"""Seconds that a worker may take to end where the demonstration is broken off: nobody will read its
outputs."""

_LAST_WORDS: Final = 2_000
"""Bytes of the log of a worker that ended too soon, for the error message."""


class WorkerEndedError(CartpulseError):
    """A worker of the demonstration ended before its work was done."""


class NotEmptyError(CartpulseError):
    """The topics hold purchases of another source."""


class Worker:
    """Worker as a process of its own, and its output.

    Args:
        process: Process of the worker.
        log: File of the worker's output.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, environment: dict[str, str]) -> Self:
        """Start a worker with these environment variables and no others."""
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cartpulse",
                "worker",
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the worker
                preexec_fn=end_with_parent(),
            )
        except BaseException:
            log.close()
            raise
        return cls(process, log)

    async def ended_too_soon(self) -> WorkerEndedError:
        """Wait for the worker's end, and return the error that reports its status and its last output."""
        status = await self._process.wait()
        self._log.seek(0)
        words = self._log.read()[-_LAST_WORDS:].decode(errors="replace").strip() or "it said nothing."
        return WorkerEndedError(f"the worker ended with status {status}: {words}")

    async def end(self, seconds: float = DRAIN_SECONDS) -> None:
        """Let the worker drain and end; kill it if it has not ended after these seconds."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(seconds):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._log.close()


class Stage:
    """Local broker and workers as processes of their own.

    Usage::

        async with Stage(partitions=2, workers=2) as stage:
            await stage.guard(something(stage.settings))

    Args:
        partitions: Number of partitions of every topic.
        workers: Number of workers that share the partitions.
        broker: Address of a running broker, used instead of a local one; the topics stay on it.
    """

    def __init__(self, *, partitions: int, workers: int = 1, broker: str | None = None) -> None:
        self._number = workers
        self._given = broker
        self._broker = LocalBroker()
        self._overrides: dict[str, Any] = {
            "partitions": partitions,
            "time_zone": TIME_ZONE,
            "clock": "log",
            "web_port": 0,
            "log_format": "console",
        }
        self._workers: list[Worker] = []
        self.settings: Settings

    async def __aenter__(self) -> Self:
        try:
            self.settings = await self._open()
            await create_topics(self.settings)
            await _refuse_purchases(self.settings)
            overrides = {variable(name): str(value) for name, value in self._overrides.items()}
            for _ in range(self._number):
                self._workers.append(await Worker.start(self._environment() | overrides))
        except BaseException:
            await self._end(ABANDON_SECONDS)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(DRAIN_SECONDS if error is None else ABANDON_SECONDS)

    async def _open(self) -> Settings:
        """Return the settings for the broker, after starting the broker where none was given."""
        if self._given is None:
            await self._broker.start()
        self._overrides["kafka_broker"] = self._given or self._broker.address
        settings = load_settings(self._environment(), **self._overrides)
        if not (await abilities(settings)).idempotent:  # the embedded broker, started here or elsewhere
            self._overrides["session_timeout_ms"] = LOCAL_SESSION_MS
        return load_settings(self._environment(), **self._overrides)

    def _environment(self) -> dict[str, str]:
        """Return the environment; without variables that name a broker if the demonstration starts one."""
        own = self._given is None
        return {name: value for name, value in os.environ.items() if not (own and name.startswith("KAFKA_"))}

    async def guard(self, work: Coroutine[object, object, T]) -> T:
        """Return the result of the work, unless a worker ends before it.

        Raises:
            WorkerEndedError: A worker ended.
        """
        working = asyncio.ensure_future(work)
        endings = [asyncio.ensure_future(worker.ended_too_soon()) for worker in self._workers]
        try:
            await asyncio.wait({working, *endings}, return_when=asyncio.FIRST_COMPLETED)
            for ending in endings:
                if ending.done() and not working.done():
                    raise ending.result()
            return working.result()
        finally:
            for task in (working, *endings):
                task.cancel()
            await asyncio.gather(working, *endings, return_exceptions=True)

    async def _end(self, seconds: float) -> None:
        await asyncio.gather(*(worker.end(seconds) for worker in self._workers))
        await self._broker.stop()


async def _refuse_purchases(settings: Settings) -> None:
    """Check that the demonstration has the topics for itself: only then does its account of baskets add up.

    Raises:
        NotEmptyError: The topics hold purchases already.
    """
    async with aclosing(read_all(settings, settings.purchases_topic)) as records:
        async for _ in records:
            raise NotEmptyError(
                f"{settings.purchases_topic} at {settings.kafka_broker} holds purchases already: start a "
                "fresh broker, or name topics of its own, such as CARTPULSE_TOPIC_PREFIX=demo-"
            )
