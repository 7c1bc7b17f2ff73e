"""One owned partition: what becomes of the records it is offered."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.structs import TopicPartition

from models.contracts.changes import Changes, Row
from models.memory.rows import CLOCK_KEY, header
from models.records.decoder import Decoder
from models.records.partitioner import partition_of
from streams.delivery.at_least_once import InOrder
from streams.delivery.lease import Lease
from streams.delivery.outbox import Outbox
from streams.delivery.queue import AHEAD
from streams.errors import EngineError
from streams.flow import purchases
from streams.metrics import Counts
from streams.partition.isolation import PoisonIsolator
from streams.partition.partition import Partition
from streams.settings.settings import Settings
from tests.support.kafka.fake_kafka import FakeClock, FakeLogs, FakeProducer, until
from tests.support.ledgers.counting import CountingLedger
from tests.support.ledgers.runs import consumed, run_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from models.records.columns import Records
    from streams.partition.batch import Batch

SETTINGS = Settings(partitions=3, sweep_limit=2)
CHANGELOG = TopicPartition(SETTINGS.changelog_topic, 0)
OUTPUTS = TopicPartition("segment-changes", 0)
DEAD_LETTERS = TopicPartition("dead-letters", 0)


class Owned:
    """A recovered partition with its delivery, and an agent when asked for."""

    def __init__(self, ledger: Any) -> None:
        clock = FakeClock()
        self.logs = FakeLogs()
        self.producer = FakeProducer(self.logs)
        self.queue: asyncio.Queue[Batch] = asyncio.Queue()
        self.counts = Counts()
        self.faults: list[Exception] = []
        self.ledger = ledger
        lease = Lease(clock, 1_000_000.0)
        lease.renew(clock.elapsed())
        self.partition = Partition(
            0,
            flow=purchases(SETTINGS, ledgers=CountingLedger, decoder=Decoder(SETTINGS.ledger)),
            lease=lease,
            sweep_limit=SETTINGS.sweep_limit,
            paused=False,
            hand_over=self.queue.put_nowait,
            isolation=PoisonIsolator(clock),
            counts=self.counts,
            clock=clock,
            progress=lambda: None,
            fail=self.faults.append,
        )
        self.delivery = InOrder(
            epoch=self.partition.epoch,
            changelog=CHANGELOG,
            sent=Outbox(self.producer, deadline=5),
            kept=Outbox(self.producer, deadline=5),
            clock=clock,
            start=0,
            base=0,
            settled=self.partition.progressed,
            overtaken=lambda _, __: None,
        )
        self.partition.start(ledger, self.delivery)
        self.partition.begin_reading()

    async def agent(self) -> None:
        """As the purchases agent."""
        while True:
            batch = await self.queue.get()
            with suppress(KeyError):
                async with batch:
                    await batch.deliver(batch.ledger.advance(batch.records))

    def written(self, target: TopicPartition) -> list[Any]:
        """The records of a partition."""
        return self.logs.records[target]

    async def until_delivered(self, offset: int) -> None:
        """Wait until everything up to an offset is delivered."""
        await until(lambda: self.delivery.acknowledged == offset or self.faults)
        assert not self.faults


@asynccontextmanager
async def owned(ledger: Any = None, *, agent: bool = True) -> AsyncIterator[Owned]:
    made = Owned(ledger or CountingLedger())
    tasks = [asyncio.create_task(made.partition.work()), asyncio.create_task(made.delivery.run())]
    if agent:
        tasks.append(asyncio.create_task(made.agent()))
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_interrupted_sweep_goes_on_though_no_record_comes() -> None:
    ledger = CountingLedger(day=5)
    ledger.advance(run_of("abcdef").records)
    assert ledger.sweeping
    async with owned(ledger):
        await until(lambda: not ledger.sweeping)


async def test_records_are_applied_and_their_rows_written_with_the_clock_row_last() -> None:
    async with owned() as made:
        made.partition.offer(consumed(["a", "b", "a"]))
        await made.until_delivered(3)
        assert [record.key for record in made.written(CHANGELOG)] == [b"a", b"b", CLOCK_KEY]
        assert made.ledger.describe(b"a") == {"events": 2}


async def test_only_one_batch_of_a_partition_is_with_the_agent_at_a_time() -> None:
    async with owned(agent=False) as made:
        made.partition.offer(consumed(["a"]))
        made.partition.offer(consumed(["b"], start=1))
        await until(made.queue.qsize)
        for _ in range(20):
            await asyncio.sleep(0)
        assert made.queue.qsize() == 1


async def test_what_the_ledger_left_over_of_a_batch_comes_next() -> None:
    async with owned(CountingLedger(most=2)) as made:
        made.partition.offer(consumed(["a", "b", "c", "d", "e"]))
        await made.until_delivered(5)
        clocks = [
            header(record.value).offset for record in made.written(CHANGELOG) if record.key == CLOCK_KEY
        ]
        assert clocks == [1, 3, 4]


async def test_a_sweep_takes_turns_with_the_batches_and_is_finished_when_a_boundary_waits_for_it() -> None:
    async with owned(CountingLedger(day=8)) as made:
        made.partition.offer(consumed(["a", "b", "c", "d", "e", "f", "g", "h"] + ["a"] * 20))
        await made.until_delivered(28)
        await until(lambda: not made.ledger.sweeping and made.partition.idle)
        outputs = [record.value.decode() for record in made.written(OUTPUTS)]
        days = [output.split()[:3] for output in outputs if output.startswith("boundary")]
        assert sorted(days) == [["boundary", day, customer] for day in "123" for customer in "abcdefgh"]


async def test_a_sweep_goes_on_when_no_records_come() -> None:
    async with owned(CountingLedger(day=4)) as made:
        made.partition.offer(consumed(["a", "b", "c", "d", "e"]))
        await until(lambda: made.ledger.clock.finished == 1)


async def test_rows_get_on_between_two_steps_once_they_are_behind() -> None:
    behind: list[int] = []

    class Noted(CountingLedger):
        def sweep(self, limit: int) -> Changes:
            behind.append(made.delivery.computed - made.delivery.delivered)
            return super().sweep(limit)

    ledger = Noted(day=11)
    ledger.advance(run_of("abcdefghijkl").records)
    async with owned(ledger) as made:
        await until(lambda: not ledger.sweeping)
    assert len(behind) > AHEAD
    assert max(behind) < AHEAD - 1


async def test_a_ledger_that_takes_nothing_and_has_nothing_to_sweep_ends_the_worker() -> None:
    class Stubborn(CountingLedger):
        def advance(self, records: Records) -> Changes:
            del records
            return Changes(0)

    async with owned(Stubborn()) as made:
        made.partition.offer(consumed(["a"]))
        with pytest.raises(EngineError, match="nothing to sweep"):
            await made.partition.work()


async def test_a_poisoned_record_is_dead_lettered_and_every_other_one_is_applied() -> None:
    async with owned() as made:
        made.partition.offer(consumed(["a", "b", "poison", "c", "poison", "d", "e"]))
        await made.until_delivered(7)
        letters = made.written(DEAD_LETTERS)
        assert [dict(letter.headers)["offset"] for letter in letters] == [b"2", b"4"]
        assert {dict(letter.headers)["stage"] for letter in letters} == {b"apply"}
        assert all(
            made.ledger.describe(customer) == {"events": 1} for customer in (b"a", b"b", b"c", b"d", b"e")
        )
        assert made.counts.dead_letters["ValueError"] == 2


async def test_an_undecodable_record_is_dead_lettered_with_its_bytes_and_the_next_one_is_applied() -> None:
    async with owned() as made:
        made.partition.offer(consumed(["a", "bad", "b"]))
        await made.until_delivered(3)
        (letter,) = made.written(DEAD_LETTERS)
        assert letter.value == b"{bad"
        assert dict(letter.headers)["stage"] == b"decode"
        assert made.ledger.describe(b"b") == {"events": 1}


async def test_dead_letters_of_a_batch_applied_in_parts_are_written_once() -> None:
    async with owned(CountingLedger(most=2)) as made:
        made.partition.offer(consumed(["a", "bad", "b", "bad", "c"]))
        await made.until_delivered(5)
        assert [dict(letter.headers)["offset"] for letter in made.written(DEAD_LETTERS)] == [b"1", b"3"]


async def broken_agent(batch: Batch) -> None:
    async with batch:
        await batch.deliver(batch.ledger.advance(batch.records))
        raise KeyError


async def test_an_agent_that_raises_after_the_ledger_has_advanced_ends_the_worker() -> None:
    async with owned(agent=False) as made:
        made.partition.offer(consumed(["a"]))
        with pytest.raises(KeyError):
            await broken_agent(await made.queue.get())
        assert len(made.faults) == 1
        assert "after the ledger had advanced" in str(made.faults[0])
        assert made.delivery.acknowledged == 0


async def test_a_want_of_memory_ends_the_worker_and_is_no_fault_of_the_events() -> None:
    async with owned(agent=False) as made:
        made.partition.offer(consumed(["a", "b"]))
        with pytest.raises(MemoryError):
            async with await made.queue.get():
                raise MemoryError
        assert "out of memory" in str(made.faults[0])
        assert not made.written(DEAD_LETTERS)


async def test_an_agent_that_forgets_to_deliver_ends_the_worker() -> None:
    async with owned(agent=False) as made:
        made.partition.offer(consumed(["a"]))
        async with await made.queue.get():
            pass
        assert "without delivering" in str(made.faults[0])


async def test_an_agent_that_is_cancelled_before_it_applied_anything_gets_the_batch_again() -> None:
    async with owned(agent=False) as made:
        made.partition.offer(consumed(["a"]))
        with suppress(asyncio.CancelledError):
            async with await made.queue.get():
                raise asyncio.CancelledError
        again = await asyncio.wait_for(made.queue.get(), 5)
        assert again.records.offsets.tolist() == [0]
        assert not made.faults


async def test_a_released_partition_voids_the_batch_that_no_agent_has_taken_up() -> None:
    async with owned(agent=False) as made:
        made.partition.offer(consumed(["a"]))
        batch = await made.queue.get()
        made.partition.release()
        async with batch:
            await batch.deliver(batch.ledger.advance(batch.records))
        assert made.ledger.clock.offset == -1
        assert made.partition.idle


async def test_a_partition_that_is_clean_when_it_is_closed_gives_its_ledger_to_keep() -> None:
    async with owned() as made:
        made.partition.offer(consumed(["a", "b"]))
        await made.until_delivered(2)
        kept = made.partition.close()
        assert kept is not None
        assert kept.ledger is made.ledger
        assert kept.base == 3


async def test_a_partition_with_rows_under_way_gives_nothing_to_keep() -> None:
    async with owned() as made:
        made.producer.at_once = False
        made.partition.offer(consumed(["a"]))
        await until(made.producer.waiting)
        assert made.partition.close() is None


async def test_records_offered_after_the_release_are_left_to_the_next_owner() -> None:
    async with owned(agent=False) as made:
        made.partition.release()
        made.partition.offer(consumed(["a"]))
        await asyncio.sleep(0)
        assert made.partition.expected == 0
        assert not made.queue.qsize()


async def test_a_partition_that_is_held_hands_nothing_over_until_it_goes_on() -> None:
    async with owned() as made:
        made.partition.hold(paused=True)
        made.partition.offer(consumed(["a"]))
        for _ in range(20):
            await asyncio.sleep(0)
        assert made.ledger.clock.offset == -1
        made.partition.hold(paused=False)
        await made.until_delivered(1)


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ((("h", b"1"),), (("h", b"1"),)),
        ((("empty", None), ("käse", b"")), (("empty", None), ("käse", b""))),
        ((("big", b"x" * 20_000_000),), ()),
    ],
)
async def test_a_stranger_is_sent_on_to_its_partition_with_its_bytes_unchanged(
    headers: tuple[tuple[str, bytes | None], ...], kept: tuple[tuple[str, bytes | None], ...]
) -> None:
    class Strict(CountingLedger):
        def advance(self, records: Records) -> Changes:
            super().advance(records)
            return Changes(len(records), misrouted=(1,), rows=(Row(CLOCK_KEY, b"clock"),))

    home = partition_of(b"b", 3, "murmur2")
    async with owned(Strict()) as made:
        raws = [record._replace(headers=headers) for record in consumed(["a", "b"])]
        made.partition.offer(raws)
        await made.until_delivered(2)
        (sent,) = made.written(TopicPartition("purchases", home))
        assert (sent.key, sent.value, sent.headers) == (b"b", raws[1].value, kept)
        assert made.counts.misrouted == 1


async def test_no_more_is_fetched_while_batches_wait() -> None:
    async with owned(agent=False) as made:
        start = 0
        while made.partition.can_fetch:
            made.partition.offer(consumed(["a"], start=start))
            start += 1
            await asyncio.sleep(0)
        assert start < 6


async def test_what_is_handed_on_is_counted_and_timed() -> None:
    async with owned(CountingLedger(every=2)) as made:
        made.partition.offer(consumed(["a", "a", "b", "bad"]))
        await made.until_delivered(4)
        await until(lambda: made.counts.delivering.cumulative()[-1][1] == 1)
    assert made.counts.records == 4
    assert made.counts.outputs == {"segment-changes": 1}
    assert made.counts.rows == len(made.written(CHANGELOG))
    assert made.counts.row_bytes == sum(len(row.key) + len(row.value) for row in made.written(CHANGELOG))
    assert made.counts.applying.cumulative()[-1][1] == made.counts.batches == 1


async def test_slices_of_a_sweep_are_timed_apart() -> None:
    ledger = CountingLedger(day=5)
    ledger.advance(run_of("abcdef").records)
    async with owned(ledger) as made:
        await until(lambda: not ledger.sweeping)
    assert made.counts.sweeping.cumulative()[-1][1] >= 3
    assert made.counts.applying.cumulative()[-1][1] == 0
