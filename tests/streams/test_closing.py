"""Closing Kafka clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaConnectionError

from streams import closing
from streams.closing import Closing, bounded

if TYPE_CHECKING:
    import pytest


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


async def test_an_end_waits_for_what_is_being_closed() -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        await asyncio.sleep(0)
        closed.append(name)

    at_work = Closing()
    at_work.begin(close("one"))
    at_work.begin(close("another"))
    await at_work.finish()
    assert sorted(closed) == ["another", "one"]
