"""What the service rides out, and what brings it down in one line."""

from __future__ import annotations

import asyncio
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

from streams.errors import (
    BrokerUnreachableError,
    DeliveryFailedError,
    EngineError,
    TopicMismatchError,
)
from streams.process.exit_status import Status
from tests.support.kafka.fake_kafka import FakeConnections, FakeLogs, until
from tests.support.partitions import SETTINGS, SOURCES, Service, clocks, fill, running

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.structs import TopicPartition


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog that looks often."""
    monkeypatch.setattr("streams.membership.watchdog.LOOK_SECONDS", 0.005)


async def waiting(service: Service, seconds: int) -> None:
    """Let time pass, awake, until the worker ends."""
    for _ in range(0, seconds, 5):
        service.time.at += 5
        await asyncio.sleep(0.02)
    await until(lambda: service.reason)


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

        async def reader() -> Any:
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
            service.time.at += 20
            raise KafkaConnectionError("refused")

        monkeypatch.setattr(service.kafka, "reader", reader)
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, BrokerUnreachableError)
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
        await until(lambda: service.counts.commits_refused)
        await waiting(service, 121)
        assert isinstance(service.reason, DeliveryFailedError)
        assert "has accepted no commit for 120 s" in str(service.reason)


async def test_a_group_that_takes_the_partitions_and_assigns_nothing_ends_the_worker(
    watchful: None,
) -> None:
    del watchful
    async with running() as service:
        await service.assigned(*SOURCES)
        await service.kafka.group.listener.on_partitions_revoked(set(SOURCES))
        await waiting(service, 152)
        assert isinstance(service.reason, BrokerUnreachableError)


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
        (reading,) = (task for task in service._supervised.running if "Fetcher.run" in repr(task.get_coro()))
        reading.cancel()
        await until(lambda: service.crashed)
        assert isinstance(service.reason, EngineError)


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
        service.kafka.cause = TopicMismatchError("Gone: changelog.")
        await service.assigned(*SOURCES)
        await until(service.kafka.rows.waiting)
        service.kafka.rows.waiting()[0].future.set_exception(NotLeaderForPartitionError())
        await until(lambda: service.crashed)
        ends = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
        assert ends == ["The worker ends: Gone: changelog."]
        assert service.status == Status.REFUSED


async def test_a_worker_that_ends_arranges_the_last_resort_within_ten_seconds() -> None:
    async with running() as service:
        service.fail(EngineError("for a test"))
        assert service.last_resort
        assert max(service.last_resort) < 10


async def test_a_worker_that_cannot_connect_says_so_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(_: FakeConnections) -> None:
        raise BrokerUnreachableError("No Kafka broker answers at kafka-1:9092.")

    monkeypatch.setattr(FakeConnections, "producers", unreachable)
    service = Service(FakeLogs(), SETTINGS)
    with pytest.raises(BrokerUnreachableError):
        await service.start()
    said = [record.getMessage() for record in caplog.records if record.name == "streams.process.shutdown"]
    assert said == ["The worker ends: No Kafka broker answers at kafka-1:9092."]
    await service.stop()
