"""The channel: one queue, out of the reach of Faust's flow control."""

from __future__ import annotations

import asyncio
from typing import Any

import faust
import pytest

from streams.partition.channel import BatchChannel


@pytest.fixture
def app() -> faust.App:
    return faust.App("test", broker="kafka://127.0.0.1:1")


async def test_a_clone_reads_from_the_queue_that_was_written_to(app: faust.App) -> None:
    channel = BatchChannel(app, maxsize=4)
    agents_own = channel.clone(is_iterator=True).clone(is_iterator=False)
    batch: Any = object()
    channel.queue.put_nowait(batch)
    assert agents_own.queue is channel.queue
    assert await agents_own.queue.get() is batch


async def test_nothing_is_lost_when_fausts_own_topics_resume(app: faust.App) -> None:
    channel = BatchChannel(app, maxsize=1)
    batches: list[Any] = [object(), object()]
    channel.queue.put_nowait(batches[0])
    waiting = asyncio.create_task(channel.queue.put(batches[1]))
    await asyncio.sleep(0)
    app.flow_control.suspend()
    app.flow_control.clear()
    app.flow_control.resume()
    await asyncio.sleep(0)
    assert [await channel.queue.get() for _ in batches] == batches
    await waiting


async def test_the_queue_is_bounded(app: faust.App) -> None:
    channel = BatchChannel(app, maxsize=1)
    batch: Any = object()
    channel.queue.put_nowait(batch)
    with pytest.raises(asyncio.QueueFull):
        channel.queue.put_nowait(batch)
