"""The tasks of a worker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from streams.delivery.lease import Revoked
from streams.errors import EngineError
from streams.membership.tasks import Tasks
from tests.support.kafka.fake_kafka import until


def a_partition() -> Any:
    """What the tasks need of one."""
    tasks: list[object] = []
    return SimpleNamespace(tasks=tasks, owns=tasks.append, epoch=SimpleNamespace(over=False))


async def raising(error: BaseException) -> None:
    """Fail."""
    raise error


async def nothing() -> None:
    """End."""


async def test_an_error_and_an_end_are_told_and_an_expected_end_is_not() -> None:
    told: list[BaseException] = []
    tasks = Tasks(told.append)
    fault = ValueError("fault")
    tasks.run(raising(fault))
    await until(lambda: told == [fault])
    tasks.run(nothing())
    await until(lambda: len(told) == 2)
    assert isinstance(told[1], EngineError)
    partition = a_partition()
    tasks.run(nothing(), partition)
    tasks.run(raising(Revoked()), partition)
    await until(lambda: not tasks.running)
    assert len(told) == 2
    tasks.run(nothing(), partition, may_end=False)
    await until(lambda: len(told) == 3)


async def test_what_becomes_of_the_tasks_of_an_epoch_that_is_over_is_nobodys_business() -> None:
    told: list[BaseException] = []
    tasks, partition = Tasks(told.append), a_partition()
    tasks.run(raising(ValueError("late")), partition)
    partition.epoch.over = True
    await until(lambda: not tasks.running)
    assert not told
    assert len(partition.tasks) == 1


async def test_all_are_ended_together() -> None:
    tasks = Tasks(lambda _: None)
    ended: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    for number in range(3):
        tasks.run(wait(number))
    await asyncio.sleep(0)
    await tasks.cancel()
    assert sorted(ended) == [0, 1, 2]
