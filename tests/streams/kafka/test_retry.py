"""Riding out what passes, and giving up on what does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.structs import TopicPartition

from streams.errors import BrokerUnreachableError, SourceJumpedError
from streams.kafka.retry import RetryPolicy, passes
from tests.support.kafka.fake_kafka import FakeClock, FakeConsumer, FakeLogs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHANGELOG = TopicPartition("changelog", 0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Pauses pass at once, and take their time on the clock."""
    told, really = FakeClock(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        told.at += seconds
        await really(0)

    monkeypatch.setattr("streams.kafka.retry.asyncio.sleep", sleep)
    return told


def failing(*errors: Exception, then: str = "done") -> Callable[[], Awaitable[str]]:
    left = list(errors)

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return then

    return attempt


@pytest.mark.parametrize(
    "error",
    [
        KafkaConnectionError("refused"),
        KafkaTimeoutError(),
        NotLeaderForPartitionError(),
        GroupCoordinatorNotAvailableError(),
        UnknownError(),
        KafkaError("UnknownError()"),
        BrokerUnreachableError("nobody"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=repr,
)
async def test_what_passes_is_ridden_out(clock: FakeClock, error: Exception) -> None:
    assert await RetryPolicy(clock, 60).call(failing(*[error] * 9), "Asking") == "done"


@pytest.mark.parametrize(
    "error",
    [OffsetOutOfRangeError(), TopicAuthorizationFailedError("t"), SourceJumpedError("gone"), KeyError("x")],
    ids=repr,
)
async def test_what_does_not_pass_is_raised_at_once(clock: FakeClock, error: Exception) -> None:
    assert not passes(error)
    with pytest.raises(type(error)):
        await RetryPolicy(clock, 60).call(failing(error), "Asking")
    assert clock.at == FakeClock().at


async def test_patience_ends_in_one_line_that_names_the_setting(clock: FakeClock) -> None:
    began = clock.at
    attempt = failing(*[KafkaConnectionError("refused")] * 1_000)
    with pytest.raises(BrokerUnreachableError, match=r"Opening partition 3 failed for 60 s .*SEND_DEADLINE"):
        await RetryPolicy(clock, 60).call(attempt, "Opening partition 3")
    assert 55 < clock.at - began <= 60


async def test_nobody_tries_again_for_what_is_over(clock: FakeClock) -> None:
    with pytest.raises(KafkaConnectionError):
        await RetryPolicy(clock, 60).call(failing(KafkaConnectionError()), "Asking", over=lambda: True)


async def test_a_log_that_does_not_come_ends_the_reading_of_it(clock: FakeClock) -> None:
    reader = RetryPolicy(clock, 60).reader(FakeConsumer(FakeLogs()), "Reading changelog[0]")
    reader.assign([CHANGELOG])
    reader.seek(CHANGELOG, 0)
    assert await reader.getmany(CHANGELOG, timeout_ms=1) == {}
    clock.at += 59
    assert await reader.getmany(CHANGELOG, timeout_ms=1) == {}
    clock.at += 2
    with pytest.raises(BrokerUnreachableError, match="Reading changelog"):
        await reader.getmany(CHANGELOG, timeout_ms=1)


async def test_a_long_log_is_read_however_long_it_takes(clock: FakeClock) -> None:
    logs = FakeLogs()
    reader = RetryPolicy(clock, 60).reader(FakeConsumer(logs), "Reading changelog[0]")
    reader.assign([CHANGELOG])
    reader.seek(CHANGELOG, 0)
    for _ in range(5):
        logs.append(CHANGELOG, b"k", b"v")
        clock.at += 50
        assert await reader.getmany(CHANGELOG, timeout_ms=1)
    clock.at += 100  # a load of what was read, in between
    reader.assign([CHANGELOG])
    reader.seek(CHANGELOG, 0)
    assert await reader.getmany(CHANGELOG, timeout_ms=1)
