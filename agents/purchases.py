"""Agent for purchases: applies each batch to the ledger of the batch's partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from streams.app import Engine
    from streams.partition.batch import Batch


def add_purchases(engine: Engine) -> None:
    """Register the agent that applies the batches of `engine.purchases`."""

    @engine.app.agent(engine.purchases, concurrency=1, name="purchases")
    async def advance(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            async with batch:
                changes = batch.ledger.advance(batch.records)
                await batch.deliver(changes)
