"""Web server of the worker: `/health/live`, `/health/ready` and `/metrics`.

Faust's web server stays off. Faust's server starts after Faust's own transport, so that it could not report
why a worker does not become ready, and it serves pages of Faust that nobody here uses. The server of this
module is the first service to start and the last to stop.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar

import mode
from aiohttp import web

from streams.errors import SettingsError
from streams.monitoring.prometheus import exposition, process_collector

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.monitoring.health import Observer
    from streams.process.shutdown import Shutdown
    from streams.settings.settings import Settings

STOP_SECONDS = 1.0
"""Seconds that a request under way may take when the worker ends."""

NO_STORE = {"Cache-Control": "no-store"}


class Web(mode.Service):
    """Web server that reports the worker's health and metrics to operators and their tools.

    The server runs on the event loop that does the work. When the loop hangs, `/health/live` gives no answer,
    which shows the client that the worker hangs.

    Args:
        settings: Service settings, with address and port.
        observer: Observer of the worker.
        clock: Clock for the time of the metrics.
        ending: Shutdown that ends a worker that cannot go on.
        options: Further options of a `mode.Service`.
    """

    abstract: ClassVar[bool] = False
    logger = logging.getLogger("streams.monitoring.web.lifecycle")

    def __init__(
        self,
        settings: Settings,
        observer: Observer,
        *,
        clock: Clock,
        ending: Shutdown,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._ending = ending
        self._settings = settings
        self._observer = observer
        self._clock = clock
        self._process = process_collector()
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Listen at the address and port of the settings.

        Raises:
            SettingsError: The address or the port cannot be listened on.
        """
        pages = web.Application()
        pages.router.add_get("/health/live", self.live)
        pages.router.add_get("/health/ready", self.ready)
        pages.router.add_get("/metrics", self.metrics)
        self._runner = web.AppRunner(pages, access_log=None, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        host, port = self._settings.web_host, self._settings.web_port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as reason:
            error = SettingsError(
                f"CARTPULSE_WEB_HOST={host} and CARTPULSE_WEB_PORT={port} cannot be listened on "
                f"({reason.strerror or reason}): choose another port, or 0 for none."
            )
            self._ending.begin(error)
            raise error from reason

    async def on_stop(self) -> None:
        """Stop listening, and end the requests under way."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def live(self, _: web.Request) -> web.Response:
        """Answer 200 while the event loop runs. A worker that gives no answer should be ended."""
        return _json({"alive": True})

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 200 if the worker is assigned, recovered and committing, else 503 with the reasons."""
        vitals = await self._observer.look()
        return _json(vitals.as_json(), status=200 if vitals.ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer with the metrics, for Prometheus."""
        text, content_type = exposition(
            await self._observer.look(),
            self._observer.counts,
            now=self._clock.now_ms() / 1_000,
            accept=request.headers.get("Accept", ""),
            process=self._process,
        )
        return web.Response(body=text, headers=NO_STORE | {"Content-Type": content_type})


def _json(told: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.json_response(
        told, status=status, headers=NO_STORE, dumps=lambda value: json.dumps(value) + "\n"
    )
