"""What a story has at hand: workers to start and to hurt, the load, the broker, and waits with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any, Self

from aiokafka import TopicPartition

from models.memory.rows import CLOCK_KEY
from streams.changelog.framing import LatestRows
from streams.kafka.topics import OUTPUTS
from tests.support.kafka.cluster import Cluster, Job
from tests.verification.proof.oracle import Found, Replay
from tests.verification.proof.reading import log_starts, read_all
from tests.verification.proof.watch import Watch
from tests.verification.proof.worker import FailingLedger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Callable, Collection, Sequence
    from pathlib import Path

    from models.ledger.ledger import Ledger
    from models.settings import LedgerSettings
    from streams.settings.settings import Settings
    from tests.verification.proof.load import Load
    from tests.verification.proof.oracle import Outcome
    from tests.verification.proof.scenario import Guarantee

    Worker = subprocess.Popen[bytes]

EARLY = (-signal.SIGTERM, 128 + signal.SIGTERM)
"""Exit statuses of a process that was told to end before it had begun to listen, or while it made topics."""

OPENED = "goes on at offset"
"""What a worker says when it begins to read a partition."""

HAND_OVER_SECONDS = 0.0005
"""After how long a replay lets the load and the watch go on that share the process with it."""

END_SECONDS = 20.0
"""How long a worker that was told to end may take; it promises ten."""


def failing_ledger(settings: LedgerSettings, partition: int, partitions: int) -> Ledger:
    """The ledger that the proof's workers run."""
    return FailingLedger(settings, partition=partition, partitions=partitions)


JOB = Job(program=("tests.verification.proof.worker", "worker"), ledger=failing_ledger)


class Stage(Cluster):
    """One run's service on its broker.

    Args:
        settings: of the service, its topics named as in no other run.
        folder: where the workers' logs go.
        guarantee: the run's.
        broker: what the scenario asked for: one node, or three.
        load: of the run, not started yet.
        say: prints a line of the schedule.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        guarantee: Guarantee,
        broker: Any,
        load: Load,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(settings, folder, JOB)
        self.folder = folder
        self.guarantee = guarantee
        self.broker = broker
        self.load = load
        self.faults = 0
        """How many there were."""
        self.judged = True
        """Whether the oracle has a say; a story that ends with a worker that refuses to go on may set it."""
        self.broken: list[str] = []
        """What a worker did that nobody had asked for."""
        self._say = say
        self._expected: set[Worker] = set()
        self._replays: list[Replay] = []
        self._greatest = [LatestRows() for _ in range(settings.partitions)]
        self._copies = [Found() for _ in range(settings.partitions)]
        self._read_until: dict[str, dict[int, int]] = {}
        """By topic and partition the offset at which to read on what came out."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.watch = Watch(self.settings, self.load)
        await self.watch.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.load.close()
        await self.watch.__aexit__(*error)
        await super().__aexit__(*error)

    # --- workers --------------------------------------------------------------------------------------------

    def start(self, *, slow_ms: int = 0, block_ms: int = 0, **environment: str) -> Worker:
        """Start a worker.

        Args:
            slow_ms: how long its agent waits inside every batch.
            block_ms: how long every batch holds up the process.
            environment: more variables, such as `KAFKA_BROKER=proxy.address`; they win over the settings.
        """
        slowed = {"SLOW_MS": slow_ms, "BLOCK_MS": block_ms}
        return self.start_worker(**{name: str(ms) for name, ms in slowed.items() if ms}, **environment)

    @property
    def running(self) -> list[Worker]:
        """The workers that live and were not told to end, in the order in which they were started."""
        return [worker for worker in self.workers if worker not in self._expected and worker.poll() is None]

    def number(self, worker: Worker) -> int:
        """The how-manieth worker it is, for the schedule."""
        return self.workers.index(worker)

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        self._expected.add(worker)
        self.fault(f"SIGKILL of worker {self.number(worker)}")
        worker.kill()
        worker.wait()

    def stop(self, worker: Worker) -> None:
        """SIGSTOP: it stands still in the middle of whatever it does."""
        self.fault(f"SIGSTOP of worker {self.number(worker)}")
        worker.send_signal(signal.SIGSTOP)

    def go_on(self, worker: Worker) -> None:
        """SIGCONT."""
        self.note(f"SIGCONT of worker {self.number(worker)}")
        worker.send_signal(signal.SIGCONT)

    async def term(self, worker: Worker) -> None:
        """SIGTERM, and wait for a clean end; one that had no partition yet may end as the signal says."""
        self.fault(f"SIGTERM of worker {self.number(worker)}")
        self._expected.add(worker)
        worker.send_signal(signal.SIGTERM)
        await self.until(lambda: worker.poll() is not None, END_SECONDS, "a worker ends that was told to")
        if worker.poll() not in EARLY or OPENED in self._said(worker):
            await self.ends(worker, 0)

    async def ends(
        self, worker: Worker, status: int | Collection[int], line: str = "", seconds: float = END_SECONDS
    ) -> str:
        """Wait until a worker ends, as it should: with this status and, unless that is 0, one clear line.

        Args:
            worker: that ends.
            status: its exit status, or those that it may have.
            line: words of the line that begins with `The worker ends:`.
            seconds: it may take.

        Returns:
            That line; empty for one that was told to end.

        Raises:
            AssertionError: it does not end, or not so.
        """
        self._expected.add(worker)
        await self.until(lambda: worker.poll() is not None, seconds, f"worker {self.number(worker)} ends")
        said, allowed = self._said(worker), (status,) if isinstance(status, int) else status
        ended = f"worker {self.number(worker)} ended with {worker.poll()}:\n{said[-3_000:]}"
        assert worker.poll() in allowed, ended
        assert "Traceback" not in said, said[-3_000:]
        if worker.poll() == 0:
            return ""
        endings = [each for each in said.splitlines() if "The worker ends:" in each]
        assert len(endings) == 1, endings
        assert line in endings[0], endings[0]
        return endings[0]

    async def at_work(self, worker: Worker, seconds: float = 60) -> None:
        """Wait until a worker reads a partition."""
        await self.until(lambda: OPENED in self._said(worker), seconds, "a worker has a partition")

    def _said(self, worker: Worker) -> str:
        return self.log_of(self.number(worker)).read_text(errors="replace")

    @property
    def worker_exits(self) -> int:
        """How many workers ended although nobody had asked them to."""
        return sum(worker.poll() is not None for worker in self.workers if worker not in self._expected)

    def end_all(self) -> None:
        """SIGKILL for all that live: what is to be compared is on the broker."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()

    # --- the schedule ---------------------------------------------------------------------------------------

    def fault(self, what: str) -> None:
        """Say that something is broken now; standing still counts from here."""
        self.faults += 1
        self.note(what)
        self.watch.measure_from_now()

    def mended(self, what: str) -> None:
        """Say that something works again; standing still counts from here anew."""
        self.note(what)
        self.watch.measure_from_now()

    def away(self, what: str) -> None:
        """Say that something is taken away without which nothing can move: nothing counts until `mended`."""
        self.faults += 1
        self.note(what)
        self.watch.measure_no_more()

    def note(self, what: str) -> None:
        """A line of the schedule; two runs of one seed have the same."""
        self._say(what)

    # --- waiting --------------------------------------------------------------------------------------------

    async def applied(self) -> int:
        """How many events the clock rows account for."""
        return self.watch.applied

    async def until_applied(self, least: int, seconds: float = 60) -> None:
        """Wait until so many events are accounted for; the time starts when they should be in the log."""
        least = min(least, self.load.events)
        unwritten = max(0, least - self.load.written) / self.load.rate
        await super().until_applied(least, unwritten + seconds)

    async def pause(self, seconds: float) -> None:
        """Let so much time pass."""
        self.note(f"{seconds:.2f} s pass")
        await asyncio.sleep(seconds)

    # --- the end --------------------------------------------------------------------------------------------

    async def settled(self, seconds: float) -> None:
        """Wait until the load is written and every clock row is the one that the oracle says.

        Raises:
            AssertionError: they did not.
        """
        await self.load.finish()
        ends = self.load.ends
        await self.until(
            lambda: all(self.watch.positions[number] >= end for number, end in ends.items()),
            seconds,
            f"the end of the log ({ends} events, {self.watch.positions} applied)",
        )
        await self.outcomes()

        async def settled() -> bool:
            outcomes = await self.outcomes()  # again: events that were sent on arrive late
            return all(
                self.watch.clocks.get(number) == outcome.rows.get(CLOCK_KEY)
                for number, outcome in enumerate(outcomes)
            )

        await self.until(settled, seconds, "the clock rows of the replay")

    async def outcomes(self) -> list[Outcome]:
        """What the log comes to, as it stands; what was replayed before is not replayed again."""
        settings = self.settings
        if not self._replays:
            for number in range(settings.partitions):
                ledger = self.job.ledger(settings.ledger, number, settings.partitions)
                self._replays.append(Replay(settings, number, ledger))
        positions = {replay.partition: replay.position for replay in self._replays}
        async for number, raws in read_all(self._reader, settings.purchases_topic, positions):
            await asyncio.to_thread(self._replays[number].take, raws)
        for replay in self._replays:
            place = TopicPartition(settings.purchases_topic, replay.partition)
            replay.position = await self._reader.position(place)
        return [await asyncio.to_thread(replay.finish) for replay in self._replays]

    @contextlib.asynccontextmanager
    async def followed(self, every: float) -> AsyncIterator[None]:
        """Replay the log and read what comes out while both grow: at the end little is left to be read.

        Args:
            every: so many seconds.
        """
        over = asyncio.Event()
        sys.setswitchinterval(HAND_OVER_SECONDS)

        async def follow() -> None:
            while not over.is_set():
                await self.outcomes()
                await self._read_on()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), every)

        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            try:
                yield
            finally:
                over.set()  # not cancelled: a replay in a thread would go on

    async def rows_kept(self) -> tuple[int, int]:
        """How many rows of all changelogs a broker still has, and how many offsets they take."""
        topic, partitions = self.settings.changelog_topic, range(self.settings.partitions)
        starts = await log_starts(self._reader, topic, partitions)
        kept = sum([len(rows) async for _, rows in read_all(self._reader, topic, starts)])
        return kept, sum([await self._reader.position(TopicPartition(topic, each)) for each in partitions])

    async def found(self) -> list[Found]:
        """What is on the broker, read from the first record by a consumer that reads what is committed."""
        await self._read_on()
        pairs = zip(self._greatest, self._copies, strict=True)
        return [Found(greatest.rows, there.copies) for greatest, there in pairs]

    async def _read_on(self) -> None:
        """Read what came out since the last time."""
        settings = self.settings
        for topic in (settings.changelog_topic, *map(settings.topic, OUTPUTS), settings.dead_letters_topic):
            takers: Sequence[LatestRows | Found] = (
                self._greatest if topic == settings.changelog_topic else self._copies
            )
            if topic not in self._read_until:
                self._read_until[topic] = await log_starts(self._reader, topic, range(settings.partitions))
            until = self._read_until[topic]
            async for number, records in read_all(self._reader, topic, until):
                takers[number].take(records)
            for number in until:
                until[number] = await self._reader.position(TopicPartition(topic, number))
