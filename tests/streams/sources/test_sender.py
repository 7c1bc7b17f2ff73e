"""A replay keeps order, loses nothing, waits for every acknowledgement and ends at the first that fails."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from models.records.partitioner import partition_of
from streams.settings.settings import Settings
from streams.sources import sender as replay
from streams.sources.feed import Feed
from streams.sources.sender import NotAcknowledgedError, RecordSender, SendProgress, send_steadily

DAY = 86_400_000


class _Batch:
    """A batch builder that is full after `room` records."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.records: list[tuple[bytes | None, bytes]] = []
        self.closed = False

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes) -> object | None:
        assert timestamp is None
        if self.closed or len(self.records) >= self.room:
            return None
        self.records.append((key, value))
        return object()

    def close(self) -> None:
        self.closed = True

    def size(self) -> int:
        return sum(len(value) for _, value in self.records)


class _Broker:
    """A producer and what it was given, by partition; acknowledges a little later."""

    def __init__(self, *, room: int = 10, fail_at: int | None = None, silent: bool = False) -> None:
        self.room, self.fail_at, self.silent = room, fail_at, silent
        self.log: dict[int, list[tuple[bytes | None, bytes]]] = {}
        self.waiting = self.most_waiting = self.batches = 0

    def create_batch(self) -> _Batch:
        return _Batch(self.room)

    async def send_batch(self, batch: _Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert topic == "purchases"
        assert batch.closed
        return self._take(partition, batch.records)

    async def send(self, topic: str, value: bytes, key: bytes | None, partition: int) -> asyncio.Future[Any]:
        assert topic == "purchases"
        return self._take(partition, [(key, value)])

    def _take(self, partition: int, records: list[tuple[bytes | None, bytes]]) -> asyncio.Future[Any]:
        base = len(self.log.setdefault(partition, []))
        self.log[partition].extend(records)
        self.batches += 1
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self.silent:
            loop.call_later(0.002, self._answer, future, self.batches, base)
        return future

    def _answer(self, future: asyncio.Future[Any], number: int, base: int) -> None:
        self.waiting -= 1
        if number == self.fail_at:
            future.set_exception(OSError("disk full"))
        else:
            future.set_result(SimpleNamespace(offset=base))


def purchases(count: int) -> list[Feed]:
    return [Feed(str(i % 7).encode(), f"event {i}".encode(), i * 1000) for i in range(count)]


async def test_records_reach_their_customers_partition_in_order() -> None:
    settings, broker = Settings(partitions=3), _Broker()
    records = purchases(200)
    await RecordSender(broker, settings).send(records)
    for partition in range(3):
        mine = [
            (record.key, record.value)
            for record in records
            if record.key is not None and partition_of(record.key, 3, "murmur2") == partition
        ]
        assert broker.log.get(partition, []) == mine


async def test_a_tick_reaches_every_partition_between_the_records_around_it() -> None:
    broker = _Broker()
    records = [*purchases(40), Feed(None, b"tick", 40_000), *purchases(40)]
    done = await RecordSender(broker, Settings(partitions=4)).send(records)
    assert (done.purchases, done.ticks) == (80, 4)
    for partition in range(4):
        log = broker.log[partition]
        at = log.index((None, b"tick"))
        assert at == (len(log) - 1) / 2


async def test_progress_counts_what_was_acknowledged() -> None:
    seen: list[SendProgress] = []
    done = await RecordSender(_Broker(), Settings(), progress=seen.append).send(purchases(95))
    assert [progress.purchases for progress in seen][-3:] == [80, 90, 95]
    assert done.purchases == 95
    assert done.occurred_at == 94_000


async def test_no_more_than_the_bound_is_unacknowledged() -> None:
    broker = _Broker(room=1)
    await RecordSender(broker, Settings()).send(purchases(100))
    assert broker.most_waiting == replay.BATCHES_IN_FLIGHT


async def test_a_refused_batch_ends_the_replay_and_says_why() -> None:
    with pytest.raises(NotAcknowledgedError, match="disk full"):
        await RecordSender(_Broker(fail_at=3), Settings()).send(purchases(100))


async def test_a_silent_broker_ends_the_replay_after_the_deadline() -> None:
    with pytest.raises(NotAcknowledgedError, match="within 1 s"):
        await RecordSender(_Broker(silent=True), Settings(send_deadline_seconds=1)).send(purchases(1))


async def test_a_pace_spreads_event_days_over_seconds() -> None:
    records = [Feed(b"c", str(day).encode(), day * DAY) for day in range(5)]
    broker = _Broker()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await RecordSender(broker, Settings(), days_per_second=20).send(records)
    assert loop.time() - started >= 0.2 - 0.02
    assert [value for _, value in broker.log[0]] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_pace_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        RecordSender(_Broker(), Settings(), days_per_second=0)


async def test_a_steady_sender_announces_each_record_before_it_goes() -> None:
    broker = _Broker()
    announced: list[bytes] = []

    def sending(record: Feed) -> None:
        assert len(broker.log.get(0, [])) == len(announced)
        announced.append(record.value)

    loop = asyncio.get_running_loop()
    started = loop.time()
    count = await send_steadily(broker, Settings(), purchases(50), per_second=500, sending=sending)
    assert loop.time() - started >= 49 / 500
    assert count == 50
    assert announced == [value for _, value in broker.log[0]]


async def test_a_steady_sender_ends_with_the_first_refusal() -> None:
    with pytest.raises(NotAcknowledgedError, match="disk full"):
        await send_steadily(
            _Broker(fail_at=2), Settings(), purchases(5), per_second=1000, sending=lambda _: None
        )
