"""The batch: finished only as the agent's last act."""

from __future__ import annotations

import pytest

from models.contracts.changes import Changes
from streams.partition.batch import Batch
from tests.support.ledgers.counting import CountingLedger
from tests.support.ledgers.runs import run_of


class Owner:
    """Remembers what it was told."""

    def __init__(self, *, dealt_with: bool = False) -> None:
        self.finished_ones: list[Batch] = []
        self.errors: list[BaseException] = []
        self._dealt_with = dealt_with

    def begun(self, batch: Batch) -> None:
        """Nothing to remember: it says so itself."""
        assert batch.entered

    def finished(self, batch: Batch) -> None:
        """Remember it."""
        self.finished_ones.append(batch)

    def failed(self, batch: Batch, error: BaseException) -> bool:
        """Remember why."""
        del batch
        self.errors.append(error)
        return self._dealt_with


def made(owner: Owner) -> Batch:
    return Batch(owner, run_of(["a", "b"]), CountingLedger())


async def test_a_batch_is_finished_when_its_block_ends_and_not_when_it_is_delivered() -> None:
    owner = Owner()
    async with made(owner) as batch:
        await batch.deliver(batch.ledger.advance(batch.records))
        assert not owner.finished_ones
    assert owner.finished_ones == [batch]


async def test_a_batch_whose_block_raises_after_delivery_is_not_finished() -> None:
    async def agent(batch: Batch) -> None:
        async with batch:
            await batch.deliver(batch.ledger.advance(batch.records))
            raise KeyError

    owner = Owner()
    with pytest.raises(KeyError):
        await agent(made(owner))
    assert not owner.finished_ones
    assert len(owner.errors) == 1


async def test_an_error_that_is_dealt_with_lets_the_agent_go_on() -> None:
    async with made(Owner(dealt_with=True)):
        raise ValueError


async def test_a_batch_is_delivered_once() -> None:
    async with made(Owner()) as batch:
        await batch.deliver(Changes(1))
        with pytest.raises(RuntimeError, match="once"):
            await batch.deliver(Changes(1))


async def test_a_void_batch_changes_nothing_and_tells_nobody() -> None:
    owner, ledger = Owner(), CountingLedger()
    batch = Batch(owner, run_of(["a"]), ledger)
    batch.make_void()
    async with batch:
        await batch.deliver(batch.ledger.advance(batch.records))
    assert ledger.clock.offset == -1
    assert not owner.finished_ones
    assert not owner.errors


def test_a_part_of_a_run_keeps_its_own_refusals() -> None:
    run = run_of(["a", "bad", "b", "bad"], start=10)
    assert [refusal.offset for refusal in run.refusals] == [11, 13]
    part = run.part(1, 3)
    assert [refusal.offset for refusal in part.refusals] == [11]
    assert [raw.offset for raw in part.raws] == part.records.offsets.tolist() == [11, 12]
