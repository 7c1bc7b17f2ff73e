"""Workers as processes on a real broker, and the oracle that says what they should have made of the log.

The oracle is a replay of the purchases read back from the broker through the same decoder and ledger, in one
process and with no engine. Whatever happened to the workers: the greatest row of every key is the replay's,
every output of the replay is there, no other is, and all copies of one id are equal.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.memory.rows import CLOCK_KEY, header
from models.records.decoder import Decoder
from models.replay.steps import advance_through, finish_sweep
from streams.brokers.embedded import end_with_parent
from streams.changelog.framing import LatestRows
from streams.changelog.recovery import read_to_end
from streams.kafka.closing import close
from streams.kafka.options import consumer_options, producer_options
from streams.kafka.topics import OUTPUTS, create_topics
from streams.partition.run_queue import raw_of
from streams.settings.settings import variable
from tests.support.ledgers.counting import CountingLedger
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from models.settings import LedgerSettings
    from streams.flow import LedgerLike
    from streams.settings.settings import Settings


@dataclass(frozen=True)
class Job:
    """What the workers run, and how a replay of it is made."""

    program: tuple[str, ...] = ("tests.support.ledgers.counting_worker",)
    ledger: Callable[[LedgerSettings, int, int], LedgerLike] = lambda _, *place: CountingLedger(*place)


@dataclass
class Outcome:
    """What one partition comes to."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    outputs: dict[bytes, set[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(set))
    """ce_id to its different (topic, key, value, headers): one each."""


class Cluster:
    """A service on a broker: its topics and its workers.

    Args:
        settings: of the service.
        folder: where the workers' logs go, and their current directory.
        job: what they run.
    """

    def __init__(self, settings: Settings, folder: Path, job: Job | None = None) -> None:
        self.settings = settings
        self.job = job or Job()
        self.workers: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self._looked_at: dict[int, tuple[LatestRows, int]] = {}

    async def __aenter__(self) -> Self:
        await create_topics(self.settings)
        self._reader = AIOKafkaConsumer(**consumer_options(self.settings))
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await close(self._reader)
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
                worker.wait()

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker with the service's settings."""
        settings = self.settings.model_dump(exclude_defaults=True, mode="json")
        given = {variable(name): str(value) for name, value in settings.items()}
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith(("CARTPULSE_", "KAFKA_"))
        }
        with self.log_of(len(self.workers)).open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", *self.job.program],
                env={**kept, **given, "PYTHONPATH": str(ROOT), **environment},
                cwd=self._folder,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 (it makes two system calls and takes no lock)
            )
        self.workers.append(worker)
        return worker

    def log_of(self, number: int) -> Path:
        """Where a worker writes its log."""
        return self._folder / f"worker-{number}.log"

    def logs(self) -> str:
        """What all workers said, for a test that fails."""
        texts = (self.log_of(number).read_text()[-6_000:] for number in range(len(self.workers)))
        return "\n---\n".join(texts)

    def logs_whole(self) -> str:
        """All that the workers said, from the first line on."""
        return "\n".join(self.log_of(number).read_text() for number in range(len(self.workers)))

    async def applied(self) -> int:
        """How many purchases the changelog accounts for."""
        total = 0
        for partition in range(self.settings.partitions):
            rows = await self._rows(partition)
            if CLOCK_KEY in rows:
                total += header(rows[CLOCK_KEY]).offset + 1
        return total

    async def until_applied(self, least: int, seconds: float = 30) -> None:
        """Wait until so many purchases are accounted for."""
        await self.until(lambda: self._applied_at_least(least), seconds, f"{least} purchases applied")

    async def until(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        """Wait for a condition, a coroutine function or not, with a deadline."""
        deadline = time.monotonic() + seconds
        while True:
            answer = condition()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.logs()}"
            await asyncio.sleep(0.05)

    async def until_settled(self, seconds: float = 40) -> None:
        """Wait until the changelog holds what the oracle says, and compare everything with it."""
        exactly_once = self.settings.delivery_guarantee == "exactly_once"
        wanted = [await self.replay(partition) for partition in range(self.settings.partitions)]
        await self.until(lambda: self._clocks_are(wanted), seconds, "the clock rows of the replay")
        for partition, oracle in enumerate(wanted):
            assert await self._rows(partition) == oracle.rows
            outputs = await self._outputs(partition)
            assert outputs.keys() == oracle.outputs.keys()
            assert outputs == oracle.outputs
            assert not exactly_once or len(await self._sent(partition)) == len(outputs)

    async def outputs(self) -> int:
        """How many different outputs there are."""
        partitions = range(self.settings.partitions)
        return sum([len(await self._outputs(partition)) for partition in partitions])

    async def changelog_ends(self) -> list[int]:
        """The end of each partition of the changelog."""
        ends = []
        for partition in range(self.settings.partitions):
            changelog = TopicPartition(self.settings.changelog_topic, partition)
            async for _ in read_to_end(self._reader, changelog, 0):
                pass
            ends.append(await self._reader.position(changelog))
        return ends

    async def dead_letters(self) -> list[Any]:
        """All of them."""
        letters: list[Any] = []
        for partition in range(self.settings.partitions):
            topic = TopicPartition(self.settings.dead_letters_topic, partition)
            async for records in read_to_end(self._reader, topic, 0):
                letters += records
        return letters

    async def command(self, command: dict[str, object], *, answers: bool = True) -> Any:
        """Tell the workers something, again until one answers: they hear what is sent once they listen."""
        producer = AIOKafkaProducer(**producer_options(self.settings, idempotent=False))
        await producer.start()
        topic = TopicPartition(self.settings.commands_topic, 0)
        try:
            for _ in range(40):
                told = await producer.send_and_wait(topic.topic, json.dumps(command).encode(), partition=0)
                if not answers:
                    return None
                await asyncio.sleep(0.5)
                for partition in range(self.settings.partitions):
                    place = TopicPartition(topic.topic, partition)
                    async for records in read_to_end(self._reader, place, 0):
                        for record in records:
                            said = json.loads(record.value)
                            if "answer" in said and (partition or record.offset > told.offset):
                                return said
        finally:
            await producer.stop()
        raise AssertionError(f"no answer to {command}\n{self.logs()}")

    async def replay(self, partition: int) -> Outcome:
        """What one partition's purchases come to."""
        decoder, outcome = Decoder(self.settings.ledger), Outcome()
        ledger = self.job.ledger(self.settings.ledger, partition, self.settings.partitions)
        source = TopicPartition(self.settings.purchases_topic, partition)
        async for raws in read_to_end(self._reader, source, 0):
            records, _ = decoder.decode([raw_of(raw) for raw in raws])
            for changes in advance_through(ledger, records, sweep_limit=1_000):
                self._collect(outcome, changes)
        for changes in finish_sweep(ledger, sweep_limit=1_000):
            self._collect(outcome, changes)
        return outcome

    def _collect(self, outcome: Outcome, changes: Any) -> None:
        outcome.rows.update(changes.rows)
        for output in changes.outputs:
            topic = self.settings.topic(output.topic)
            outcome.outputs[_id(output.headers)].add((topic, output.key, output.value, tuple(output.headers)))

    async def _applied_at_least(self, least: int) -> bool:
        return await self.applied() >= least

    async def _clocks_are(self, wanted: list[Outcome]) -> bool:
        for partition, oracle in enumerate(wanted):
            if (await self._rows(partition)).get(CLOCK_KEY) != oracle.rows[CLOCK_KEY]:
                return False
        return True

    async def _rows(self, partition: int) -> dict[bytes, bytes]:
        """The greatest rows; only what was written since the last look is read."""
        changelog = TopicPartition(self.settings.changelog_topic, partition)
        greatest, read = self._looked_at.get(partition, (LatestRows(), 0))
        async for records in read_to_end(self._reader, changelog, read):
            greatest.take(records)
            read = records[-1].offset + 1
        self._looked_at[partition] = greatest, read
        return greatest.rows

    async def _outputs(self, partition: int) -> dict[bytes, set[tuple[Any, ...]]]:
        found: dict[bytes, set[tuple[Any, ...]]] = defaultdict(set)
        for record in await self._sent(partition):
            found[_id(record.headers)].add((record.topic, record.key, record.value, tuple(record.headers)))
        return found

    async def _sent(self, partition: int) -> list[Any]:
        """The records of all output topics, copies too."""
        sent: list[Any] = []
        for name in OUTPUTS:
            topic = TopicPartition(self.settings.topic(name), partition)
            async for records in read_to_end(self._reader, topic, 0):
                sent += records
        return sent


def _id(headers: Iterable[tuple[str, bytes]]) -> bytes:
    return next(content for name, content in headers if name == "ce_id")
