"""`cartpulse dead-letters replay`: each letter goes back once, or it is said why not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

from cartpulse.main import app
from models.contracts.events import DEAD_LETTER_REPLAYED_TYPE
from models.records.partitioner import partition_of
from streams.kafka.log.reading import read_all
from streams.kafka.options import producer_options
from streams.kafka.topics import create_topics
from streams.operations.letter_replay import LetterReplay
from streams.settings.settings import Settings, variable
from tests.support.data.letters import told
from tests.support.data.purchases import purchase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from models.contracts.events import DeadLetter
    from streams.brokers.embedded import LocalBroker

GOOD = purchase(1, "900")
FUTURE = told(1, stage="time", error="future")
KEYLESS = told(2, stage="apply", error="KeyError", partition=1)
BROKEN = told(3)
CUT = told(4, error="too-large", size=3_000_000, sha256="e" * 64)
OLD = told(6, stage="duplicate", error="too-old")
TICK = told(5, stage="time", error="future")
LETTERS: Sequence[tuple[DeadLetter, bytes | None, bytes]] = (
    (FUTURE, b"900", GOOD),
    (KEYLESS, None, purchase(2, "901")),
    (OLD, b"904", purchase(6, "904")),
    (BROKEN, b"902", b'{"event_id": 3}'),
    (CUT, b"903", b"x" * 100),
    (TICK, None, b'{"kind": "tick", "event_id": "tick:1", "occurred_at": "2017-01-01T07:00:00Z"}'),
)


@pytest.fixture
def settings(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A service whose topic of dead letters holds a few."""
    own = fresh_settings(tansu, partitions=2)
    for name in ("kafka_broker", "application", "topic_prefix"):
        monkeypatch.setenv(variable(name), str(getattr(own, name)))

    async def fill() -> None:
        await create_topics(own)
        async with AIOKafkaProducer(**producer_options(own, idempotent=False)) as producer:
            for letter, key, value in LETTERS:
                await producer.send_and_wait(
                    own.dead_letters_topic, value, key=key, partition=1, headers=list(letter.headers())
                )

    asyncio.run(fill())
    return own


def replay(*arguments: str, status: int = 0) -> dict[str, dict[str, Any]]:
    """What is told of each letter, by id."""
    ended = run("replay", "--json", *arguments, status=status)
    return {(letter := json.loads(line))["id"]: letter for line in ended.stdout.splitlines()}


def run(*arguments: str, status: int = 0, typed: str | None = None) -> Result:
    ended = CliRunner().invoke(app, ["dead-letters", *arguments], input=typed)
    assert ended.exit_code == status, ended.output
    return ended


def held(settings: Settings, topic: str) -> list[Any]:
    async def read() -> list[Any]:
        return [record async for record in read_all(settings, topic)]

    return asyncio.run(read())


def test_each_letter_goes_back_once_or_it_is_said_why_not(settings: Settings) -> None:
    outcomes = replay("--yes", status=1)
    assert {identity: letter["outcome"] for identity, letter in outcomes.items()} == {
        FUTURE.identity: "sent",
        KEYLESS.identity: "sent",
        BROKEN.identity: "would be refused again",
        CUT.identity: "would be refused again",
        OLD.identity: "would be refused again",
        TICK.identity: "would be refused again",
    }
    assert "duplicate/too-old" in outcomes[OLD.identity]["reason"]
    assert "decode/type" in outcomes[BROKEN.identity]["reason"]
    assert "its first 100 of 3000000 bytes" in outcomes[CUT.identity]["reason"]
    sent = {record.value: record for record in held(settings, settings.purchases_topic)}
    assert sent.keys() == {GOOD, purchase(2, "901")}
    assert sent[GOOD].key == b"900"
    assert sent[GOOD].partition == partition_of(b"900", 2, "murmur2")
    assert sent[GOOD].headers == (("replayed-from", FUTURE.identity.encode()),)
    assert (sent[purchase(2, "901")].key, sent[purchase(2, "901")].partition) == (None, 1)
    again = replay("--yes", status=1)
    assert again[FUTURE.identity] == outcomes[FUTURE.identity] | {"outcome": "sent before"}
    assert len(held(settings, settings.purchases_topic)) == 2


def test_what_was_sent_is_marked_behind_its_letter_and_shown(settings: Settings) -> None:
    where = replay("--stage", "time", "--error", "future", "--yes", status=1)[FUTURE.identity]
    (marker,) = (
        record
        for record in held(settings, settings.dead_letters_topic)
        if ("ce_type", DEAD_LETTER_REPLAYED_TYPE.encode()) in record.headers
    )
    assert (marker.partition, marker.key) == (1, b"900")
    told_of = json.loads(run("show", FUTURE.identity[:8], "--json").stdout)["replayed"]
    assert told_of == json.loads(marker.value)
    assert (told_of["letter_id"], told_of["offset"]) == (FUTURE.identity, where["offset"])
    listed = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert len(listed) == len(LETTERS)


def test_a_repaired_value_goes_to_its_customer_s_partition(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "letter.json"
    assert run("show", BROKEN.identity, "--raw").stdout_bytes == b'{"event_id": 3}'
    file.write_bytes(b'{"event_id": "3"}')
    still = replay("--id", BROKEN.identity[:8], "--file", str(file), status=1)
    assert "decode/missing" in still[BROKEN.identity]["reason"]
    file.write_bytes(purchase(3, "904"))
    assert replay("--id", BROKEN.identity[:8], "--file", str(file))[BROKEN.identity]["outcome"] == "sent"
    (record,) = held(settings, settings.purchases_topic)
    assert (record.value, record.key) == (purchase(3, "904"), b"904")
    assert record.partition == partition_of(b"904", 2, "murmur2")
    assert "would be" not in run("replay", "--id", BROKEN.identity[:8]).stdout
    assert len(held(settings, settings.purchases_topic)) == 1


def test_after_an_interruption_a_letter_is_sent_again_with_the_same_bytes_and_then_no_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(LetterReplay, "_mark", interrupted)
        run("replay", "--id", FUTURE.identity, status=130)
    for outcome in ("sent", "sent before"):
        assert replay("--id", FUTURE.identity)[FUTURE.identity]["outcome"] == outcome
    copies = held(settings, settings.purchases_topic)
    assert [(record.key, record.value, record.headers) for record in copies] == [
        (b"900", GOOD, (("replayed-from", FUTURE.identity.encode()),))
    ] * 2  # one purchase by its event id, however often it is sent


def test_nothing_is_sent_dry_or_without_a_yes(settings: Settings) -> None:
    assert replay("--dry-run", status=1)[FUTURE.identity]["outcome"] == "would be sent"
    asked = run("replay", status=1, typed="n\n")
    assert "Send 6 record(s) back to" in asked.output
    assert held(settings, settings.purchases_topic) == []


def test_a_letter_that_there_is_not_is_named(settings: Settings) -> None:
    assert "No dead letter's id begins with 'ffff'" in run("replay", "--id", "ffff", status=1).stderr
    assert "No dead letter's id begins with 'ffff'" in run("show", "ffff", status=1).stderr
    assert "More than one id begins with ''" in run("show", "", status=1).stderr
    assert "No dead letters to send back" in run("replay", "--error", "nesting").stderr
    assert "neither a time" in run("replay", "--since", "now", status=2).output
    assert settings.partitions == 2
