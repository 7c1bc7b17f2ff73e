"""The service that owns partitions: assignment, epochs, lease, commits, and the end of it all."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.structs import TopicPartition

from models.decode import Decoder
from models.rows import CLOCK_KEY, header
from streams.ending import Ending
from streams.errors import (
    BrokerUnreachable,
    ChangelogLost,
    DeliveryFailed,
    EngineFault,
    SourceJumped,
    TopicMismatch,
)
from streams.membership import MOST_REOPENINGS
from streams.partitions import Partitions
from streams.settings import Settings
from streams.statuses import Status
from tests.support.counting import CountingLedger
from tests.support.fake_kafka import FakeConnections, FakeConsumer, FakeLogs, RunningClock, until
from tests.support.purchases import purchase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

SETTINGS = Settings(partitions=2, batch_records=10, session_timeout_ms=1_000, web_port=0)
SOURCES = [TopicPartition(SETTINGS.purchases_topic, number) for number in range(2)]
CHANGELOGS = [TopicPartition(SETTINGS.changelog_topic, number) for number in range(2)]


class Service(Partitions):
    """The service on an in-memory broker, with an agent."""

    def __init__(self, logs: FakeLogs, settings: Settings) -> None:
        self.logs = logs
        self.kafka = FakeConnections(logs)
        self.clock = RunningClock()
        self.last_resort: list[float] = []
        self.batches: asyncio.Queue[Any] = asyncio.Queue()
        self.ledgers: list[CountingLedger] = []
        super().__init__(
            settings,
            ledgers=self.make_ledger,
            decoder=Decoder(settings.ledger),
            channel=SimpleNamespace(queue=self.batches),  # type: ignore[arg-type] # a queue is all it needs
            connections=self.kafka,  # type: ignore[arg-type] # in memory
            clock=self.clock,
            ending=Ending(self.last_resort.append),
        )

    def make_ledger(self, partition: int, partitions: int) -> CountingLedger:
        """A new one, remembered."""
        self.ledgers.append(CountingLedger(partition, partitions))
        return self.ledgers[-1]

    async def agent(self) -> None:
        """As the purchases agent."""
        while True:
            batch = await self.batches.get()
            async with batch:
                await batch.deliver(batch.ledger.advance(batch.records))

    async def assigned(self, *sources: TopicPartition) -> None:
        """Have the group assign these, and wait until they are read."""
        await self.kafka.group.rebalance(sources)
        await until(lambda: all(p.reading for p in self.owned.values()) or self._ending.reason)

    @property
    def reason(self) -> BaseException | None:
        """Why it came to an end."""
        return self._ending.reason


@asynccontextmanager
async def running(
    logs: FakeLogs | None = None, *, agent: bool = True, holes: bool = True, **overrides: Any
) -> AsyncIterator[Service]:
    service = Service(logs or FakeLogs(), SETTINGS.model_copy(update=overrides))
    service.kafka.may_have_holes = holes
    await service.start()
    task = asyncio.create_task(service.agent()) if agent else None
    try:
        yield service
    finally:
        await service.stop()
        if task is not None:
            task.cancel()


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog that looks often."""
    monkeypatch.setattr("streams.watchdog.LOOK_SECONDS", 0.005)


async def waiting(service: Service, seconds: int) -> None:
    """Let time pass, awake, until the worker ends."""
    for _ in range(0, seconds, 5):
        service.clock.at += 5
        await asyncio.sleep(0.02)
    await until(lambda: service.reason)


def fill(logs: FakeLogs, count: int, *, source: TopicPartition = SOURCES[0]) -> FakeLogs:
    for _ in range(count):
        number = logs.end(source)
        logs.append(source, b"c", purchase(number, f"c{number % 3}"))
    return logs


def clocks(logs: FakeLogs, changelog: TopicPartition = CHANGELOGS[0]) -> list[int]:
    return [
        header(record.value or b"").offset for record in logs.records[changelog] if record.key == CLOCK_KEY
    ]


async def test_the_consumer_is_started_before_it_is_subscribed() -> None:
    async with running() as service:
        assert service.kafka.group.calls[0] == ("subscribe", "purchases")


async def test_every_assigned_partition_is_paused_and_sought_in_the_callback_committed_or_not() -> None:
    logs = FakeLogs()
    logs.committed[SOURCES[0]] = 0
    async with running(logs) as service:
        group = service.kafka.group
        group.calls.clear()
        await group.listener.on_partitions_revoked(set())
        group.positions = dict.fromkeys(SOURCES, -1)
        group.listener.on_partitions_assigned(set(SOURCES))
        assert [call[0] for call in group.calls] == ["pause", "seek"] * 2


async def test_a_recovered_partition_is_sought_and_resumed_in_one_step() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        calls = service.kafka.group.calls
        resumed = calls.index(("resume", SOURCES[0]))
        assert calls[resumed - 1] == ("seek", SOURCES[0], 0)


async def test_purchases_are_applied_and_their_end_is_committed() -> None:
    async with running(fill(FakeLogs(), 25)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 25)
        assert clocks(service.logs)[-1] == 24


async def test_nothing_is_sent_before_the_group_has_accepted_a_commit() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.kafka.group.refuse = CommitFailedError()
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.ledgers and service.ledgers[0].clock.offset == 4)
        assert not service.kafka.rows.sent
        service.kafka.group.refuse = None
        await until(lambda: clocks(service.logs))


async def test_a_worker_whose_commits_are_refused_sends_nothing_half_a_session_later() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.kafka.group.refuse = CommitFailedError()
        await asyncio.sleep(0.2)
        service.clock.at += 0.6
        fill(service.logs, 5)
        service.logs.changed.set()
        await until(lambda: service.ledgers[0].clock.offset == 9)
        await asyncio.sleep(0.05)
        assert clocks(service.logs) == [4]


async def test_only_acknowledged_batches_are_committed() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        await asyncio.sleep(0.25)
        assert service.logs.committed[SOURCES[0]] == 5
        service.kafka.rows.acknowledge(service.kafka.rows.waiting()[0])
        await until(lambda: service.logs.committed[SOURCES[0]] == 10)


async def test_a_revocation_waits_until_what_is_computed_is_acknowledged_and_commits_it() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        revoking = asyncio.create_task(service.kafka.group.listener.on_partitions_revoked(set(SOURCES)))
        await asyncio.sleep(0.02)
        assert not revoking.done()
        while not revoking.done():
            for sent in service.kafka.rows.waiting():
                service.kafka.rows.acknowledge(sent)
            await asyncio.sleep(0.001)
        assert service.logs.committed[SOURCES[0]] == service.ledgers[0].clock.offset + 1
        assert not service.owned


async def test_a_worker_that_stops_opens_nothing_that_it_is_assigned_meanwhile() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        made = len(service.ledgers)
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0)
        await service.kafka.group.rebalance(SOURCES)
        assert not service.owned
        await stopping
        assert len(service.ledgers) == made


async def test_a_revocation_does_not_wait_longer_than_its_part_of_the_session() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        await asyncio.wait_for(service.kafka.group.listener.on_partitions_revoked(set(SOURCES)), 2)
        assert not service.owned


async def test_a_clean_ledger_is_taken_up_again_when_its_partition_comes_back() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        made = len(service.ledgers)
        await service.assigned(SOURCES[0])
        assert len(service.ledgers) == made
        fill(service.logs, 5)
        await until(lambda: clocks(service.logs) == [4, 9])


async def test_a_kept_ledger_takes_what_another_owner_has_written_meanwhile() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        ledger = service.owned[0].ledger
        await service.assigned(SOURCES[1])
        async with running(service.logs) as successor:
            fill(service.logs, 5)
            await successor.assigned(SOURCES[0])
            await until(lambda: clocks(service.logs) == [4, 9])
        await service.assigned(*SOURCES)
        assert service.owned[0].ledger.clock.offset == 9
        assert service.owned[0].ledger is not ledger  # it was let go when another got the partition


async def test_rows_of_another_worker_in_between_make_the_partition_read_its_changelog_again() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        stale = service.logs.records[CHANGELOGS[0]][0]
        service.logs.append(CHANGELOGS[0], stale.key, stale.value)
        fill(service.logs, 10)
        await until(lambda: service.counts["reopened"] == 1 and clocks(service.logs)[-1] == 14)
        await until(lambda: service.owned[0].reading)
        fill(service.logs, 3)
        await until(lambda: clocks(service.logs)[-1] == 17)
        assert service.reason is None
        assert service.owned[0].ledger.describe(b"c0") == {"events": 6}


async def test_a_partition_of_which_the_group_takes_no_commit_is_not_opened_again() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.kafka.group.refuse = CommitFailedError()
        service._reopen(service.owned[0], "its producer was fenced off")
        refused = service.counts["commits_refused"]
        await until(lambda: service.counts["commits_refused"] > refused)
        fill(service.logs, 3)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not service.owned[0].reading
        assert clocks(service.logs) == [4]
        service.kafka.group.refuse = None
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs)[-1] == 7)


async def test_a_fight_over_a_partition_that_does_not_end_ends_the_worker() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        for number in range(MOST_REOPENINGS):
            await until(lambda: service.owned[0].reading)
            assert service.reason is None, number
            service._reopen(service.owned[0], "its producer was fenced off")
        await until(lambda: service.reason)
        assert "again and again: its producer was fenced off" in str(service.reason)


async def test_a_changelog_that_was_made_anew_under_a_worker_ends_it_for_good() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        service.logs.records[CHANGELOGS[0]].clear()
        fill(service.logs, 5)
        await until(lambda: service.reason)
        assert isinstance(service.reason, ChangelogLost)
        assert "rows landed at offset 0 instead of 4" in str(service.reason)
        assert service.status == Status.REFUSED
        assert service.logs.committed[SOURCES[0]] == 5


async def test_more_partitions_than_the_state_was_made_for_end_the_worker_for_good() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.group.topics[SETTINGS.purchases_topic] = {0, 1, 2}
        await service.kafka.group.rebalance([SOURCES[1]])
        await until(lambda: service.reason)
        assert isinstance(service.reason, TopicMismatch)
        assert "has 3 partitions now" in str(service.reason)


async def test_a_key_that_a_zombie_wrote_last_is_written_again_before_anything_else() -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: clocks(logs) == [4])
    good = {record.key: record.value for record in logs.records[CHANGELOGS[0]]}
    old = CountingLedger()
    (zombie_row, zombie_clock) = old.advance(service_run(logs, 1)).rows
    for row in (zombie_row, zombie_clock):
        logs.append(CHANGELOGS[0], row.key, row.value)
    async with running(logs) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: service.counts["rows_corrected"] == 2 and clocks(logs)[-1] == 4)
        last = {record.key: record.value for record in logs.records[CHANGELOGS[0]]}
        assert last == good


def service_run(logs: FakeLogs, count: int) -> Any:
    from streams.partition import raw_of  # noqa: PLC0415 - for this one

    records, _ = Decoder(SETTINGS.ledger).decode(
        [raw_of(record) for record in logs.records[SOURCES[0]][:count]]
    )
    return records


async def test_a_ledger_made_with_other_settings_is_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        assert "other settings" not in caplog.text
        await service.assigned(SOURCES[0])
        assert "made with other settings" in caplog.text


async def test_what_was_fetched_for_an_old_assignment_is_never_applied() -> None:
    async with running(fill(FakeLogs(), 5), agent=False) as service:
        await service.assigned(*SOURCES)
        old = await asyncio.wait_for(service.batches.get(), 5)
        await service.kafka.group.rebalance(SOURCES)
        ledger = service.ledgers[0]
        async with old:
            await old.deliver(old.ledger.advance(old.records))
        assert ledger.clock.offset == -1


async def test_a_source_that_jumped_ends_the_worker_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    logs = fill(FakeLogs(), 5)
    logs.committed[SOURCES[0]] = 3
    async with running(logs) as service:
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, SourceJumped)
        assert [record.levelname for record in caplog.records if record.name == "streams.ending"] == [
            "CRITICAL"
        ]


async def test_what_another_owner_commits_while_the_changelog_is_read_is_no_jump() -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs) as service:

        class Overtaken(FakeConsumer):
            """Another owner applies everything once the changelog is read."""

            async def stop(self) -> None:
                """End."""

            async def getmany(self, *partitions: TopicPartition, **options: Any) -> Any:
                """Fetch what is there, and let the other go on."""
                found = await super().getmany(*partitions, **options)
                logs.committed[SOURCES[0]] = 5
                return found

        async def reader() -> FakeConsumer:
            return Overtaken(logs)

        service.kafka.reader = reader  # type: ignore[method-assign] # for this one
        await service.assigned(SOURCES[0])
        assert service.reason is None


async def test_purchases_that_go_while_the_worker_runs_are_counted_and_end_it() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.hold(held=True)
        await asyncio.sleep(0.1)
        fill(service.logs, 5)
        service.logs.cut(SOURCES[0], 8)
        service.hold(held=False)
        await until(lambda: service.reason)
        assert "the purchases from 5 to 7 (3 of them) are gone unread" in str(service.reason)


async def test_a_gap_that_is_accepted_is_counted_and_left_out() -> None:
    async with running(fill(FakeLogs(), 5), accept_gap=True) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.hold(held=True)
        await asyncio.sleep(0.1)
        fill(service.logs, 5)
        service.logs.cut(SOURCES[0], 8)
        service.hold(held=False)
        await until(lambda: clocks(service.logs)[-1] == 9)
        assert service.counts["gap_accepted"] == 3


async def test_offsets_that_hold_no_record_are_no_gap() -> None:
    logs = fill(FakeLogs(), 5)
    del logs.records[SOURCES[0]][0]  # a marker, or compacted: the log still starts at 0
    async with running(logs) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(logs) == [4])
        assert service.reason is None


@pytest.mark.parametrize("late", [slice(0, 3), slice(4, 6)], ids=["at the front", "in the middle"])
async def test_a_batch_that_shows_late_is_waited_for_where_logs_have_no_holes(late: slice) -> None:
    logs = fill(FakeLogs(), 8)
    whole = list(logs.records[SOURCES[0]])
    del logs.records[SOURCES[0]][late]  # appended by one producer, shown after another's
    async with running(logs, holes=False) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.counts["read_again"] > 0)
        assert all(offset < late.start for offset in clocks(logs))
        logs.records[SOURCES[0]] = whole
        await until(lambda: clocks(logs) and clocks(logs)[-1] == 7)
        assert service.counts["applied"] == 8
        assert service.reason is None


async def test_a_hole_that_never_fills_ends_the_worker_where_logs_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.gaps.MOST_LOOKS", 3)
    logs = fill(FakeLogs(), 8)
    del logs.records[SOURCES[0]][4]
    async with running(logs, holes=False) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, EngineFault)
        assert "offset 5 came and 4 never did" in str(service.reason)
        assert all(offset < 4 for offset in clocks(logs))


async def test_records_that_come_again_end_the_worker() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.kafka.group.positions[SOURCES[0]] = 2
        service.logs.changed.set()
        await until(lambda: service.reason)
        assert isinstance(service.reason, EngineFault)


async def test_an_error_of_the_consumer_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any, **__: Any) -> None:
        raise TopicAuthorizationFailedError("purchases")

    async with running() as service:
        monkeypatch.setattr(service.kafka.group, "getmany", refused)
        await service.assigned(*SOURCES)
        await until(lambda: service.crashed)
        assert isinstance(service.crash_reason, TopicAuthorizationFailedError)
        assert service.last_resort


async def test_a_broker_that_goes_away_while_a_partition_is_opened_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [KafkaConnectionError("refused"), NodeNotReadyError(), KafkaTimeoutError()]

    async with running(fill(FakeLogs(), 5)) as service:
        connect, ask = service.kafka.reader, service.kafka.group.committed

        async def reader() -> FakeConsumer:
            if len(refusals) > 1:
                raise refusals.pop(0)
            return await connect()

        async def committed(partition: TopicPartition) -> int | None:
            if refusals:
                raise refusals.pop(0)
            return await ask(partition)

        monkeypatch.setattr(service.kafka, "reader", reader)
        monkeypatch.setattr(service.kafka.group, "committed", committed)
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        assert not refusals
        assert service.reason is None


async def test_a_broker_that_stays_away_while_a_partition_is_opened_ends_the_worker_with_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(fill(FakeLogs(), 5)) as service:

        async def reader() -> None:
            service.clock.at += 20
            raise KafkaConnectionError("refused")

        monkeypatch.setattr(service.kafka, "reader", reader)
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, BrokerUnreachable)
        ends = [record for record in caplog.records if record.levelname == "CRITICAL"]
        assert len(ends) == 1
        assert "CARTPULSE_SEND_DEADLINE_SECONDS" in ends[0].getMessage()


async def test_a_fetch_that_fails_because_the_coordinator_moves_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [KafkaError("UnknownError()"), GroupCoordinatorNotAvailableError()]
    async with running(fill(FakeLogs(), 5)) as service:
        fetch = service.kafka.group.getmany

        async def getmany(*partitions: TopicPartition, **options: int) -> dict[TopicPartition, Any]:
            if refusals:
                raise refusals.pop(0)
            return await fetch(*partitions, **options)

        monkeypatch.setattr(service.kafka.group, "getmany", getmany)
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        assert service.reason is None


async def test_a_commit_that_fails_for_a_moment_renews_nothing_and_ends_nothing() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.kafka.group.refuse = UnknownError()
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.ledgers and service.ledgers[0].clock.offset == 4)
        assert not service.kafka.rows.sent
        service.kafka.group.refuse = None
        await until(lambda: clocks(service.logs) == [4])
        assert service.reason is None


async def test_a_group_that_accepts_no_commit_for_too_long_ends_the_worker(
    watchful: None,
) -> None:
    del watchful
    async with running(fill(FakeLogs(), 5)) as service:
        service.kafka.group.refuse = CommitFailedError()
        await service.assigned(*SOURCES)
        await until(lambda: service.counts["commits_refused"])
        await waiting(service, 121)
        assert isinstance(service.reason, DeliveryFailed)
        assert "has accepted no commit for 120 s" in str(service.reason)


async def test_a_group_that_takes_the_partitions_and_assigns_nothing_ends_the_worker(
    watchful: None,
) -> None:
    del watchful
    async with running() as service:
        await service.assigned(*SOURCES)
        await service.kafka.group.listener.on_partitions_revoked(set(SOURCES))
        await waiting(service, 152)
        assert isinstance(service.reason, BrokerUnreachable)


async def test_an_agent_that_does_not_finish_its_batch_ends_the_worker(
    watchful: None,
) -> None:
    del watchful
    async with running(fill(FakeLogs(), 5), agent=False) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.owned[0].under_way_since is not None)
        await waiting(service, 61)
        assert "has not finished a batch" in str(service.reason)


async def test_a_reading_task_that_is_cancelled_ends_the_worker() -> None:
    async with running() as service:
        (reading,) = (task for task in service._supervised.running if "Reading.run" in repr(task.get_coro()))
        reading.cancel()
        await until(lambda: service.crashed)
        assert isinstance(service.reason, EngineFault)


async def test_what_a_listener_raises_at_an_assignment_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Iterable[TopicPartition]) -> None:
        raise KeyError("seek")

    async with running() as service:
        monkeypatch.setattr(service, "assign", broken)
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.crashed)
        assert isinstance(service.reason, KeyError)


async def test_what_a_listener_raises_at_a_revocation_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: float) -> None:
        raise KeyError("close")

    async with running() as service:
        with monkeypatch.context() as patch:
            patch.setattr(service, "release", broken)
            await service.kafka.group.listener.on_partitions_revoked(set())
        await until(lambda: service.crashed)
        assert isinstance(service.reason, KeyError)


async def test_a_refused_send_ends_the_worker_and_nothing_behind_it_is_committed() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.kafka.rows.at_once = False
        await service.assigned(*SOURCES)
        await until(service.kafka.rows.waiting)
        service.kafka.rows.waiting()[0].future.set_exception(TopicAuthorizationFailedError("changelog"))
        await until(lambda: service.crashed)
        assert service.logs.committed.get(SOURCES[0]) == 0


async def test_a_send_that_failed_because_a_topic_is_another_says_so_in_its_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.kafka.rows.at_once = False
        service.kafka.cause = TopicMismatch("Gone: changelog.")
        await service.assigned(*SOURCES)
        await until(service.kafka.rows.waiting)
        service.kafka.rows.waiting()[0].future.set_exception(NotLeaderForPartitionError())
        await until(lambda: service.crashed)
        ends = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
        assert ends == ["The worker ends: Gone: changelog."]
        assert service.status == Status.REFUSED


async def test_a_worker_that_ends_arranges_the_last_resort_within_ten_seconds() -> None:
    async with running() as service:
        service.fail(EngineFault("for a test"))
        assert service.last_resort
        assert max(service.last_resort) < 10


async def test_a_worker_that_cannot_connect_says_so_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(_: FakeConnections) -> None:
        raise BrokerUnreachable("No Kafka broker answers at kafka-1:9092.")

    monkeypatch.setattr(FakeConnections, "producers", unreachable)
    service = Service(FakeLogs(), SETTINGS)
    with pytest.raises(BrokerUnreachable):
        await service.start()
    said = [record.getMessage() for record in caplog.records if record.name == "streams.ending"]
    assert said == ["The worker ends: No Kafka broker answers at kafka-1:9092."]
    await service.stop()


async def test_a_stop_delivers_what_is_computed_commits_it_and_closes_the_clients() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.ledgers[0].clock.offset == 4)
        await service.stop()
        assert service.logs.committed[SOURCES[0]] == 5
        assert service.kafka.group.stopped
        assert service.kafka.rows.stopped
        assert service.kafka.outputs.stopped
        assert max(service.last_resort) < 10


async def test_a_client_that_does_not_close_does_not_hold_the_stop_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.partitions.CLOSE_SECONDS", 0.01)

    async def hang(_: FakeConsumer) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(FakeConsumer, "stop", hang)
    async with running() as service:
        await asyncio.wait_for(service.stop(), 2)


async def test_a_worker_on_hold_keeps_its_lease_and_applies_nothing() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.hold(held=True)
        await service.assigned(*SOURCES)
        commits = len(service.kafka.group.commits)
        await until(lambda: len(service.kafka.group.commits) > commits + 2)
        assert service.ledgers[0].clock.offset == -1
        service.hold(held=False)
        await until(lambda: clocks(service.logs) == [4])


async def test_a_customers_state_is_told_by_the_worker_that_owns_its_partition() -> None:
    async with running(fill(FakeLogs(), 5), partitions=1) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: clocks(service.logs) == [4])
        assert service.describe(b"c0") == {"events": 2}
        assert service.describe(b"nobody") is None
