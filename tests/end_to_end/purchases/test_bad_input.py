"""What a real worker makes of bad input: every bad event is found again, and every good one was applied."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from jsonschema import Draft202012Validator

from models.contracts.events import DeadLetter
from models.contracts.timestamps import milliseconds
from models.ledger.ledger import Ledger
from models.memory.rows import CLOCK_KEY, HEADER, customer_of, habits_key, header, is_habits
from models.records.partitioner import partition_of
from models.state.clock_row import ClockRow
from models.state.columns import HEAD, RING
from models.state.customer_rows import BOTH_ROWS_BYTES, HEAD_AT, Section
from streams.changelog.recovery import read_to_end
from streams.delivery.dead_letters import KEPT
from streams.kafka.options import producer_options
from streams.kafka.topics import OUTPUTS
from streams.partition.run_queue import raw_of
from tests.support.data.bad_input import Log, Malformed, Placed, journey, malformed, mixed, replay_of
from tests.support.data.purchases import produce, purchase, shop
from tests.support.kafka.cluster import Cluster, Job
from tests.support.ledgers.earlier_rows import sections_of
from tests.support.ledgers.failing_worker import POISON
from tests.support.paths import ROOT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from models.records.decoder import Raw
    from models.settings import LedgerSettings
    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings
    from tests.conftest import Broker
    from tests.support.ledgers.logs import Replay

pytestmark = pytest.mark.end_to_end

LONGEST_OWN_ROW = 256 * 1_024
FLOOD_BYTES = 300 * 1_024 * 1_024
"""What a flood may add to a worker's memory: fetched and decoded batches, however long it is."""


def real_ledger(settings: LedgerSettings, partition: int, partitions: int) -> Ledger:
    """The ledger of this release, as `cartpulse worker` makes it."""
    return Ledger(settings, partition=partition, partitions=partitions)


REAL = Job(program=("cartpulse", "worker"), ledger=real_ledger)


async def write(settings: Settings, records: Iterable[Placed]) -> Log:
    """Write records where they are placed, by one producer that keeps their order."""
    written = list(records)
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=False), linger_ms=5)
    await producer.start()
    try:
        for record in written:
            await producer.send(
                settings.purchases_topic, record.value, key=record.key, partition=record.partition
            )
        await producer.flush()
    finally:
        await producer.stop()
    return Log.of(written, settings.partitions)


async def until_swept(cluster: Cluster, records: int, seconds: float = 30) -> None:
    """Wait until so many records are accounted for, and the sweep that the last tick began is finished."""

    async def swept() -> bool:
        rows = [await cluster._rows(partition) for partition in range(cluster.settings.partitions)]
        clocks = [ClockRow.decode(row[CLOCK_KEY]) for row in rows if CLOCK_KEY in row]
        return sum(clock.offset + 1 for clock in clocks) >= records and not any(c.sweeping for c in clocks)

    await cluster.until(swept, seconds, f"{records} records applied and the last day swept")


def letters_by_place(letters: Sequence[Any]) -> dict[tuple[int, int], list[Any]]:
    """(partition, offset) of the source to the dead letters that name it."""
    found: dict[tuple[int, int], list[Any]] = {}
    for letter in letters:
        described = DeadLetter.from_headers(letter.headers)
        found.setdefault((described.partition, described.offset), []).append(letter)
    return found


async def assert_applied(cluster: Cluster, partition: int, wanted: Replay) -> None:
    """The rows and the outputs of a partition are those of a replay."""
    assert await cluster._rows(partition) == wanted.rows
    outputs = await cluster._outputs(partition)
    assert {identity.decode() for identity in outputs} == wanted.events.keys()
    assert all(len(copies) == 1 for copies in outputs.values())


async def test_ten_thousand_malformed_events_are_found_again_and_all_good_ones_applied(
    broker: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(broker, partitions=2)
    records = mixed(journey(20, settings), malformed(10_000), 2, chance=random.Random(1))
    async with Cluster(settings, tmp_path, REAL) as cluster:
        log = await write(settings, records)
        cluster.start_worker()
        await until_swept(cluster, sum(map(len, log.partitions)), 60)
        letters = letters_by_place(await cluster.dead_letters())
        wanted = log.malformed()
        assert len(wanted) == 10_000
        assert letters.keys() == wanted.keys()
        for place, record in wanted.items():
            (letter,) = letters[place]
            described = DeadLetter.from_headers(letter.headers)
            assert (letter.key, letter.value) == (record.key, record.value)
            assert record.fault is not None
            assert (described.error, described.field) == (record.fault.error, record.fault.field)
            assert described.stage == "decode"
            assert described.topic == settings.purchases_topic
            assert described.reason
        for partition in range(settings.partitions):
            await assert_applied(cluster, partition, replay_of(log.good(partition), settings, partition))


async def test_a_plain_consumer_and_a_cloudevents_reader_understand_every_output_of_a_replay(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=1, holdout_share=0.1)
    bad = malformed(300)
    async with Cluster(settings, tmp_path, REAL) as cluster:
        # The package's reader decodes keys as UTF-8; the service itself does not care.
        records = mixed(journey(21, settings), bad, 1, chance=random.Random(2), keys=(None, b"900"))
        log = await write(settings, records)
        cluster.start_worker()
        await until_swept(cluster, len(log.partitions[0]), 60)
        wanted = replay_of(log.good(0), settings, 0)
        contracts = {
            "replenishment-alerts": (
                *("replenishment-alert", "alert-closing", "replenishment-list", "list-closing"),
                "lapsed-habit",
            ),
            "recommendations": ("recommendation",),
            "segment-changes": ("segment-change",),
            "cluster-changes": ("cluster-change",),
            "dead-letters": ("dead-letter",),
        }
        assert set(OUTPUTS) < {*contracts, "exposures"}
        counts = dict.fromkeys([*contracts, "exposures"], 0)
        consumer = AIOKafkaConsumer(
            *map(settings.topic, counts), bootstrap_servers=tansu.address, auto_offset_reset="earliest"
        )
        await consumer.start()
        total = len(wanted.outputs) + len(bad)
        names = [name for each in contracts.values() for name in each]
        checks = {f"io.cartpulse.{name}.v1": _checker(name) for name in names}

        async def all_are_read() -> bool:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    topic = record.topic.removeprefix(settings.topic_prefix)
                    counts[topic] += 1
                    _assert_valid(record, checks[dict(record.headers)["ce_type"].decode()])
            return sum(counts.values()) >= total

        try:
            # Each is held against its schema on the way, which takes a busy machine a good while.
            await cluster.until(all_are_read, 120, f"{total} events read")
        finally:
            await consumer.stop()
        assert counts["dead-letters"] == len(bad)
        assert counts["replenishment-alerts"] > 50
        assert counts["recommendations"] > 1_000
        assert counts["segment-changes"] > 100
        assert counts["cluster-changes"] > 100
        assert counts["exposures"] > 20
        assert sum(counts.values()) == total


def _checker(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / "contracts" / f"{name}.v1.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _assert_valid(record: Any, check: Draft202012Validator) -> None:
    """An event as the `cloudevents` package reads it satisfies the committed schema."""
    message = KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value or b"")
    event = from_binary_event(message)
    assert event.get_specversion() == "1.0"
    if event.get_type() == "io.cartpulse.dead-letter.v1":
        check.validate({name: content.decode() for name, content in record.headers})
        return
    content = event.get_data()
    check.validate(content)
    assert isinstance(content, dict)
    assert record.key == content["customer_id"].encode()
    at = event.get_time()
    assert at is not None
    assert at.timestamp() * 1_000 == milliseconds(content["occurred_at"])


def forgotten(records: Sequence[Placed]) -> set[int]:
    """Which of a file's purchases are not among their customer's 32 latest: no second pass can tell them."""
    events: dict[str, list[tuple[int, int, int]]] = {}
    for at, record in enumerate(records):
        content = json.loads(record.value or b"")
        if content["kind"] == "purchase":
            name = content["event_id"].encode()
            hashed = int.from_bytes(blake2b(name, digest_size=8).digest(), "little")
            mine = events.setdefault(content["customer_id"], [])
            mine.append((milliseconds(content["occurred_at"]), hashed, at))
    return {at for mine in events.values() for _, _, at in sorted(mine)[:-RING]}


def customers_of(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What the rows of customers hold, whenever they were looked at since, and whatever came again.

    How alerts ended leaves a row once the partition has learnt from it.
    """
    found = {}
    for key, row in rows.items():
        if customer_of(key) is not None:
            kept = [head + items for kind, head, items in sections_of(row) if kind != Section.OUTCOMES]
            body = bytearray(row[: HEADER.itemsize] + b"".join(kept))
            np.frombuffer(body, HEADER, 1)[["offset", "boundary"]] = 0
            if not is_habits(key):
                np.frombuffer(body, HEAD, 1, HEAD_AT)["duplicates"] = 0
            found[key] = bytes(body)
    return found


async def test_the_same_file_written_twice_changes_nothing(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=1)
    file = list(journey(35, settings))
    async with Cluster(settings, tmp_path, REAL) as cluster:
        log = await write(settings, file)
        cluster.start_worker()
        await until_swept(cluster, len(file), 60)
        once = replay_of(log.good(0), settings, 0)
        await assert_applied(cluster, 0, once)
        await write(settings, file)
        await until_swept(cluster, 2 * len(file), 60)
        rows, outputs = await cluster._rows(0), await cluster._outputs(0)
        assert customers_of(rows) == customers_of(once.rows)
        assert {identity.decode() for identity in outputs} == once.events.keys()
        letters = letters_by_place(await cluster.dead_letters())
        late = forgotten(file)
        assert len(late) > 20
        assert {offset for _, offset in letters} == {len(file) + at for at in late}
        for (_, offset), (letter,) in letters.items():
            described = DeadLetter.from_headers(letter.headers)
            assert (described.stage, described.error) == ("duplicate", "too-old")
            assert (letter.key, letter.value) == file[offset - len(file)][1:3]


async def test_two_producers_that_write_the_same_file_count_it_once(
    broker: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(broker, partitions=2)
    file = list(journey(10, settings))
    async with Cluster(settings, tmp_path, REAL) as cluster:
        cluster.start_worker()
        log, _ = await asyncio.gather(write(settings, file), write(settings, file))
        await until_swept(cluster, 2 * len(file), 60)
        for partition in range(settings.partitions):
            # However the two are interleaved, what is new comes in the file's order.
            first: dict[bytes | None, Raw] = {}
            source = TopicPartition(settings.purchases_topic, partition)
            async for records in read_to_end(cluster._reader, source, 0):
                for record in records:
                    first.setdefault(record.value, raw_of(record))
            assert list(first) == [record.value for record in log.partitions[partition]]
            once = replay_of(list(first.values()), settings, partition)
            assert customers_of(await cluster._rows(partition)) == customers_of(once.rows)
            outputs = await cluster._outputs(partition)
            assert {identity.decode() for identity in outputs} == once.events.keys()


async def test_events_without_key_or_in_the_wrong_partition_reach_their_customer(
    broker: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(broker, partitions=3)
    chance = random.Random(3)
    records, events, wrong = list[Placed](), dict[str, int](), 0
    for name, value in shop(20, 200, seed=5):
        if name is None:
            records += [Placed(home, None, value) for home in range(3)]
            continue
        events[name] = events.get(name, 0) + 1
        home = partition_of(name.encode(), 3, settings.partitioner)
        place = chance.choice([home, chance.randrange(3)])
        wrong += place != home
        records.append(
            Placed(place, chance.choice([None, b"", b"customer-1", b"\xff", name.encode()]), value)
        )
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await write(settings, records)
        cluster.start_worker()
        await until_swept(cluster, len(records) + wrong, 40)
        await cluster.until_settled()
        counted = dict[str, int]()
        for partition in range(3):
            for key, body in customers_of(await cluster._rows(partition)).items():
                if is_habits(key):
                    continue
                assert partition_of(key, 3, settings.partitioner) == partition
                counted[key.decode()] = int(np.frombuffer(body, HEAD, 1, HEAD_AT)["baskets"][0])
        assert counted == events
        assert await cluster.dead_letters() == []
        assert await cluster.applied() == len(records) + wrong


def neighbour(name: str, partition: int, partitions: int) -> str:
    """A customer of that partition, called something like it."""
    names = (f"{name}-{number}" for number in count())
    return next(one for one in names if partition_of(one.encode(), partitions, "murmur2") == partition)


def floods() -> Iterator[Placed]:
    """Customers of partition 0 of 2: one with 20,000 events, baskets of 5,000 lines, 100,000 categories."""
    start = datetime(2017, 2, 10, 12, tzinfo=UTC)
    burst, wide = neighbour("burst", 0, 2), neighbour("wide", 0, 2)
    odd = [neighbour(f"odd-{number}", 0, 2) for number in range(10)]
    for number in range(20_000):
        at = (start + timedelta(milliseconds=number)).isoformat().replace("+00:00", "Z")
        yield Placed(0, None, purchase(number, burst, at))
    for number in range(20):
        names = [f"LINE {line}" for line in range(5_000)]
        yield Placed(0, None, purchase(number, wide, "2017-02-10T12:01:00Z", names))
    for number in range(100):
        names = [f"CATEGORY {number} {line}" for line in range(1_000)]
        yield Placed(0, None, purchase(number, odd[number % 10], "2017-02-10T12:02:00Z", names))


def most_memory(worker: subprocess.Popen[bytes]) -> int:
    """Bytes that a process held at most; 0 where the system does not tell."""
    status = Path(f"/proc/{worker.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmHWM"))


async def test_a_flood_of_events_lines_and_categories_is_bounded_and_stalls_nobody(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=2)
    async with Cluster(settings, tmp_path, REAL) as cluster:
        sent = await produce(settings, shop(40, 200, seed=6))
        worker = cluster.start_worker()
        await until_swept(cluster, sent, 40)
        before = most_memory(worker)
        done = [await applied_of(cluster, partition) for partition in range(2)]
        log = await write(settings, floods())
        flood = len(log.partitions[0])
        probes = [neighbour(f"probe-{number}", 1, 2) for number in range(50)]
        await write(
            settings,
            [Placed(1, None, purchase(at, name, "2017-02-10T12:00:00Z")) for at, name in enumerate(probes)],
        )

        async def probes_came_out() -> bool:
            return await applied_of(cluster, 1) == done[1] + len(probes)

        await cluster.until(probes_came_out, 10, "the purchases of other customers applied")
        assert {name.encode() for name in probes} <= (await cluster._rows(1)).keys()
        await until_swept(cluster, sum(done) + flood + len(probes), 60)
        rows = await cluster._rows(0)
        customers = [key for key in rows if key[:1] != b"\0"]
        both = (len(rows[key]) + len(rows.get(habits_key(key), b"")) for key in customers)
        assert max(both) <= BOTH_ROWS_BYTES
        assert max(map(len, rows.values())) <= LONGEST_OWN_ROW
        assert await cluster.dead_letters() == []
        assert most_memory(worker) < before + FLOOD_BYTES


async def applied_of(cluster: Cluster, partition: int) -> int:
    """How many records of a partition its changelog accounts for."""
    return header((await cluster._rows(partition))[CLOCK_KEY]).offset + 1


async def test_a_model_that_fails_costs_the_events_at_fault_and_no_other(
    broker: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(broker, partitions=2)
    job = Job(program=("tests.support.ledgers.failing_worker",), ledger=REAL.ledger)
    chance, records, poisoned = random.Random(8), list[Placed](), 0
    for number, record in enumerate(journey(8, settings)):
        records.append(record)
        if number % 150 == 75 and record.key is not None:
            poisoned += 1
            value = purchase(-number, record.key.decode(), "2017-01-01T17:00:00Z", ["MILK", POISON])
            fault = Malformed(value, "ZeroDivisionError", "")
            records.append(Placed(record.partition, chance.choice([None, record.key]), value, fault))
    async with Cluster(settings, tmp_path, job) as cluster:
        log = await write(settings, records)
        cluster.start_worker()
        await until_swept(cluster, len(records), 40)
        letters = letters_by_place(await cluster.dead_letters())
        wanted = log.malformed()
        assert len(wanted) == poisoned > 20
        assert letters.keys() == wanted.keys()
        for place, record in wanted.items():
            (letter,) = letters[place]
            described = DeadLetter.from_headers(letter.headers)
            assert (letter.key, letter.value) == (record.key, record.value)
            assert (described.stage, described.error) == ("apply", "ZeroDivisionError")
            assert "a planted failure" in described.reason
        for partition in range(settings.partitions):
            await assert_applied(cluster, partition, replay_of(log.good(partition), settings, partition))


async def test_records_that_no_topic_would_take_again_do_not_stop_the_worker(
    broker: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(broker, partitions=2)
    stranger = neighbour("stranger", 1, 2)
    huge = b"k" * 20_000_000  # compressed, it is a few kilobytes
    sent: list[tuple[bytes | None, bytes, list[tuple[str, bytes | None]]]] = [
        (huge, b"{bad", []),
        (None, b"{bad", [("huge", huge)]),
        (huge, purchase(1, stranger), [("huge", huge)]),
        (None, purchase(2, stranger), [("empty", None), ("käse", b"\xff")]),
        (b"\xff", purchase(3, neighbour("resident", 0, 2)), []),
    ]
    options = producer_options(settings, idempotent=False) | {"max_request_size": 64_000_000}
    async with Cluster(settings, tmp_path, REAL) as cluster:
        cluster.start_worker()
        producer = AIOKafkaProducer(**options, compression_type="gzip")
        await producer.start()
        for key, value, headers in sent:
            await producer.send_and_wait(
                settings.purchases_topic, value, key=key, headers=headers, partition=0
            )
        await producer.stop()
        await until_swept(cluster, len(sent) + 2)
        letters = [(letter.key, letter.value) for letter in await cluster.dead_letters()]
        assert letters == [(huge[:KEPT], b"{bad"), (None, b"{bad")]
        assert stranger.encode() in await cluster._rows(1)
