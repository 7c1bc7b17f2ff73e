"""The worker's web server: who asks gets an answer that a person and a program can use."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from streams.brokers.embedded import free_port
from streams.errors import SettingsError
from streams.metrics import Counts
from streams.monitoring.health import Health
from streams.monitoring.web import Web
from streams.process.shutdown import Shutdown
from streams.settings.settings import Settings
from tests.support.kafka.fake_kafka import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Seen:
    """As an observer that sees what the test says."""

    def __init__(self, *reasons: str) -> None:
        self.counts = Counts()
        self.reasons = reasons

    async def look(self) -> Health:
        """The worker as told."""
        return Health(self.reasons, 1, paused=False, partitions=())


@asynccontextmanager
async def serving(seen: Seen, port: int) -> AsyncIterator[ClientSession]:
    watcher: Any = seen
    async with (
        Web(Settings(web_port=port), watcher, clock=FakeClock(), ending=Shutdown(lambda _: None)),
        ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        yield client


async def test_a_worker_that_is_not_ready_says_why_and_is_alive() -> None:
    async with serving(Seen("partition 1 is being recovered"), free_port(0)) as client:
        async with client.get("/health/ready") as answer:
            assert answer.status == 503
            assert answer.content_type == "application/json"
            told = await answer.json()
        assert (told["ready"], told["reasons"]) == (False, ["partition 1 is being recovered"])
        async with client.get("/health/live") as answer:
            assert (answer.status, await answer.json()) == (200, {"alive": True})


async def test_a_worker_with_nothing_against_it_is_ready() -> None:
    async with serving(Seen(), free_port(0)) as client, client.get("/health/ready") as answer:
        assert (answer.status, (await answer.json())["ready"]) == (200, True)


async def test_metrics_come_as_prometheus_asks_for_them() -> None:
    async with serving(Seen(), free_port(0)) as client:
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert "cartpulse_ready 1.0" in await answer.text()
        wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
        async with client.get("/metrics", headers=wanted) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
            assert (await answer.text()).endswith("# EOF\n")


async def test_nothing_else_is_served() -> None:
    async with serving(Seen(), free_port(0)) as client:
        for path in ("/", "/router/", "/table/", "/stats"):
            async with client.get(path) as answer:
                assert answer.status == 404


async def test_a_port_that_is_taken_ends_the_worker_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"CARTPULSE_WEB_PORT={port} cannot be listened on"):
            async with serving(Seen(), port):
                pass
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert line.startswith("The worker ends: CARTPULSE_WEB_HOST=127.0.0.1")
