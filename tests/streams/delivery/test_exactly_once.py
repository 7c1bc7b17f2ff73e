"""Delivery exactly once: one transaction holds all that waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced
from aiokafka.structs import TopicPartition

from models.contracts.changes import Row
from models.memory.rows import erased_row
from streams.changelog.framing import ROWS_PER_BATCH_BYTES
from streams.delivery.exactly_once import LARGE_ROWS, InTransactions, together
from streams.delivery.lease import Epoch, Lease, Revoked
from streams.delivery.queue import AHEAD, DeliveryStep, Send
from streams.errors import DeliveryFailedError
from tests.support.kafka.fake_kafka import FakeClock, FakeLogs, FakeTransactions, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOURCE = TopicPartition("purchases", 0)
OUTPUTS, LETTERS = TopicPartition("segment-changes", 0), TopicPartition("dead-letters", 0)
CHANGELOG = TopicPartition("changelog", 0)


class Delivered:
    """A delivery, and what it did."""

    def __init__(self, *, base: int = 0, deadline: float = 5.0) -> None:
        clock, self.logs = FakeClock(), FakeLogs()
        self.producer = FakeTransactions(self.logs)
        self.epoch = Epoch(Lease(clock, 6.0))
        self.epoch.lease.renew(clock.elapsed())
        self.settled: list[int] = []
        self.overtaken: list[tuple[int, int]] = []
        self.gone: list[str] = []
        self.delivery: InTransactions = InTransactions(
            epoch=self.epoch,
            changelog=CHANGELOG,
            producer=self.producer,
            source=SOURCE,
            group="ledger",
            deadline=deadline,
            gone=self.gone.append,
            clock=clock,
            start=0,
            base=base,
            settled=lambda: self.settled.append(self.delivery.acknowledged),
            overtaken=lambda expected, landed: self.overtaken.append((expected, landed)),
        )
        self.task = asyncio.create_task(self.delivery.run())


@pytest.fixture
async def delivered() -> AsyncIterator[Delivered]:
    made = Delivered()
    yield made
    made.task.cancel()


def step(end: int, *, key: bytes = b"c") -> DeliveryStep:
    """A step with an output, a dead letter, a customer's row and the clock row."""
    sends = [
        Send(OUTPUTS, key, b"output %d" % end, (), 0),
        Send(LETTERS, key, b"letter %d" % end, (), 0),
    ]
    return DeliveryStep(end, sends, (Row(key, b"row %d" % end), Row(b"\0clock", b"%d" % end)))


def values(logs: FakeLogs, partition: TopicPartition) -> list[bytes | None]:
    """What a log holds."""
    return [record.value for record in logs.records[partition]]


async def test_a_transaction_holds_outputs_letters_rows_and_the_position(delivered: Delivered) -> None:
    delivered.delivery.put(step(1))
    await until(lambda: delivered.settled == [1])
    assert values(delivered.logs, OUTPUTS) == [b"output 1"]
    assert values(delivered.logs, LETTERS) == [b"letter 1"]
    assert values(delivered.logs, CHANGELOG) == [b"row 1", b"1"]
    assert delivered.logs.committed == {SOURCE: 1}
    assert delivered.producer.done == ["begin", "commit"]
    assert delivered.delivery.base == 3  # two rows and the marker


async def test_a_tombstone_takes_an_offset_of_its_own(delivered: Delivered) -> None:
    rows = (Row(b"gone", erased_row(4, 1)), Row(b"\0clock", b"4"))
    delivered.delivery.put(DeliveryStep(5, rows=rows))
    await until(lambda: delivered.settled == [5])
    assert delivered.delivery.base == 4  # two rows, the tombstone and the marker
    delivered.delivery.put(step(6))
    await until(lambda: delivered.settled == [5, 6])
    assert delivered.overtaken == []


async def test_nothing_counts_before_the_commit_is_acknowledged(delivered: Delivered) -> None:
    delivered.producer.held = asyncio.Event()
    delivered.delivery.put(step(1))
    await until(lambda: len(delivered.producer.sent) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert delivered.delivery.acknowledged == 0
    assert not delivered.delivery.idle
    delivered.producer.held.set()
    await until(lambda: delivered.settled == [1])


async def test_all_that_waits_goes_into_one_transaction_and_of_a_key_only_its_last_row(
    delivered: Delivered,
) -> None:
    for end in range(1, AHEAD + 1):
        delivered.delivery.put(step(end, key=b"%d" % (end % 2)))
    await until(lambda: delivered.delivery.idle)
    assert delivered.producer.done == ["begin", "commit"]
    assert values(delivered.logs, OUTPUTS) == [b"output 1", b"output 2", b"output 3", b"output 4"]
    assert values(delivered.logs, CHANGELOG) == [b"row 3", b"row 4", b"4"]
    assert delivered.logs.committed == {SOURCE: 4}


async def test_steps_are_computed_beside_a_large_transaction_and_not_beside_a_small_one(
    delivered: Delivered,
) -> None:
    delivered.producer.held = asyncio.Event()
    many = tuple(Row(b"%d" % number, b"row") for number in range(LARGE_ROWS))
    for end in range(1, AHEAD + 1):
        delivered.delivery.put(DeliveryStep(end, rows=many))
    assert not delivered.delivery.room
    await until(lambda: delivered.delivery.room)
    for end in range(AHEAD + 1, 2 * AHEAD + 1):
        delivered.delivery.put(step(end))
    assert not delivered.delivery.room
    delivered.producer.held.set()
    await until(lambda: delivered.settled == [AHEAD])
    delivered.producer.held.clear()
    await until(lambda: delivered.producer.done[-1] == "begin")
    assert not delivered.delivery.room
    delivered.producer.held.set()
    await until(lambda: delivered.settled == [AHEAD, 2 * AHEAD])
    assert delivered.delivery.room


async def test_rows_after_a_marker_land_where_they_are_expected(delivered: Delivered) -> None:
    for end in (1, 2, 3):
        delivered.delivery.put(step(end))
        await until(delivered.settled.__len__)
        delivered.settled.clear()
    assert not delivered.overtaken
    assert [record.offset for record in delivered.logs.records[CHANGELOG]] == [0, 1, 3, 4, 6, 7]


async def test_rows_that_land_elsewhere_are_not_committed(delivered: Delivered) -> None:
    delivered.logs.append(CHANGELOG, b"c", b"somebody else's")
    delivered.delivery.put(step(1))
    await delivered.task
    assert delivered.overtaken == [(0, 1)]
    assert values(delivered.logs, OUTPUTS) == []
    assert delivered.delivery.acknowledged == 0


async def test_a_fenced_producer_is_told_and_counts_nothing(delivered: Delivered) -> None:
    delivered.producer.refuse = ProducerFenced()
    delivered.delivery.put(step(1))
    await delivered.task
    assert [why[:27] for why in delivered.gone] == ["its producer was fenced off"]
    assert delivered.delivery.acknowledged == 0
    assert "commit" not in delivered.producer.done


async def test_a_producer_whose_sender_ended_is_given_up_and_the_worker_goes_on(
    delivered: Delivered,
) -> None:
    delivered.producer.refuse = KafkaError("Unexpected error during batch delivery")
    delivered.delivery.put(step(1))
    await delivered.task
    assert delivered.gone == ["its producer ended (KafkaError: Unexpected error during batch delivery)"]
    assert delivered.delivery.acknowledged == 0
    assert "commit" not in delivered.producer.done


async def test_a_refused_record_ends_the_worker_and_nothing_of_its_transaction_counts(
    delivered: Delivered,
) -> None:
    delivered.producer.refuse = MessageSizeTooLargeError()
    delivered.delivery.put(step(1))
    with pytest.raises(DeliveryFailedError, match="refused a transaction of partition 0"):
        await delivered.task
    await delivered.delivery.close()
    assert delivered.producer.done == ["begin", "abort"]
    assert delivered.producer.stopped
    assert delivered.logs.committed == {}


async def test_a_transaction_that_takes_too_long_ends_the_worker() -> None:
    delivered = Delivered(deadline=0.02)
    delivered.producer.held = asyncio.Event()
    delivered.delivery.put(step(1))
    with pytest.raises(DeliveryFailedError, match="CARTPULSE_SEND_DEADLINE_SECONDS"):
        await delivered.task


async def test_a_transaction_of_an_epoch_that_ends_is_not_committed() -> None:
    delivered = Delivered()
    delivered.epoch.end()
    delivered.delivery.put(step(1))
    with pytest.raises(Revoked):
        await delivered.task
    assert not delivered.producer.sent


async def test_a_delivery_that_ends_between_transactions_aborts_none(delivered: Delivered) -> None:
    delivered.delivery.put(step(1))
    await until(lambda: delivered.settled == [1])
    await delivered.delivery.close()
    assert delivered.producer.done == ["begin", "commit"]
    assert delivered.producer.stopped


def test_a_transaction_takes_as_many_steps_as_one_batch_of_rows_holds() -> None:
    large = DeliveryStep(1, rows=(Row(b"k", bytes(ROWS_PER_BATCH_BYTES // 2)),))
    assert together([large, large, large]) == [large]
    assert together([step(1), step(2), step(3)]) == [step(1), step(2), step(3)]
    assert together([DeliveryStep(1, rows=(Row(b"k", bytes(ROWS_PER_BATCH_BYTES + 1)),))])
