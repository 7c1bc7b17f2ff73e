"""Kafka in memory, at the surface of aiokafka that the engine uses, with every wait in the test's hand."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import OffsetOutOfRangeError, UnsupportedCodecError
from aiokafka.structs import TopicPartition

from streams.kafka.log.salvage import CarefulReader, Salvage
from streams.kafka.log.walk import Fetched
from streams.kafka.record_batch import RecordBatch
from tests.support.kafka import raw_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Record(NamedTuple):
    """As aiokafka's ConsumerRecord, as far as it is looked at."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0
    timestamp_type: int = 0


class FakeClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def elapsed(self) -> float:
        """Seconds."""
        return self.at

    def now_ms(self) -> int:
        """The same, in ms."""
        return int(self.at * 1_000)


class RunningClock(FakeClock):
    """Time that passes as it does, and more of it when it is told to."""

    def elapsed(self) -> float:
        """Seconds."""
        return self.at + time.monotonic()


class FakeLogs:
    """The logs of a broker."""

    def __init__(self) -> None:
        self.records: defaultdict[TopicPartition, list[Record]] = defaultdict(list)
        self.starts: defaultdict[TopicPartition, int] = defaultdict(int)
        self.committed: dict[TopicPartition, int] = {}
        self.changed = asyncio.Event()
        self.marked = True
        """Whether batches say that offsets hold no record; otherwise nothing does."""
        self._markers: defaultdict[TopicPartition, int] = defaultdict(int)
        """Offsets behind the last record that hold none."""
        self.broken: defaultdict[TopicPartition, list[tuple[int, int, bytes]]] = defaultdict(list)
        """First and last offset and bytes of batches that cannot be decoded."""

    def append_broken(self, partition: TopicPartition, data: bytes, count: int) -> int:
        """Write a batch that cannot be decoded, as it is; the answer is its first offset."""
        first = self.end(partition)
        self.broken[partition].append((first, first + count - 1, data))
        self._markers[partition] += count
        self.changed.set()
        return first

    def mark(self, partition: TopicPartition) -> None:
        """Write the marker of a transaction's end."""
        self._markers[partition] += 1

    def end(self, partition: TopicPartition) -> int:
        """The high watermark."""
        records = self.records[partition]
        return (records[-1].offset + 1 if records else self.starts[partition]) + self._markers[partition]

    def append(
        self,
        partition: TopicPartition,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> int:
        """Write a record; the answer is its offset."""
        offset = self.end(partition)
        self.records[partition].append(
            Record(partition.topic, partition.partition, offset, key, value, tuple(headers))
        )
        self._markers[partition] = 0
        self.changed.set()
        return offset

    def cut(self, partition: TopicPartition, start: int) -> None:
        """Remove what is before `start`."""
        self.starts[partition] = start
        self.records[partition] = [record for record in self.records[partition] if record.offset >= start]

    def read(self, partition: TopicPartition, start: int, most: int) -> list[Record]:
        """Records from an offset on."""
        if not self.starts[partition] <= start <= self.end(partition):
            raise OffsetOutOfRangeError({partition: start})
        records = [record for record in self.records[partition] if record.offset >= start][:most]
        far = records[-1].offset if len(records) == most else self.end(partition)
        if any(start <= last and first <= far for first, last, _ in self.broken[partition]):
            raise UnsupportedCodecError("as aiokafka, which does not say where")
        return records

    async def fetch(self, place: TopicPartition, offset: int, most: int = 1 << 20) -> Fetched:
        """Give the bytes of the log from an offset on: batches, markers where none is, and what is broken."""
        end, pieces, at = self.end(place), list[bytes](), offset
        if not self.starts[place] <= offset <= end:
            raise OffsetOutOfRangeError({place: offset})
        values = {record.offset: record for record in self.records[place]}
        while at < end and sum(map(len, pieces)) < most:
            broken = next((b for b in self.broken[place] if b[0] <= at <= b[1]), None)
            if broken is not None:
                pieces.append(broken[2])
                at = broken[1] + 1
            elif at in values:
                pieces.append(raw_batches.batch(at, [values[at].value], key=values[at].key))
                at += 1
            else:
                pieces += [raw_batches.marker(at)] if self.marked else []
                at += 1
        return Fetched(b"".join(pieces), end, (), self.starts[place])


class FakeBuilder:
    """A record batch in the making."""

    def __init__(self, limit: int = 7 * 1024 * 1024) -> None:
        self.records: list[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]] = []
        self.closed = False
        self._left = limit
        self._bytes = 0

    def append(self, *, timestamp: int, key: bytes | None, value: bytes | None, headers: Any = ()) -> object:
        """Take a record; None when the batch is full."""
        del timestamp
        self._left -= len(key or b"") + len(value or b"")
        if self.closed or self._left < 0:
            self.closed = True
            return None
        self.records.append((key, value, tuple(headers)))
        self._bytes += len(key or b"") + len(value or b"")
        self._bytes += sum(len(name) + len(said or b"") for name, said in headers)
        return object()

    def size(self) -> int:
        """Bytes so far, without framing."""
        return self._bytes

    def close(self) -> None:
        """Take no more."""
        self.closed = True


def _read(batch: RecordBatch) -> FakeBuilder:
    """The records of a batch that came as bytes."""
    builder = FakeBuilder()
    for record in raw_batches.records(batch._build()):
        builder.append(timestamp=record.timestamp, key=record.key, value=record.value, headers=record.headers)
    builder.close()
    return builder


class Sent(NamedTuple):
    """A batch given to a producer."""

    target: TopicPartition
    builder: FakeBuilder
    future: asyncio.Future[Any]


class Acknowledgement(NamedTuple):
    """As aiokafka's RecordMetadata, as far as it is looked at."""

    offset: int


class FakeProducer:
    """Appends to the logs what it is given: at once, or when the test says so."""

    def __init__(self, logs: FakeLogs, *, at_once: bool = True) -> None:
        self.logs, self.at_once = logs, at_once
        self.batch_bytes = 7 * 1024 * 1024
        self.sent: list[Sent] = []
        self.stopped = False

    def create_batch(self) -> FakeBuilder:
        """A new batch."""
        return FakeBuilder(self.batch_bytes)

    async def send_batch(
        self, builder: FakeBuilder | RecordBatch, topic: str, *, partition: int
    ) -> asyncio.Future[Any]:
        """Take a batch."""
        if isinstance(builder, RecordBatch):
            builder = _read(builder)
        assert builder.closed, "an open batch waits for the linger time"
        sent = Sent(TopicPartition(topic, partition), builder, asyncio.get_running_loop().create_future())
        self.sent.append(sent)
        if self.at_once:
            self.acknowledge(sent)
        return sent.future

    def acknowledge(self, sent: Sent) -> None:
        """Append it."""
        base = self.logs.end(sent.target)
        for key, value, headers in sent.builder.records:
            self.logs.append(sent.target, key, value, headers)
        sent.future.set_result(Acknowledgement(base))

    def waiting(self) -> Sequence[Sent]:
        """What is not acknowledged yet."""
        return [sent for sent in self.sent if not sent.future.done()]

    async def stop(self) -> None:
        """End."""
        self.stopped = True


class FakeTransactions(FakeProducer):
    """A transactional producer: what it sent is appended when its transaction is committed."""

    def __init__(self, logs: FakeLogs) -> None:
        super().__init__(logs, at_once=False)
        self.done: list[str] = []
        self.refuse: Exception | None = None
        self.held: asyncio.Event | None = None
        """Makes a commit wait."""
        self._taken: list[Sent] = []
        self._offsets: dict[TopicPartition, int] = {}

    async def begin_transaction(self) -> None:
        """Begin."""
        self.done.append("begin")

    async def send_batch(
        self, builder: FakeBuilder | RecordBatch, topic: str, *, partition: int
    ) -> asyncio.Future[Any]:
        """Take a batch, acknowledged with the offset that it will have."""
        sent = await super().send_batch(builder, topic, partition=partition)
        taken = self.sent[-1]
        if self.refuse is not None:
            sent.set_exception(self.refuse)
        else:
            sent.set_result(Acknowledgement(self.logs.end(taken.target)))
        self._taken.append(taken)
        return sent

    async def send_offsets_to_transaction(self, offsets: dict[TopicPartition, int], group: str) -> None:
        """Take the position."""
        assert group
        self._offsets = dict(offsets)

    async def commit_transaction(self) -> None:
        """Append all of it, and a marker that is no record."""
        if self.held is not None:
            await self.held.wait()
        for target, builder, _ in self._taken:
            for key, value, headers in builder.records:
                self.logs.append(target, key, value, headers)
        for target in {sent.target for sent in self._taken}:
            self.logs.mark(target)
        self.logs.committed |= self._offsets
        self._taken.clear()
        self.done.append("commit")

    async def abort_transaction(self) -> None:
        """Append none of it."""
        self._taken.clear()
        self.done.append("abort")


class FakeConsumer:
    """A consumer, with or without a group; whoever drives the test assigns."""

    def __init__(self, logs: FakeLogs) -> None:
        self.logs = logs
        self.calls: list[tuple[Any, ...]] = []
        self.positions: dict[TopicPartition, int] = {}
        self.commits: list[dict[TopicPartition, int]] = []
        self.refuse: Exception | None = None
        self.listener: Any = None
        self.topics: dict[str, set[int]] = {}
        self._paused: set[TopicPartition] = set()
        self.stopped = False

    def subscribe(self, topics: list[str], *, listener: Any) -> None:
        """Remember who listens."""
        self.calls.append(("subscribe", *topics))
        self.listener = listener

    def assign(self, partitions: list[TopicPartition]) -> None:
        """By hand."""
        self.positions = dict.fromkeys(partitions, -1)

    def assignment(self) -> set[TopicPartition]:
        """What it was assigned."""
        return set(self.positions)

    async def rebalance(self, partitions: Iterable[TopicPartition]) -> None:
        """Take all partitions away and give these."""
        await self.listener.on_partitions_revoked(set(self.positions))
        self.positions = dict.fromkeys(partitions, -1)
        self._paused = set()
        self.listener.on_partitions_assigned(set(self.positions))

    def pause(self, *partitions: TopicPartition) -> None:
        """Fetch nothing of these."""
        self.calls.append(("pause", *partitions))
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Fetch again."""
        self.calls.append(("resume", *partitions))
        self._paused -= set(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Set a position."""
        self.calls.append(("seek", partition, offset))
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        """Where it is."""
        return self.positions[partition]

    def highwater(self, partition: TopicPartition) -> int | None:
        """As of the last fetch."""
        return self.logs.end(partition)

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        """Every fetch is answered."""
        return time.monotonic_ns()

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """As of the last metadata; those that a test named."""
        return self.topics.get(topic)

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        """As of the last fetch; no transaction is open."""
        return self.logs.end(partition)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> dict[TopicPartition, list[Record]]:
        """Fetch."""
        for _ in range(2):
            found = {}
            for partition in partitions:
                if partition not in self._paused and self.positions.get(partition, -1) >= 0:
                    records = self.logs.read(partition, self.positions[partition], max_records)
                    if records:
                        found[partition] = records
                        self.positions[partition] = records[-1].offset + 1
            if found:
                return found
            self.logs.changed.clear()
            try:
                async with asyncio.timeout(timeout_ms / 1_000):
                    await self.logs.changed.wait()
            except TimeoutError:
                break
        return {}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Log ends."""
        return {partition: self.logs.end(partition) for partition in partitions}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Log starts."""
        return {partition: self.logs.starts[partition] for partition in partitions}

    async def committed(self, partition: TopicPartition) -> int | None:
        """What the group has."""
        return self.logs.committed.get(partition)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Commit, unless the test refuses it."""
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        self.commits.append(offsets)
        self.logs.committed |= offsets

    async def stop(self) -> None:
        """End."""
        self.stopped = True


class FakeConnections:
    """The clients of one worker."""

    def __init__(self, logs: FakeLogs) -> None:
        self.logs = logs
        self.group = FakeConsumer(logs)
        self.outputs, self.rows = FakeProducer(logs), FakeProducer(logs)
        self.may_have_holes = True
        self.cause: Exception | None = None

    async def why(self, reason: Exception) -> Exception:
        """The cause that a test names, or none."""
        return self.cause or reason

    async def holes(self) -> bool:
        """Whether an offset without a record is nothing strange."""
        return self.may_have_holes

    async def exactly_once(self) -> bool:
        """There are no transactions here."""
        return False

    async def consumer(self) -> FakeConsumer:
        """The group's."""
        return self.group

    async def reader(self) -> Any:
        """One without a group."""
        return CarefulReader(FakeConsumer(self.logs), self.salvage())

    def salvage(self) -> Salvage:
        """What reads the logs batch by batch."""
        return Salvage(self.logs)

    async def stop(self) -> None:
        """End."""

    async def producers(self) -> tuple[FakeProducer, FakeProducer]:
        """Both."""
        return self.outputs, self.rows


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - any condition, not an event
            await asyncio.sleep(0.001)
