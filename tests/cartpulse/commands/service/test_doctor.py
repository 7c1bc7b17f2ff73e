"""`cartpulse doctor`: what it finds, how it says so, and with which status it ends."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from cartpulse.commands.service.doctor import show
from cartpulse.main import app
from streams.clock import SystemClock
from streams.kafka.options import Abilities
from streams.kafka.topics import create_topics
from streams.operations.diagnosis.findings import Finding, Level
from streams.operations.diagnosis.service import Diagnosis
from streams.settings.settings import Settings, variable
from tests.support.data.purchases import produce, shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Broker

NOWHERE = "127.0.0.1:1"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("doctor", *arguments))


def told(result: Result) -> dict[str, list[dict[str, str]]]:
    """The findings by subject."""
    by_subject: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(result.stdout)["findings"]:
        by_subject.setdefault(finding["subject"], []).append(finding)
    return by_subject


@pytest.fixture
def settings(
    broker: Broker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    own = fresh_settings(broker, partitions=2)
    for name in ("kafka_broker", "application", "topic_prefix", "partitions"):
        monkeypatch.setenv(variable(name), str(getattr(own, name)))
    return own


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients log each line: a worker of a test before may have limited equal ones in this process."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("aiokafka"):
            monkeypatch.setattr(logging.getLogger(name), "filters", [])


@pytest.mark.usefixtures("every_line")
def test_a_broker_that_is_away_is_a_fault_with_its_reason() -> None:
    result = run("--broker", NOWHERE, "--json")
    assert result.exit_code == 1
    (broker,) = told(result)["broker"]
    assert broker["level"] == "fault"
    assert "Connect call failed" in broker["said"]
    assert "KAFKA_BROKER" in broker["do"]
    assert json.loads(result.stdout)["healthy"] is False


def test_a_service_is_looked_over_from_before_its_topics_to_its_first_purchases(settings: Settings) -> None:
    before = run("--json")
    assert before.exit_code == 0
    topics = told(before)["topics"][0]
    assert topics["level"] == "warning"
    assert "`cartpulse topics` makes them" in topics["do"]

    asyncio.run(create_topics(settings))
    asyncio.run(produce(settings, shop(3, 40, seed=1)))
    after = run("--json")
    assert after.exit_code == 0
    found = told(after)
    assert "records of" in found["lag"][0]["said"]
    assert found["partitioner"][0]["said"].startswith("murmur2: 0 of the last ")
    assert found["topics"][0]["level"] == "ok"
    assert {each["level"] for each in found["workers"]} == {"note"}


def test_what_keeps_a_worker_from_running_is_a_fault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(create_topics(settings))
    monkeypatch.setenv("CARTPULSE_PARTITIONS", "3")
    monkeypatch.setenv("CARTPULSE_REPLICATION_FACTOR", "3")
    monkeypatch.setenv("KAFKA_BROKER", f"{settings.kafka_broker},{NOWHERE}")
    result = run("--json")
    assert result.exit_code == 1
    found = told(result)
    assert "CARTPULSE_PARTITIONS=2" in found["topics"][0]["do"]
    assert found["copies"][0]["level"] == "fault"
    assert [each["level"] for each in found["broker"]] == ["ok", "warning"]


@pytest.mark.parametrize(
    ("release", "guarantee", "warned"),
    [
        ("4.4", "exactly_once", True),
        ("4.3", "auto", True),
        ("4.2", "exactly_once", False),
        ("4.5 or later", "exactly_once", False),
        (None, "auto", False),
        ("4.4", "at_least_once", False),
    ],
)
def test_exactly_once_on_a_release_that_may_lose_part_of_a_transaction_is_warned_of(
    release: str | None, guarantee: str, *, warned: bool
) -> None:
    settings = Settings.model_validate({"delivery_guarantee": guarantee})
    diagnosis = Diagnosis(settings, SystemClock())
    diagnosis._releases = {release}
    found = diagnosis._guarantee(Abilities(idempotent=True, append_time=True))
    assert any("KAFKA-20734" in finding.said for finding in found) == warned


@pytest.mark.parametrize("width", [32, 60, 200])
def test_findings_fold_to_the_terminal_and_lose_nothing(width: int) -> None:
    said = "The watermark is two hours ahead of the clock of this machine, which is strange."
    findings = [
        Finding("clock", Level.WARNING, said, "Set the clocks by NTP."),
        Finding("topics", Level.FAULT, "One differs.", "Set it right."),
        Finding("topics", Level.FAULT, "Another differs.", "Set it right."),
    ]
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    show(console, findings)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    folded = " ".join(text.split())
    assert said in folded
    assert folded.count("Set it right.") == 1
    assert "2 to be mended, 1 to look at." in folded
