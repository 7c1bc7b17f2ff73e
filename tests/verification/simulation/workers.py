"""A simulated worker process: the real partitions service, its agent, and the clients of the model broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from aiokafka.errors import KafkaError

from models.contracts.changes import Refusal
from models.records.columns import Kind, Records
from streams.changelog.recovery import digest
from streams.engine.partitions import Partitions
from streams.errors import DeliveryFailedError
from streams.flow import purchases
from streams.kafka.log.salvage import Salvage
from streams.process.shutdown import Shutdown
from tests.support.ledgers.counting import CountingLedger
from tests.verification.simulation.check import EVERY
from tests.verification.simulation.member import Member
from tests.verification.simulation.producers import BACKOFF, Sender, TransactionalSender
from tests.verification.simulation.readers import Reader
from tests.verification.simulation.schedule import BROKEN, SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka.structs import TopicPartition

    from models.records.decoder import Raw
    from streams.kafka.log.walk import Fetched
    from streams.settings.settings import Settings
    from tests.verification.simulation.kafka.broker import Broker
    from tests.verification.simulation.kafka.logs import Content
    from tests.verification.simulation.schedule import Fault, Schedule

ROWS = 10_000
"""Most rows of a record batch; the ledger cuts long before."""

LAST_RESORT = 2.0
"""Seconds that the end of a worker may take."""

EPOCH_MS = 1_500_000_000_000


class BareDecoder:
    """A purchase is `customer number`; any other record is refused."""

    def decode(self, raws: Sequence[Raw]) -> tuple[Records, list[Refusal]]:
        """Columns, as far as the counting ledger looks at them."""
        count = len(raws)
        names = [(raw.value or b"").split(b" ")[0] for raw in raws]
        refused = [name == BROKEN.encode() for name in names]
        records = Records(
            offsets=np.array([raw.offset for raw in raws], np.int64),
            digests=np.array([digest(raw.value) for raw in raws], np.uint64),
            appended_at=np.zeros(count, np.int64),
            kinds=np.array([Kind.REFUSED if bad else Kind.PURCHASE for bad in refused], np.uint8),
            occurred_at=np.zeros(count, np.int64),
            event_ids=[""] * count,
            event_hashes=np.zeros(count, np.uint64),
            content_hashes=np.zeros(count, np.uint32),
            customers=[b"" if bad else name for name, bad in zip(names, refused, strict=True)],
            stores=[""] * count,
            channels=[""] * count,
            line_starts=np.zeros(count + 1, np.int64),
            products=[],
            categories=[],
            quantities=np.zeros(0, np.int64),
            spends=np.zeros(0, np.int64),
            discounts=np.zeros(0, np.int64),
            listings=[()] * count,
        )
        refusals = [
            Refusal(raw.offset, "decode", "json", "", "no purchase")
            for raw, bad in zip(raws, refused, strict=True)
            if bad
        ]
        return records, refusals


class VirtualClock:
    """The loop's time."""

    def __init__(self, broker: Broker) -> None:
        self._loop = broker.loop

    def elapsed(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def now_ms(self) -> int:
        """The same as a date."""
        return EPOCH_MS + int(self._loop.time() * 1_000)


class SimulatedConnections:
    """The clients of one worker; each asks the broker something before it is there."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._broker = worker, worker.broker
        self._options = {
            "limit": worker.plan.batch_outputs,
            "sends": worker.sends,
            "lands": worker.lands,
            "patience": worker.settings.send_deadline_seconds,
        }

    async def why(self, reason: Exception) -> Exception:
        """Nothing but the reason itself."""
        return reason

    async def holes(self) -> bool:
        """Whether logs may have offsets without a record."""
        await self._reach()
        return self._broker.transactional

    async def consumer(self) -> Member:
        """The group's."""
        await self._reach()
        self._worker.member = Member(
            self._broker,
            committed=self._broker.transactional,
            session=SESSION,
            partitions=self._worker.settings.partitions,
        )
        return self._worker.member

    async def reader(self) -> Reader:
        """One without a group."""
        await self._reach()
        return Reader(self._broker, committed=self._broker.transactional, assigned=self._worker.reads)

    def salvage(self) -> Salvage:
        """What reads the model's logs batch by batch."""
        return Salvage(self)

    async def fetch(self, place: TopicPartition, offset: int, most: int = 1 << 20) -> Fetched:
        """The bytes of a log from an offset on; all that there are."""
        del most
        broker = self._broker
        fetched: Fetched = await broker.network.ask(
            lambda: broker.log(place).fetch(offset, committed=broker.transactional)
        )
        return fetched

    async def stop(self) -> None:
        """Nothing is kept open."""

    async def producers(self) -> tuple[Sender, Sender]:
        """For outputs and for rows."""
        await self._reach()
        options: dict[str, Any] = self._options
        return Sender(self._broker, **options), Sender(self._broker, **{**options, "limit": ROWS})

    async def exactly_once(self) -> bool:
        """Whether deliveries are transactions."""
        return self._worker.plan.guarantee == "exactly_once"

    async def transactional(self, partition: int) -> TransactionalSender:
        """Of one partition, its producer id obtained."""
        worker = self._worker
        options: dict[str, Any] = {**self._options, "limit": ROWS, "sends": worker.notes}
        name = f"{worker.settings.group}-{partition}"
        patience = worker.settings.send_deadline_seconds
        producer = TransactionalSender(
            self._broker,
            name=name,
            timeout=patience,
            commits=lambda: worker.permitted(partition, "commits"),
            **options,
        )
        try:
            async with asyncio.timeout(patience):
                await producer.start()
        except TimeoutError as reason:
            raise DeliveryFailedError("no coordinator of transactions") from reason
        worker.fences(partition)
        return producer

    async def _reach(self) -> None:
        while True:
            try:
                await self._broker.network.ask(lambda: None)
            except KafkaError:
                await asyncio.sleep(BACKOFF)
            else:
                return


class Worker:
    """One process.

    Args:
        name: for the trace.
        plan: of the whole schedule.
        settings: of the service.
        broker: the model.
        violated: is told what must not be.
        ended: called once, when the process is gone.
    """

    def __init__(
        self,
        name: str,
        plan: Schedule,
        settings: Settings,
        broker: Broker,
        *,
        violated: Callable[[str], None],
        ended: Callable[[Worker], None],
    ) -> None:
        self.name, self.plan, self.broker = name, plan, broker
        # A name of its own decides which partitions it follows as a standby.
        self.settings = settings.model_copy(update={"group_instance_id": name})
        self.reason: BaseException | None = None
        self.member: Member | None = None
        self.service: Partitions | None = None
        self._violated, self._ended = violated, ended
        self._stopping = False
        self.blow: tuple[Fault, Callable[[], None]] | None = None
        self._fenced: dict[int, Any] = {}
        self._under_way: dict[int, tuple[Any, int]] = {}
        self._overtaken: dict[int, Any] = {}
        self.lane = broker.loop.lane(name, plan.busy)
        broker.note(name, "starts")
        broker.loop.start(self.lane, self._main())

    async def _main(self) -> None:
        batches: asyncio.Queue[Any] = asyncio.Queue()
        self.service = Partitions(
            purchases(
                self.settings,
                ledgers=lambda number, count: CountingLedger(
                    number, count, day=self.plan.day, most=self.plan.most, every=EVERY
                ),
                decoder=BareDecoder(),
            ),
            settings=self.settings,
            channel=SimpleNamespace(queue=batches),  # type: ignore[arg-type] # a queue is all it needs
            connections=SimulatedConnections(self),  # type: ignore[arg-type] # of the model
            clock=VirtualClock(self.broker),
            shutdown=Shutdown(self._last_resort),
        )
        agent = asyncio.create_task(self._agent(batches))
        await self.service.start()
        await agent

    async def _agent(self, batches: asyncio.Queue[Any]) -> None:
        """As `agents/purchases.py` has it, on a processor that may be slow."""
        while True:
            batch = await batches.get()
            if self.plan.slow:
                self.lane.free_at = self.broker.loop.time() + self.broker.chance.random() * self.plan.slow
                await asyncio.sleep(0)
            async with batch:
                changes = batch.ledger.advance(batch.records)
                await batch.deliver(changes)

    def stop(self) -> None:
        """SIGTERM."""
        if not self._stopping and not self.lane.dead:
            self._stopping = True
            self.broker.note(self.name, "stops")
            self.broker.loop.start(self.lane, self._leave())

    def kill(self) -> None:
        """SIGKILL."""
        if not self.lane.dead:
            self.broker.note(self.name, "is killed")
            self._gone()

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        self.broker.note(self.name, "is stopped for", round(seconds, 3))
        self.lane.free_at = self.broker.loop.time() + seconds

    def befall(self, fault: Fault, blow: Callable[[], None]) -> None:
        """Let something happen to it, some steps from now or from a moment to come."""
        if fault.moment == "any":
            self.lane.after(fault.steps, blow)
        else:
            self.blow = (fault, blow)

    def notes(self, target: TopicPartition, contents: Sequence[Content]) -> None:
        """Trace what a producer is given; some blows wait for that."""
        self.broker.note(self.name, "sends", target.topic, target.partition, len(contents))
        rows = target.topic == self.settings.changelog_topic
        if self.blow is not None and rows == (self.blow[0].moment == "rows"):
            fault, blow = self.blow
            self.blow = None
            self.lane.after(fault.steps, blow)

    def sends(self, target: TopicPartition, contents: Sequence[Content]) -> None:
        """The same; what is sent counts at once, so it has to be permitted."""
        self.notes(target, contents)
        self.permitted(target.partition, "sends")
        if target.topic == self.settings.changelog_topic and self.service is not None:
            partition = self.service.owned.get(target.partition)
            if partition is not None and partition is self._overtaken.get(target.partition):
                self._violated(f"{self.name} goes on though rows of others are between its own in {target}")
            if partition is not None and partition.delivery is not None:
                self._under_way[target.partition] = (partition, partition.delivery.base)

    def lands(self, target: TopicPartition, base: int) -> None:
        """Judge where rows came to lie: with those of others before them, the state has to be read again."""
        if target.topic == self.settings.changelog_topic:
            partition, expected = self._under_way.get(target.partition, (None, base))
            if base != expected:
                self._overtaken[target.partition] = partition

    def permitted(self, number: int, what: str) -> None:
        """Judge an act for a partition: it must be by an epoch that is not over, under a lease."""
        now, service = self.broker.loop.time(), self.service
        partition = service.owned.get(number) if service is not None else None
        if partition is None or partition.epoch.over or not partition.recovered:
            self._violated(f"{self.name} {what} for partition {number} without an epoch")
        if self.member is None or now >= self.member.proven_at + SESSION / 2:
            self._violated(f"{self.name} {what} for partition {number} without a lease")

    def fences(self, number: int) -> None:
        """Take note of a producer id that was obtained."""
        if self.service is not None:
            self._fenced[number] = self.service.owned.get(number)

    def reads(self, partitions: Sequence[TopicPartition]) -> None:
        """Judge a recovery's look into a changelog: nobody else may be able to write to it any more."""
        task = asyncio.current_task()
        standby = task is not None and getattr(task.get_coro(), "__qualname__", "") == "Standbys.run"
        if self.plan.guarantee == "at_least_once" or standby or self.service is None:
            return
        for topic, number in partitions:
            owned = self.service.owned.get(number)
            if topic == self.settings.changelog_topic and self._fenced.get(number) is not owned:
                self._violated(f"{self.name} reads the changelog of {number} before it has fenced others off")

    def _last_resort(self, seconds: float) -> None:
        del seconds
        reason = self.service._stopper.reason if self.service is not None else None
        if reason is not None and self.reason is None:
            self.reason = reason
            self.broker.note(self.name, "cannot go on:", type(reason).__name__)
            self.stop()
        self.broker.loop.later(LAST_RESORT, self._gone)

    async def _leave(self) -> None:
        if self.service is not None:
            await self.service.stop()
        self.broker.loop.later(0.0, self._gone)

    def _gone(self) -> None:
        if self.lane.dead:
            return
        self.broker.note(self.name, "is gone")
        self.broker.loop.kill(self.lane)
        self.broker.network.crashed(self.lane)
        self._ended(self)
