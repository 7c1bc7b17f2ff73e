"""The order of delivery."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import TopicPartition

from models.contracts.changes import Row
from models.memory.rows import erased_row
from streams.changelog.framing import Witness
from streams.delivery.at_least_once import InOrder
from streams.delivery.lease import Epoch, Lease
from streams.delivery.outbox import Outbox
from streams.delivery.queue import AHEAD, DeliveryStep, Send
from streams.errors import DeliveryFailedError, EngineError
from tests.support.kafka.fake_kafka import FakeBuilder, FakeClock, FakeLogs, FakeProducer, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OUTPUTS, CHANGELOG = TopicPartition("segment-changes", 0), TopicPartition("changelog", 0)


class Delivered:
    """A delivery, and what it did."""

    def __init__(self, *, base: int = 0) -> None:
        clock, self.logs = FakeClock(), FakeLogs()
        self.outputs, self.rows = (FakeProducer(self.logs, at_once=False) for _ in range(2))
        self.epoch = Epoch(Lease(clock, 6.0))
        self.epoch.lease.renew(clock.elapsed())
        self.settled: list[int] = []
        self.overtaken: list[tuple[int, int]] = []
        self.delivery: InOrder = InOrder(
            epoch=self.epoch,
            changelog=CHANGELOG,
            sent=Outbox(self.outputs, deadline=5),
            kept=Outbox(self.rows, deadline=5),
            clock=clock,
            start=0,
            base=base,
            settled=lambda: self.settled.append(self.delivery.acknowledged),
            overtaken=lambda expected, landed: self.overtaken.append((expected, landed)),
        )
        self.task = asyncio.create_task(self.delivery.run())

    async def acknowledge(self, producer: FakeProducer) -> None:
        """Let the oldest batch of a producer be acknowledged, when it is there."""
        await until(lambda: producer.waiting() or self.task.done())
        producer.acknowledge(producer.waiting()[0])
        await quiet()


async def quiet() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def delivered() -> AsyncIterator[Delivered]:
    made = Delivered()
    yield made
    made.task.cancel()


def step(end: int, *, outputs: int = 1) -> DeliveryStep:
    """A step of one row and the clock row."""
    sends = [Send(OUTPUTS, b"c", f"{end}-{n}".encode(), (("ce_id", b"1"),), 0) for n in range(outputs)]
    return DeliveryStep(end, sends, (Row(b"c", b"row"), Row(b"\0clock", str(end).encode())))


async def test_rows_are_sent_when_the_outputs_are_acknowledged_and_not_before(delivered: Delivered) -> None:
    delivered.delivery.put(step(1))
    await quiet()
    assert len(delivered.outputs.sent) == 1
    assert not delivered.rows.sent
    await delivered.acknowledge(delivered.outputs)
    assert len(delivered.rows.sent) == 1


async def test_the_offset_may_be_committed_when_the_rows_are_acknowledged_and_not_before(
    delivered: Delivered,
) -> None:
    delivered.delivery.put(step(7))
    await delivered.acknowledge(delivered.outputs)
    assert delivered.delivery.acknowledged == 0
    await delivered.acknowledge(delivered.rows)
    assert delivered.delivery.acknowledged == 7


async def test_rows_of_the_next_step_wait_until_those_before_are_acknowledged(delivered: Delivered) -> None:
    delivered.delivery.put(step(1))
    delivered.delivery.put(step(2))
    await delivered.acknowledge(delivered.outputs)
    await delivered.acknowledge(delivered.outputs)
    assert len(delivered.rows.sent) == 1
    await delivered.acknowledge(delivered.rows)
    assert len(delivered.rows.sent) == 2


async def test_outputs_of_the_next_steps_are_sent_ahead_of_the_rows(delivered: Delivered) -> None:
    for end in range(1, AHEAD + 1):
        delivered.delivery.put(step(end))
    for _ in range(AHEAD):
        await delivered.acknowledge(delivered.outputs)
    assert len(delivered.outputs.sent) == AHEAD
    assert len(delivered.rows.sent) == 1


async def test_no_more_than_four_steps_are_computed_ahead(delivered: Delivered) -> None:
    for end in range(1, AHEAD + 1):
        assert delivered.delivery.room
        delivered.delivery.put(step(end, outputs=0))
    assert not delivered.delivery.room
    await delivered.acknowledge(delivered.rows)
    assert delivered.delivery.room


async def test_more_turns_are_left_between_two_steps_while_the_rows_are_behind(delivered: Delivered) -> None:
    for end in range(1, AHEAD):
        assert delivered.delivery.turns == 1
        delivered.delivery.put(step(end, outputs=0))
    assert delivered.delivery.turns > 1
    await delivered.acknowledge(delivered.rows)
    assert delivered.delivery.turns == 1


async def test_rows_and_clock_row_are_one_record_batch(delivered: Delivered) -> None:
    delivered.delivery.put(step(1, outputs=0))
    await until(lambda: delivered.rows.sent)
    assert [key for key, _, _ in delivered.rows.sent[0].builder.records] == [b"c", b"\0clock"]


async def test_the_outputs_of_a_step_are_one_record_batch_for_each_topic(delivered: Delivered) -> None:
    delivered.delivery.put(step(1, outputs=50))
    await quiet()
    assert [len(sent.builder.records) for sent in delivered.outputs.sent] == [50]


async def test_outputs_too_many_for_a_record_batch_go_in_several_and_the_rows_wait_for_all(
    delivered: Delivered,
) -> None:
    delivered.outputs.batch_bytes = 1_000_000
    sends = [Send(OUTPUTS, b"c", b"x" * 400_000, (), 0) for _ in range(5)]
    delivered.delivery.put(DeliveryStep(1, sends, (Row(b"\0clock", b"1"),)))
    for _ in range(3):
        assert not delivered.rows.sent
        await delivered.acknowledge(delivered.outputs)
    assert [len(sent.builder.records) for sent in delivered.outputs.sent] == [2, 2, 1]
    assert len(delivered.rows.sent) == 1


async def test_a_failed_output_ends_the_delivery_and_its_rows_are_never_sent(delivered: Delivered) -> None:
    delivered.delivery.put(step(1))
    delivered.delivery.put(step(2))
    await until(lambda: delivered.outputs.sent)
    delivered.outputs.sent[0].future.set_exception(KafkaTimeoutError())
    with pytest.raises(DeliveryFailedError):
        await delivered.task
    assert not delivered.rows.sent
    assert delivered.delivery.acknowledged == 0


async def test_rows_that_land_behind_another_workers_stop_the_delivery(delivered: Delivered) -> None:
    delivered.logs.append(CHANGELOG, b"c", b"a stranger's")
    delivered.delivery.put(step(1, outputs=0))
    delivered.delivery.put(step(2, outputs=0))
    await delivered.acknowledge(delivered.rows)
    assert delivered.overtaken == [(0, 1)]
    assert delivered.task.done()
    assert delivered.delivery.acknowledged == 0
    assert delivered.delivery.base == 0


async def test_the_expected_base_moves_on_with_every_acknowledged_batch(delivered: Delivered) -> None:
    for end in (1, 2):
        delivered.delivery.put(step(end, outputs=0))
        await delivered.acknowledge(delivered.rows)
    assert delivered.delivery.base == 4
    assert delivered.settled == [1, 2]


async def test_a_tombstone_takes_an_offset_of_its_own(delivered: Delivered) -> None:
    rows = (Row(b"gone", erased_row(4, 1)), Row(b"\0clock", b"4"))
    delivered.delivery.put(DeliveryStep(5, rows=rows))
    await delivered.acknowledge(delivered.rows)
    delivered.delivery.put(step(6, outputs=0))
    await delivered.acknowledge(delivered.rows)
    assert delivered.overtaken == []
    assert delivered.delivery.base == 5
    assert delivered.delivery.witness == Witness.of(4, *last_row(delivered.logs))


def last_row(logs: FakeLogs) -> tuple[bytes | None, bytes | None]:
    """The key and value at a changelog's end."""
    record = logs.records[CHANGELOG][-1]
    return record.key, record.value


async def test_what_an_ended_epoch_holds_is_never_sent(delivered: Delivered) -> None:
    delivered.delivery.put(step(1))
    await until(lambda: delivered.outputs.sent)
    delivered.epoch.end()
    await delivered.acknowledge(delivered.outputs)
    await asyncio.wait([delivered.task])
    assert not delivered.rows.sent


async def test_a_step_without_outputs_and_rows_moves_the_offset_on_in_its_turn(delivered: Delivered) -> None:
    nothing: Any = DeliveryStep(5)
    delivered.delivery.put(nothing)
    await until(lambda: delivered.settled == [5])


async def test_headers_of_any_producer_are_sent_on_whole(delivered: Delivered) -> None:
    headers = (("trace", None), ("名" * 2_000, b"1"))
    sends = [Send(OUTPUTS, b"c", b"x" * 1_000, headers, 0) for _ in range(2)]
    delivered.delivery.put(DeliveryStep(1, sends))
    await delivered.acknowledge(delivered.outputs)
    assert delivered.delivery.acknowledged == 1


async def test_a_record_that_a_batch_does_not_take_ends_the_worker(
    delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeBuilder, "append", lambda *_, **__: None)
    delivered.delivery.put(step(1))
    with pytest.raises(EngineError, match="was not taken"):
        await delivered.task
    assert delivered.delivery.acknowledged == 0
