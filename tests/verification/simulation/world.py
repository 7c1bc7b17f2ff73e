"""One schedule from its seed to its verdict."""

from __future__ import annotations

import gc
import logging
import random
import tempfile
import warnings
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from aiokafka.structs import TopicPartition

from streams.delivery.queue import Delivery
from streams.errors import BrokerUnreachableError, DeliveryFailedError
from streams.kafka.record_batch import HEADER_BYTES
from streams.settings.settings import Settings
from tests.verification.simulation.check import Oracle
from tests.verification.simulation.kafka.broker import Broker
from tests.verification.simulation.kafka.logs import Content, Producer
from tests.verification.simulation.kafka.network import Weather
from tests.verification.simulation.loop import Stuck, VirtualLoop
from tests.verification.simulation.schedule import (
    ABORTED,
    FAULT_SECONDS,
    HOLE,
    SESSION,
    Fault,
    Guarantee,
    Schedule,
    schedule,
)
from tests.verification.simulation.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 30.0
"""Seconds in which a service that is left in peace has to have done everything."""

DEADLINE = 2.0
"""After which a send that is not acknowledged ends the worker, in seconds."""

COLLECTED_EVERY = 20
"""Schedules; each leaves some megabytes of cycles."""

EVENT_BYTES = 100
"""Bytes that an output of a counting ledger takes in a record batch, about."""

LAG = 1.0
"""Seconds for which compaction leaves records alone."""


@dataclass(slots=True)
class Verdict:
    """What became of a schedule."""

    plan: Schedule
    violations: list[str] = field(default_factory=list)
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    exits: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """What the workers counted, all of them together."""
    seconds: float = 0.0
    """Virtual."""
    settled_after: float = 0.0
    """Seconds of peace."""

    @property
    def command(self) -> str:
        """What replays it."""
        return (
            f"python -m tests.verification.simulation --seed {self.plan.seed} --schedules 1 "
            f"--guarantee {self.plan.guarantee} --trace"
        )

    @property
    def digest(self) -> str:
        """Of the whole trace: equal for equal runs."""
        return blake2b(repr(self.trace).encode(), digest_size=8).hexdigest()


class World:
    """A broker, its workers, and what befalls them.

    Args:
        plan: what to do.
    """

    def __init__(self, plan: Schedule) -> None:
        self.plan = plan
        self.verdict = Verdict(plan)
        chance = random.Random(f"world {plan.guarantee} {plan.seed}")
        self.loop = VirtualLoop(chance)  # type: ignore[abstract] # it has no sockets and no processes
        self.settings = Settings(
            partitions=plan.partitions,
            batch_records=plan.batch_records,
            sweep_limit=plan.sweep_limit,
            session_timeout_ms=int(SESSION * 1_000),
            send_deadline_seconds=DEADLINE,
            web_port=0,
            delivery_guarantee=plan.guarantee,
            standby_partitions=plan.standbys,
            checkpoint_seconds=1.0,
        )
        self.broker = Broker(
            self.loop,
            chance,
            session=SESSION,
            join_delay=plan.join_delay,
            weather=plan.weather,
            transactional=plan.transactional,
            note=self.note,
        )
        self.oracle = Oracle(
            self.broker,
            self.settings,
            day=plan.day,
            exactly_once=plan.guarantee == "exactly_once",
            violated=self.violated,
        )
        self.workers: list[Worker] = []
        self._all: list[Worker] = []
        self._folder: Path | None = None
        self._peace = self._anew = False

    def note(self, *what: Any) -> None:
        """Write the trace."""
        self.verdict.trace.append((round(self.loop.time(), 6), *what))

    def violated(self, what: str) -> None:
        """Something is not as it must be."""
        self.note("VIOLATED", what)
        self.verdict.violations.append(f"at {self.loop.time():.3f}: {what}")
        self.loop.halt()

    def run(self) -> Verdict:
        """From the first worker to the verdict."""
        if not self.plan.machines:
            return self._run()
        with tempfile.TemporaryDirectory(prefix="cartpulse-simulation-") as folder:
            self._folder = Path(folder)
            return self._run()

    def _run(self) -> Verdict:
        plan, loop = self.plan, self.loop
        for number in range(plan.partitions):
            self.broker.log(TopicPartition(self.settings.purchases_topic, number))
        for _ in range(plan.workers):
            self.add()
        for number, purchase in enumerate(plan.purchases):
            loop.later(purchase.at, self._purchase, number)
        for fault in plan.faults:
            loop.later(fault.at, self._befall, fault)
        loop.later(FAULT_SECONDS, self._make_peace)
        try:
            loop.run()
        except Stuck as stuck:
            self.violated(str(stuck))
        self.verdict.seconds = loop.time()
        self.verdict.settled_after = loop.time() - FAULT_SECONDS
        self._forget()
        return self.verdict

    def add(self) -> None:
        """A new worker, on one of the machines."""
        number, folder = len(self._all), self._folder
        if folder is not None:
            folder /= f"machine-{number % self.plan.machines}"
        worker = Worker(
            f"w{number}",
            self.plan,
            self.settings.model_copy(update={"checkpoint_dir": folder}),
            self.broker,
            violated=self.violated,
            ended=self._ended,
        )
        self.workers.append(worker)
        self._all.append(worker)

    def _look(self) -> None:
        settled = self.oracle.settled()
        stale = [number for number in range(self.plan.partitions) if settled and self.oracle.stale(number)]
        if settled and not stale:
            self.loop.halt()
            self.oracle.judge()
        elif self.loop.time() > FAULT_SECONDS + PATIENCE:
            what = f"stale rows stay the last of their keys in {stale}" if stale else "not all is applied"
            self.violated(f"{what} after {PATIENCE:g} s of peace")
        else:
            if stale and not self._anew:
                self._anew = True
                self._all_anew()
            self.loop.later(0.02, self._look)

    def _all_anew(self) -> None:
        """Recovery has to write again what a zombie left behind; a quiet owner need not know of it."""
        self.note("all anew")
        for worker in list(self.workers):
            worker.kill()

    def _purchase(self, number: int) -> None:
        _, partition, customer, open_for = self.plan.purchases[number]
        target = TopicPartition(self.settings.purchases_topic, partition)
        log, producer = self.broker.log(target), -1 - number
        if customer == HOLE:
            log.mark(producer, 0, self.loop.time(), commit=True)
        else:
            value = f"{customer} {number}".encode()
            if customer != ABORTED:
                self.oracle.sources[partition].add(log.end, value)
            transaction = Producer(producer, 0, 0, transactional=True) if open_for else None
            self.broker.append(target, [Content(customer.encode(), value)], transaction)
        if open_for:
            self.loop.later(open_for, self._end_of, target, producer, customer != ABORTED)
        self.broker.wake(target)

    def _end_of(self, target: TopicPartition, producer: int, commit: bool) -> None:  # noqa: FBT001 - a callback
        self.broker.log(target).mark(producer, 0, self.loop.time(), commit=commit)
        self.broker.wake(target)

    def _befall(self, fault: Fault) -> None:
        self.note("fault", fault.kind, fault.worker, fault.steps, round(fault.seconds, 3))
        worker = self.workers[fault.worker % len(self.workers)] if self.workers else None
        broker, loop = self.broker, self.loop
        if fault.kind == "join":
            if len(self.workers) < 5:
                self.add()
        elif fault.kind == "down":
            if broker.network.up:
                broker.down()
                loop.later(fault.seconds, self._up)
        elif fault.kind == "kick":
            broker.group.kick(fault.worker)
        elif fault.kind == "storm":
            broker.network.weather = Weather(0.01, 0.2, 0.3, 2.0)
            loop.later(fault.seconds, self._calm)
        elif fault.kind == "compact":
            self._compact()
        elif worker is not None:
            blows: dict[str, Callable[[], None]] = {
                "kill": worker.kill,
                "pause": partial(worker.pause, fault.seconds),
                "stop": worker.stop,
                "cut": partial(broker.network.cut, worker.lane, fault.seconds),
            }
            worker.befall(fault, blows[fault.kind])
            if fault.kind in ("kill", "stop") and len(self.workers) < 5:
                loop.later(fault.seconds, self.add)

    def _up(self) -> None:
        if not self.broker.network.up:
            self.broker.back()

    def _calm(self) -> None:
        if not self._peace:
            self.broker.network.weather = self.plan.weather

    def _compact(self) -> None:
        """Compaction's promise: a row behind a greater one is corrected before the lag is over."""
        for number in range(self.plan.partitions):
            if self.oracle.stale(number):
                continue
            self.broker.log(TopicPartition(self.settings.changelog_topic, number)).compact(
                self.loop.time() - LAG
            )

    def _make_peace(self) -> None:
        self._peace = True
        self.note("peace")
        self.broker.network.weather = Weather()
        self.broker.network.mend()
        self._up()
        for worker in self.workers:
            worker.lane.stop_at = worker.blow = None
            worker.lane.free_at = self.loop.time()
        if not any(not worker._stopping for worker in self.workers):
            self.add()
        self._look()

    def _ended(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if worker.reason is not None:
            self.verdict.exits += 1
            if not isinstance(worker.reason, DeliveryFailedError | BrokerUnreachableError):
                self.violated(f"{worker.name} ended: {worker.reason!r}")
            self.loop.later(0.5, self.add)
        elif self._peace and not self.workers:
            self.add()

    def _forget(self) -> None:
        for worker in self._all:
            if worker.service is not None:
                self.verdict.counts.update(worker.service.counts.snapshot())
        self.loop.forget()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what they would still do is never awaited
            for lane in [self.loop.world, *(worker.lane for worker in self._all)]:
                for task in lane.tasks:
                    with suppress(BaseException):
                        task.get_coro().close()


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines, no waiting for a disk, and no garbage collection but between schedules."""
    disabled, collecting = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()
    gc.freeze()
    try:
        with (
            mock.patch("streams.process.memory.gc"),
            mock.patch("streams.changelog.checkpoint_file.os.fsync"),
        ):
            yield
    finally:
        logging.disable(disabled)
        if collecting:
            gc.enable()
        gc.unfreeze()
        gc.collect()


def simulate(seed: int, guarantee: Guarantee) -> Verdict:
    """Run one schedule."""
    if not seed % COLLECTED_EVERY:
        gc.collect()
    plan = schedule(seed, guarantee)
    with mock.patch.object(Delivery, "batch_bytes", HEADER_BYTES + plan.batch_outputs * EVENT_BYTES):
        return World(plan).run()
