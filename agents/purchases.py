"""Reacts to purchases: a whole batch at a time goes through its partition's ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from streams.app import Engine
    from streams.partition.batch import Batch


def add_purchases(engine: Engine) -> None:
    """Let the app's agent apply the batches of `engine.purchases`."""

    @engine.app.agent(engine.purchases, concurrency=1, name="purchases")
    async def advance(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            async with batch:
                changes = batch.ledger.advance(batch.records)
                await batch.deliver(changes)
