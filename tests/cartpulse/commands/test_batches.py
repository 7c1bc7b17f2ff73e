"""Commands that meet a record batch that cannot be decoded: they name it, and where it is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiokafka.structs import TopicPartition
from typer.testing import CliRunner, Result

from cartpulse.main import app
from streams.delivery.dead_letters import dead_letter, refusal_of
from streams.kafka.log.batches import BrokenBatch
from streams.kafka.topics import create_topics
from streams.process.exit_status import Status
from streams.settings.settings import Settings, variable
from tests.support.data.purchases import produce, purchase
from tests.support.kafka.raw_batches import batch, of_strange_header_names, of_unknown_codec, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.brokers.embedded import LocalBroker
    from tests.conftest import Broker

STRANGE = "the name of a header is no UTF-8"
BOUGHT = [("900", purchase(at, "900")) for at in range(20)]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def run_apart(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process, whose warnings no test's logging takes away."""
    command = [sys.executable, "-m", "cartpulse", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def settings(
    broker: Broker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    own = fresh_settings(broker, partitions=1)
    for name in ("kafka_broker", "application", "topic_prefix", "partitions"):
        monkeypatch.setenv(variable(name), str(getattr(own, name)))
    asyncio.run(create_topics(own))
    return own


def strange(settings: Settings, topic: str, *, count: int = 2) -> None:
    """Write a batch that a broker takes and nobody can decode."""
    values = [purchase(at, "900") for at in range(count)]
    data = of_strange_header_names(0, values)
    assert asyncio.run(write(settings, TopicPartition(topic, 0), data)) == 0


def test_doctor_sees_what_a_worker_will_put_by(settings: Settings) -> None:
    asyncio.run(produce(settings, BOUGHT))
    strange(settings, settings.purchases_topic)
    result = run("doctor", "--json")
    (found,) = [each for each in json.loads(result.stdout)["findings"] if each["subject"] == "batches"]
    assert (found["level"], result.exit_code) == ("warning", 0)
    assert f"purchases[0], offsets 20 to 21: a batch cannot be decoded: {STRANGE}" in found["said"]
    assert "one dead letter" in found["do"]


def test_doctor_sees_a_changelog_that_ends_a_worker(settings: Settings) -> None:
    strange(settings, settings.changelog_topic)
    result = run("doctor", "--json")
    (found,) = [each for each in json.loads(result.stdout)["findings"] if each["subject"] == "batches"]
    assert (found["level"], result.exit_code) == ("fault", 1)
    assert STRANGE in found["said"]
    assert "cartpulse reset" in found["do"]


def test_doctor_sees_offsets_that_the_embedded_broker_has_given_out_for_nothing(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = fresh_settings(tansu, partitions=1)
    for name in ("kafka_broker", "application", "topic_prefix", "partitions"):
        monkeypatch.setenv(variable(name), str(getattr(own, name)))
    asyncio.run(create_topics(own))
    place = TopicPartition(own.purchases_topic, 0)
    asyncio.run(write(own, place, of_unknown_codec(batch(0, [b"x"] * 3))))  # refused, and counted
    asyncio.run(produce(own, BOUGHT))
    result = run("doctor", "--json")
    (found,) = [each for each in json.loads(result.stdout)["findings"] if each["subject"] == "batches"]
    assert (found["level"], result.exit_code) == ("fault", 1)
    assert "purchases[0] cannot be read from offset 0 to 2: the log does not hold them" in found["said"]
    assert "--accept-gap" in found["do"]


@pytest.mark.parametrize("command", [("customer", "900"), ("export", "900")], ids=["customer", "export"])
def test_a_state_that_lacks_rows_is_not_told(settings: Settings, command: tuple[str, str]) -> None:
    strange(settings, settings.changelog_topic)
    result = run(*command)
    assert result.exit_code == Status.REFUSED
    assert (
        f"ledger-changelog[0] holds at offset 0 to 1 a batch that cannot be decoded: {STRANGE}"
        in result.stderr
    )


def test_an_export_leaves_a_batch_of_purchases_out_and_says_so(settings: Settings) -> None:
    asyncio.run(produce(settings, [("900", purchase(1, "900"))]))
    strange(settings, settings.purchases_topic)
    asyncio.run(produce(settings, [("900", purchase(2, "900"))]))
    result = run_apart("export", "900")
    assert result.returncode == 0
    assert [each["offset"] for each in json.loads(result.stdout)["purchases"]] == [0, 3]
    assert f"purchases[0], offsets 1 to 2: a batch that cannot be decoded: {STRANGE}." in result.stderr


def test_watch_goes_on_behind_a_batch_and_says_so(settings: Settings) -> None:
    topic = settings.topic("segment-changes")
    strange(settings, topic)
    place = TopicPartition(topic, 0)
    assert asyncio.run(write(settings, place, batch(0, [b'{"customer_id": "900"}'], key=b"900"))) == 0
    result = run_apart("watch", "segment-changes", "--from-beginning", "--limit", "1", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout.splitlines()[-1])["offset"] == 2
    assert f"segment-changes[0], offsets 0 to 1: a batch that cannot be decoded: {STRANGE}." in result.stderr


def test_the_letter_of_a_batch_is_listed_and_shown_and_not_sent_back(settings: Settings) -> None:
    data = of_unknown_codec(batch(40, [b"x"] * 3))
    broken = BrokenBatch(settings.purchases_topic, 0, 40, 42, data, "it is compressed with codec 6")
    letter = dead_letter(broken, refusal_of(broken), source="/cartpulse/test")
    raw = batch(0, [letter.value], key=None, headers=list(letter.headers))
    assert asyncio.run(write(settings, TopicPartition(settings.dead_letters_topic, 0), raw)) == 0
    listed = run("dead-letters", "list", "--error", "batch", "--json")
    told = json.loads(listed.stdout)
    assert (told["offset"], told["last_offset"], told["error"]) == (40, 42, "batch")
    assert f"{settings.purchases_topic}[0]@40-42" in run("dead-letters", "list").stdout
    shown = run("dead-letters", "show", told["id"]).stdout
    assert f"{settings.purchases_topic}[0]@40-42" in shown
    assert "00000000  00 00 00 00 00 00 00 28" in shown
    assert run("dead-letters", "show", told["id"], "--raw").stdout_bytes == data
    for arguments in ((), ("--dry-run",)):
        replayed = run("dead-letters", "replay", "--id", told["id"], *arguments)
        assert replayed.exit_code == 1
        assert "it is a whole record batch that cannot be decoded, and no record" in replayed.stdout
