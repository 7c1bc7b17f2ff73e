"""Closing Kafka clients."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.kafka import closing
from streams.kafka.closing import BackgroundCloses, bounded


async def test_a_close_that_hangs_or_is_refused_does_not_hold_an_end_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(closing, "CLOSE_SECONDS", 0.01)

    async def refused() -> None:
        raise KafkaConnectionError

    async def hang() -> None:
        await asyncio.Event().wait()

    await bounded(refused())
    await bounded(hang())


async def test_a_cancelled_fetch_inside_of_a_client_does_not_cancel_who_closes_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    async def stop() -> None:
        fetch = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        fetch.cancel()
        await fetch

    await bounded(stop())
    assert "a fetch was pausing" in caplog.text


async def test_who_closes_a_client_can_be_cancelled() -> None:
    closing_it = asyncio.create_task(bounded(asyncio.sleep(60)))
    await asyncio.sleep(0)
    closing_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing_it


async def test_an_end_waits_for_what_is_being_closed() -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        await asyncio.sleep(0)
        closed.append(name)

    at_work = BackgroundCloses()
    at_work.begin(close("one"))
    at_work.begin(close("another"))
    await at_work.finish()
    assert sorted(closed) == ["another", "one"]
