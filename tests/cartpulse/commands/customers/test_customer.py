"""`cartpulse customer`: one customer, read from the changelog of the right partition and from the outputs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

from cartpulse.main import app
from models.ledger.ledger import Ledger
from models.memory.rows import CLOCK_KEY
from models.records.partitioner import partition_of
from models.state.holdout import held_out
from streams.kafka.options import ROWS_BATCH_BYTES, producer_options
from streams.kafka.topics import create_topics
from streams.settings.settings import Settings, variable
from tests.support.ledgers.logs import Replay, basket, drive, records_of, tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.contracts.changes import Row
    from streams.brokers.embedded import LocalBroker

ZOE = "Zoë"
HOME = partition_of(ZOE.encode(), 2, "murmur2")


class PositionedLedger(Replay):
    """A replay that keeps every row that was written, older ones too."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Row] = []

    def take(self, changes: Any) -> None:
        """Keep what came out."""
        super().take(changes)
        self.written += changes.rows


def a_history() -> list[bytes]:
    """Zoë buys milk each week among others, and once on a day that is still open."""
    log = [tick(-1)]
    for day in range(26):
        if day % 7 == 0:
            log.append(basket(f"m{day}", ZOE, day + 0.5, ("MILK", "p1", 1.0, 2.0)))
        others = [
            basket(f"o{day}{n}", f"other-{n}", day + 0.6, ("BREAD", "p2", 1.0, n)) for n in range(day % 5, 9)
        ]
        log += [*others, tick(day)]
    return [*log, basket("open", ZOE, 26.5, ("MILK", "p1", 1.0, 1.0))]


@pytest.fixture(scope="module")
def service(tansu: LocalBroker) -> tuple[Settings, PositionedLedger]:
    """A service whose ledger wrote its rows and outputs to the partition that Zoë belongs to."""
    return run_service(tansu, topic_prefix="looked-at.")


def run_service(broker: LocalBroker, **other: object) -> tuple[Settings, PositionedLedger]:
    told = {
        "kafka_broker": broker.address,
        "application": "shop",
        "partitions": 2,
        "segment_minimum_population": 3,
        "alert_minimum_probability": 0.25,
        "alert_minimum_lift": 0.0,
    }
    settings = Settings.model_validate(told | other)
    ledger, kept = Ledger(settings.ledger), PositionedLedger()
    drive(ledger, records_of(a_history(), settings.ledger), kept, finish=True)
    asyncio.run(write(settings, kept))
    return settings, kept


async def write(settings: Settings, kept: PositionedLedger) -> None:
    await create_topics(settings)
    options = producer_options(settings, idempotent=False, batch_bytes=ROWS_BATCH_BYTES)
    async with AIOKafkaProducer(**options, linger_ms=5) as producer:
        for row in kept.written:
            await producer.send(settings.changelog_topic, row.value, key=row.key, partition=HOME)
        # A late write of a worker that had lost the partition: older, though last in the log.
        stale = next(row for row in kept.written if row.key == ZOE.encode())
        await producer.send(settings.changelog_topic, stale.value, key=stale.key, partition=HOME)
        for output in kept.outputs:
            if output.topic in ("segment-changes", "recommendations", "exposures"):
                for _ in range(2):  # delivered twice, as after a crash
                    await producer.send(
                        settings.topic(output.topic),
                        output.value,
                        key=output.key,
                        partition=HOME,
                        headers=list(output.headers),
                    )
        await producer.flush()


@pytest.fixture
def look(
    service: tuple[Settings, PositionedLedger], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs `cartpulse customer`; the number of partitions is not in its environment."""
    settings, _ = service
    for name in ("kafka_broker", "application", "topic_prefix"):
        monkeypatch.setenv(variable(name), str(getattr(settings, name)))
    return lambda *arguments: CliRunner().invoke(app, ["customer", *arguments])


def test_a_customer_comes_as_json_with_the_state_and_the_history(
    look: Callable[..., Result], service: tuple[Settings, PositionedLedger]
) -> None:
    _, kept = service
    told = json.loads(look(ZOE, "--json").stdout)
    changes = [change for change in kept.values("segment-changes") if change["customer_id"] == ZOE]
    assert changes
    assert told["segment_changes"] == changes
    assert (told["customer_id"], told["partition"], told["baskets"]) == (ZOE, HOME, 5)
    assert told["segment"] == changes[-1]["to"]
    (habit,) = told["habits"]
    assert (habit["category"], habit["purchases"], habit["bought_on_open_day"]) == ("MILK", 4, True)
    said = [each for each in kept.values("recommendations") if each["customer_id"] == ZOE]
    assert len(said) > 1
    assert told["recommendations"] == said[-1]


def test_a_customer_is_a_page_for_people(look: Callable[..., Result]) -> None:
    page = look(ZOE)
    assert page.exit_code == 0
    assert page.stderr == ""
    for words in (f"Customer {ZOE}", "5 purchases on 5 days", "MILK*", "new -> ", "2017-01-27 is not closed"):
        assert words in page.stdout


def test_the_history_of_a_customer_who_is_held_out_is_told_too(
    tansu: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    salt = next(text for text in map(str, range(99)) if held_out(ZOE.encode(), 0.5, text))
    settings, kept = run_service(tansu, topic_prefix="held.", holdout_share=0.5, holdout_salt=salt)
    for name in ("kafka_broker", "application", "topic_prefix"):
        monkeypatch.setenv(variable(name), str(getattr(settings, name)))
    told = json.loads(CliRunner().invoke(app, ["customer", ZOE, "--json"]).stdout)
    changes = [event for event in kept.values("exposures") if event["customer_id"] == ZOE and "to" in event]
    assert told["held_out"] is True
    assert changes
    assert told["segment_changes"] == changes


@pytest.mark.parametrize("elsewhere", [(), ("--partition", str(HOME))])
def test_a_customer_who_is_not_known_is_a_failure_with_a_hint(
    look: Callable[..., Result], elsewhere: tuple[str, ...]
) -> None:
    nobody = next(f"n{n}" for n in range(99) if partition_of(b"n%d" % n, 2, "murmur2") == HOME)
    ended = look(nobody, *elsewhere, "--json")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"cartpulse: Customer '{nobody}' is not known in looked-at.shop-ledger")
    assert "dead-letters list" in ended.stderr


def test_a_partition_without_state_says_that_no_worker_has_written_there(look: Callable[..., Result]) -> None:
    ended = look(ZOE, "--partition", str(1 - HOME))
    assert ended.exit_code == 1
    assert "holds no state yet. Has a worker run" in ended.stderr
    assert look(ZOE, "--partition", "2").exit_code == 1


def test_topics_of_another_prefix_are_asked_for_by_nobody_and_named(
    look: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTPULSE_TOPIC_PREFIX", "nowhere.")
    ended = look(ZOE)
    assert ended.exit_code == 1
    assert "has no topic nowhere.shop-ledger-changelog" in ended.stderr
    assert "CARTPULSE_TOPIC_PREFIX" in ended.stderr


def test_rows_of_a_later_release_are_told(
    service: tuple[Settings, PositionedLedger], tansu: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, kept = service
    later = settings.model_copy(update={"topic_prefix": "later."})

    async def forge() -> None:
        await create_topics(later)
        async with AIOKafkaProducer(**producer_options(later, idempotent=False)) as producer:
            row = b"\x63\0" + kept.rows[CLOCK_KEY][2:]
            await producer.send_and_wait(later.changelog_topic, row, key=CLOCK_KEY, partition=HOME)

    asyncio.run(forge())
    for name, text in (("KAFKA_BROKER", tansu.address), ("CARTPULSE_APPLICATION", "shop")):
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("CARTPULSE_TOPIC_PREFIX", "later.")
    ended = CliRunner().invoke(app, ["customer", ZOE])
    assert ended.exit_code == 4
    assert "needs a later release" in ended.stderr
