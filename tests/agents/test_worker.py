"""The worker: an engine with all its agents."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from agents.worker import _note_thread, assemble
from models.ledger.ledger import Ledger
from streams.settings.settings import Settings

if TYPE_CHECKING:
    import pytest


def test_a_worker_has_one_actor_for_each_agent() -> None:
    app = assemble(Settings(web_port=0)).app
    assert {name: agent.concurrency for name, agent in app.agents.items()} == {"purchases": 1, "commands": 1}


def test_a_worker_runs_the_ledger_of_this_release_with_the_settings_of_the_service() -> None:
    settings = Settings(web_port=0, partitions=3, alert_daily_cap=4)
    ledger = assemble(settings).partitions._flow.ledgers(2, 3)
    assert isinstance(ledger, Ledger)
    assert ledger.settings == settings.ledger


def test_a_thread_that_is_cancelled_at_the_end_is_no_news_and_any_other_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = threading.ExceptHookArgs((asyncio.CancelledError, asyncio.CancelledError(), None, None))
    _note_thread(ended)
    assert not caplog.records
    _note_thread(threading.ExceptHookArgs((ValueError, ValueError("fault"), None, None)))
    assert "fault" in caplog.text
