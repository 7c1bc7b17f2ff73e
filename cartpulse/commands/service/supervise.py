"""Several workers on one machine: started, started again when they end, and ended together.

A worker that cannot go on ends rather than stand still, so somebody has to start it again. Where nothing else
does (Kubernetes, systemd), `cartpulse worker --supervise 4` is that somebody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from streams.brokers.embedded import end_with_parent
from streams.errors import SettingsError
from streams.process.exit_status import FOR_GOOD, Status
from streams.settings.settings import variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.settings.settings import Settings

log = structlog.get_logger("cartpulse.commands.service.supervise")

WORKER: Final = (sys.executable, "-m", "cartpulse", "worker")

STOP_SECONDS: Final = 9.5
"""How long the workers may take to end: each is gone after nine seconds by itself, and ten are promised."""

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""Pauses before a worker is started again double between these while it ends within a minute."""

STEADY_SECONDS: Final = 60.0
"""A worker that ran for so long begins with the first pause again."""

MOST_PER_MINUTE: Final = 5
"""Starts of one worker within a minute; one that ends at once would only fill the log."""


@dataclass
class Backoff:
    """How long to wait before a worker is started again.

    Args:
        first: seconds of the first pause; each further one is twice as long.
    """

    first: float = FIRST_PAUSE_SECONDS
    _next: float = 0.0
    _starts: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_PER_MINUTE))

    def started(self, now: float) -> None:
        """Take note of a start at `now` seconds."""
        self._starts.append(now)

    def pause(self, now: float) -> float:
        """Seconds to wait after an end at `now` seconds."""
        if not self._starts or now - self._starts[-1] >= STEADY_SECONDS:
            self._next = self.first
        pause, self._next = (
            self._next or self.first,
            min(2 * (self._next or self.first), LONGEST_PAUSE_SECONDS),
        )
        full = len(self._starts) == MOST_PER_MINUTE
        return max(pause, self._starts[0] + 60.0 - now) if full else pause


def environments(
    settings: Settings, workers: int, environment: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """The environment of each worker: the service's, with a name, a membership and a port of its own.

    Args:
        settings: of the service, command line options included.
        workers: how many.
        environment: what they inherit; the process's own by default.

    Raises:
        SettingsError: there are not so many ports behind CARTPULSE_WEB_PORT.
    """
    inherited = dict(os.environ if environment is None else environment)
    last = settings.web_port + workers - 1
    if settings.web_port and last > 65_535:
        raise SettingsError(
            f"CARTPULSE_WEB_PORT={settings.web_port} leaves no port for each of {workers} workers: the last "
            f"would be {last}. Choose a smaller one, or 0 for none."
        )
    made = []
    for number in range(1, workers + 1):
        own: dict[str, object] = {
            "kafka_broker": settings.kafka_broker,
            "accept_gap": str(settings.accept_gap).lower(),
            "worker_name": f"{settings.worker_name}-{number}" if settings.worker_name else f"worker-{number}",
            "web_port": settings.web_port and settings.web_port + number - 1,
        }
        if settings.group_instance_id:
            own["group_instance_id"] = f"{settings.group_instance_id}-{number}"
        made.append(inherited | {variable(name): str(value) for name, value in own.items()})
    return made


class Supervisor:
    """Runs workers as child processes until it is told to end, or one ends for good.

    A worker that ends, with status 0 or another, is started again after a pause. One whose status says that
    it would end the same way again (`streams.process.exit_status.FOR_GOOD`) ends them all: another worker
    would take over what it could not go on with, and end next.

    Args:
        environments: one for each worker.
        command: what a worker is.
        first_pause: seconds before a worker that ended is started again for the first time.
        stop: seconds that the workers may take to end.
    """

    def __init__(
        self,
        environments: Sequence[Mapping[str, str]],
        *,
        command: Sequence[str] = WORKER,
        first_pause: float = FIRST_PAUSE_SECONDS,
        stop: float = STOP_SECONDS,
    ) -> None:
        self._environments = environments
        self._command = command
        self._first_pause = first_pause
        self._stop = stop
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._told = asyncio.Event()
        self._status = int(Status.ENDED)

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT, or an end for good; the answer is the exit status.

        It is 0 when all ended well because they were told to, the status of the worker that ended for good,
        or 1 when one had to be killed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told.set)
        keepers = [asyncio.create_task(self._keep(environment)) for environment in self._environments]
        try:
            await self._told.wait()
            log.info("The workers are told to end")
            for process in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            _, late = await asyncio.wait(keepers, timeout=self._stop)
            if late:
                log.error("These workers did not end and are killed", workers=sorted(self._running))
                self._status = self._status or int(Status.FAILED)
        finally:
            for process in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        for keeper in await asyncio.gather(*keepers, return_exceptions=True):
            if isinstance(keeper, BaseException):
                raise keeper
        return self._status

    async def _keep(self, environment: Mapping[str, str]) -> None:
        """Keep one worker running until all are told to end."""
        name = environment[variable("worker_name")]
        backoff = Backoff(self._first_pause)
        try:
            while not self._told.is_set():
                backoff.started(time.monotonic())
                status = await self._run(name, environment)
                if self._told.is_set():
                    self._status = self._status or abs(status)
                elif status in FOR_GOOD:
                    log.critical("A worker ended for good, so all are ended", worker=name, status=status)
                    self._status = status
                    self._told.set()
                else:
                    pause = backoff.pause(time.monotonic())
                    log.error("A worker ended and is started again", worker=name, status=status, after=pause)
                    await self._pause(pause)
        except BaseException:
            self._told.set()
            raise

    async def _run(self, name: str, environment: Mapping[str, str]) -> int:
        # A session of its own: Ctrl-C reaches the supervisor alone, which tells each worker once.
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent(),
        )
        self._running[name] = process
        log.info("A worker runs", worker=name, pid=process.pid)
        if self._told.is_set():  # while it was being started
            process.terminate()
        try:
            return await process.wait()
        finally:
            del self._running[name]

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._told.wait()
