"""The outbox: one batch at a time to a partition, permitted in the same step, always awaited."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import TopicPartition

from streams.delivery.lease import Epoch, Lease, Revoked
from streams.delivery.outbox import Outbox
from streams.errors import DeliveryFailedError
from tests.support.kafka.fake_kafka import FakeBuilder, FakeClock, FakeLogs, FakeProducer, until

TARGET = TopicPartition("topic", 0)


def batch() -> FakeBuilder:
    builder = FakeBuilder()
    builder.append(timestamp=0, key=b"k", value=b"v")
    builder.close()
    return builder


def leased(clock: FakeClock) -> Epoch:
    epoch = Epoch(Lease(clock, 6.0))
    epoch.lease.renew(clock.elapsed())
    return epoch


async def test_the_answer_is_the_acknowledged_base_offset() -> None:
    outbox, epoch = Outbox(FakeProducer(FakeLogs()), deadline=5), leased(FakeClock())
    assert [await outbox.send(batch(), TARGET, epoch) for _ in range(3)] == [0, 1, 2]


async def test_nothing_is_given_to_the_producer_while_an_earlier_batch_is_not_acknowledged() -> None:
    producer, epoch = FakeProducer(FakeLogs(), at_once=False), leased(FakeClock())
    outbox = Outbox(producer, deadline=5)
    sends = [asyncio.create_task(outbox.send(batch(), TARGET, epoch)) for _ in range(3)]
    for number in range(3):
        await until(producer.waiting)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(producer.sent) == number + 1
        producer.acknowledge(producer.sent[number])
    assert await asyncio.gather(*sends) == [0, 1, 2]


async def test_a_lease_that_lapses_while_an_earlier_batch_is_under_way_holds_the_next_one_back() -> None:
    clock, producer = FakeClock(), FakeProducer(FakeLogs(), at_once=False)
    outbox, epoch = Outbox(producer, deadline=5), leased(clock)
    sends = [asyncio.create_task(outbox.send(batch(), TARGET, epoch)) for _ in range(2)]
    await until(lambda: producer.sent)
    clock.at += 4.0
    producer.acknowledge(producer.sent[0])
    await asyncio.wait([sends[0]])
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(producer.sent) == 1
    epoch.end()
    with pytest.raises(Revoked):
        await sends[1]


async def test_a_batch_of_an_epoch_given_up_is_waited_for_before_another_epoch_sends() -> None:
    producer = FakeProducer(FakeLogs(), at_once=False)
    outbox = Outbox(producer, deadline=5)
    given_up = asyncio.create_task(outbox.send(batch(), TARGET, leased(FakeClock())))
    await until(lambda: producer.sent)
    given_up.cancel()
    asyncio.create_task(outbox.send(batch(), TARGET, leased(FakeClock())))  # noqa: RUF006 - ends with the loop
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(producer.sent) == 1
    producer.acknowledge(producer.sent[0])
    await until(lambda: len(producer.sent) == 2)


async def test_a_send_that_is_not_acknowledged_in_time_has_failed() -> None:
    outbox = Outbox(FakeProducer(FakeLogs(), at_once=False), deadline=0.01)
    with pytest.raises(DeliveryFailedError, match="did not acknowledge"):
        await outbox.send(batch(), TARGET, leased(FakeClock()))


async def test_a_send_that_is_refused_has_failed() -> None:
    producer = FakeProducer(FakeLogs(), at_once=False)
    sending = asyncio.create_task(Outbox(producer, deadline=5).send(batch(), TARGET, leased(FakeClock())))
    await until(lambda: producer.sent)
    producer.sent[0].future.set_exception(MessageSizeTooLargeError())
    with pytest.raises(DeliveryFailedError, match="refused"):
        await sending
