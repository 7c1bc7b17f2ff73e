"""The Faust app: what it starts, and when."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from models.records.decoder import Decoder
from streams.app import create_engine
from streams.flow import purchases
from streams.monitoring.web import Web
from streams.settings.settings import Settings
from tests.support.ledgers.counting import CountingLedger

if TYPE_CHECKING:
    from pathlib import Path

    from streams.app import Engine

ROOT = __file__.rsplit("/tests/", 1)[0]


def engine(**overrides: object) -> Engine:
    settings = Settings.model_validate({"web_port": 0} | overrides)
    return create_engine(
        purchases(settings, ledgers=CountingLedger, decoder=Decoder(settings.ledger)), settings
    )


def test_the_service_is_a_dependency_and_starts_before_faust_has_joined_its_own_group() -> None:
    made = engine()
    assert made.partitions in made.app._children
    assert not made.app._extra_services


def test_there_is_an_ordinary_topic_without_which_faust_crashes() -> None:
    assert engine().commands.get_topic_name() == "cartpulse-commands"


def test_every_worker_hears_every_command_unless_it_has_a_name_and_comes_back() -> None:
    assert engine().app.conf.id != engine().app.conf.id
    named = [engine(group_instance_id="till-1").app.conf.id for _ in range(2)]
    assert named[0] == named[1]


def test_the_app_can_be_imported_without_a_loop_a_broker_or_a_folder_of_its_own(tmp_path: Path) -> None:
    script = "import asyncio; asyncio.set_event_loop(None); from agents.app import app; print(app.conf.id)"
    result = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:asyncio", "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": ROOT, "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("cartpulse-worker-")
    assert not list(tmp_path.iterdir())


def test_the_web_server_starts_first_and_only_where_a_port_is_set() -> None:
    assert not any(isinstance(child, Web) for child in engine().app._children)
    made = engine(web_port=7_000)
    web, partitions = made.app._children
    assert isinstance(web, Web)
    assert partitions is made.partitions
    assert not made.app.conf.web_enabled
