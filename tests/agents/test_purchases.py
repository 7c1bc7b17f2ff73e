"""The purchases agent, carried by Faust itself."""

from __future__ import annotations

import asyncio

import pytest

from agents.worker import assemble
from streams.partition.batch import Batch
from streams.settings.settings import Settings
from tests.support.kafka.fake_kafka import until
from tests.support.ledgers.counting import CountingLedger
from tests.support.ledgers.runs import run_of


class Owner:
    """Remembers what became of batches."""

    def __init__(self) -> None:
        self.finished_ones: list[Batch] = []

    def finished(self, batch: Batch) -> None:
        """Remember it."""
        self.finished_ones.append(batch)

    def begun(self, batch: Batch) -> None:
        """Nothing to remember."""

    def failed(self, batch: Batch, error: BaseException) -> bool:
        """Nothing fails here."""
        raise AssertionError(batch, error)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_batches_reach_the_agent_in_order_and_are_applied_to_their_ledgers() -> None:
    engine = assemble(Settings(partitions=2, web_port=0), ledgers=CountingLedger)
    agent = engine.app.agents["purchases"]
    owner, ledgers = Owner(), [CountingLedger(), CountingLedger()]
    batches = [
        Batch(owner, run_of(["a", "b"]), ledgers[0]),
        Batch(owner, run_of(["c"]), ledgers[1]),
    ]
    engine.app.loop = asyncio.get_running_loop()
    engine.app.finalize()
    engine.app.flow_control.resume()
    await agent.start()
    for batch in batches:
        await engine.purchases.queue.put(batch)
    await until(lambda: len(owner.finished_ones) == 2)
    await agent.stop()
    assert owner.finished_ones == batches
    assert [ledger.clock.offset for ledger in ledgers] == [1, 0]
    assert all(batch.changes is not None and batch.changes.rows for batch in batches)
