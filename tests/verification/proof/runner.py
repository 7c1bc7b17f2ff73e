"""Runs scenarios: each run on its broker, with its load and its faults, and then the oracle."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
import traceback
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.errors import KafkaUnavailableError
from streams.settings.settings import Settings
from tests.verification.proof.brokers import Brokers, configure_topics, remove_topics
from tests.verification.proof.load import Load
from tests.verification.proof.oracle import Verdict, Written, compare
from tests.verification.proof.plan import Plan
from tests.verification.proof.report import Finished
from tests.verification.proof.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.verification.proof.report import Report
    from tests.verification.proof.scenario import Guarantee, Scenario

SESSIONS_MS = (2_000, 3_000, 4_000, 6_000)
"""Session timeouts that runs draw from."""
SETTLE_SECONDS = 60.0
"""How long the workers may take for what is left when the story is told."""


class Run(NamedTuple):
    """One run that is to be made."""

    scenario: Scenario
    guarantee: Guarantee
    seed: int
    number: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What tells it from all others."""
        return (self.scenario.name, self.guarantee, self.seed, self.number)

    def finished(self, **results: Any) -> Finished:
        """What it came to."""
        name, guarantee, seed, number = self.key
        return Finished(name=name, guarantee=guarantee, seed=seed, number=number, **results)

    @property
    def name(self) -> str:
        """For people."""
        guarantee = self.guarantee.replace("_", " ")
        return f"{self.scenario.name}, {guarantee}, run {self.number} of seed {self.seed}"


def planned(
    chosen: Iterable[Scenario],
    guarantees: Sequence[Guarantee],
    *,
    seed: int,
    report: Report,
    most: int | None = None,
) -> list[Run]:
    """The runs that are missing in a report, the first of every scenario before the second of any."""
    done = {run.key for run in report.finished}
    runs = [
        Run(scenario, guarantee, seed, number)
        for scenario in chosen
        for number in range(scenario.runs if most is None else most)
        for guarantee in scenario.guarantees
        if guarantee in guarantees
    ]
    missing = (run for run in runs if run.key not in done)
    return sorted(missing, key=lambda run: (run.number, run.scenario.broker))


@dataclass
class Runner:
    """Makes runs.

    Args:
        brokers: where.
        say: prints a line.
    """

    brokers: Brokers
    say: Callable[[str], None]

    async def run(self, run: Run) -> Finished:
        """Make one run; whatever goes wrong is in the result, and the other runs go on.

        Raises:
            KafkaUnavailableError: Java or Maven is missing.
        """
        try:
            return await self._run(run)
        except KafkaUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is
            return run.finished(failure=f"it could not be made: {error!r}"[:300])

    async def _run(self, run: Run) -> Finished:
        scenario = run.scenario
        folder = Path(tempfile.mkdtemp(prefix="cartpulse-proof-"))
        # One schedule for both guarantees.
        chance = random.Random(f"{run.seed} {scenario.name} {run.number}")
        started, schedule = time.monotonic(), list[str]()

        def say(line: str) -> None:
            schedule.append(line)
            self.say(f"  {time.monotonic() - started:5.1f} s  {line}")

        broker = await self.brokers.of(scenario)
        settings = service(run, broker.address, chance)
        say(f"session {settings.session_timeout_ms} ms, {settings.partitions} partitions")
        plan = Plan(settings, seed=str(chance.random()), events=scenario.events, days=scenario.days)
        load = Load(settings, plan, rate=scenario.rate, transactions=scenario.transactions)
        stage = Stage(settings, folder, guarantee=run.guarantee, broker=broker, load=load, say=say)
        async with stage:
            await configure_topics(settings, scenario.topics)
            failure = await self._told(stage, run, chance)
            exits = stage.worker_exits
            stage.watch.finish()
            stage.end_all()
            verdict = Verdict()
            if stage.judged:
                verdict, failure = await _judged(stage, failure, scenario.seconds)
        await remove_topics(settings)
        finished = run.finished(
            events=sum(load.copies.values()),
            lost=verdict.lost,
            counted_twice=verdict.counted_twice,
            outputs_missing=verdict.outputs_missing,
            outputs_repeated=verdict.outputs_repeated,
            customers_differing=verdict.customers_differing,
            longest_stall_seconds=round(stage.watch.longest_stall, 2),
            worker_exits=exits,
            faults=stage.faults,
            seconds=round(time.monotonic() - started, 1),
            slow=_too_slow(run, settings, stage),
            failure=failure,
            kept=str(folder),
        )
        if not finished.clean:
            self.brokers.discard(broker, into=folder)
        found = {"schedule": schedule, "details": verdict.details, "stalls": stage.watch.stalls}
        return self._keep(finished, folder, found)

    async def _told(self, stage: Stage, run: Run, chance: random.Random) -> str | None:
        """Tell the story and wait until all is applied; the answer is what went wrong."""
        deadline = 4 * run.scenario.seconds + 60
        try:
            async with asyncio.timeout(deadline):
                await run.scenario.story(stage, chance)
                if stage.judged:
                    await stage.settled(SETTLE_SECONDS)
        except TimeoutError:
            return f"it hung: not over after {deadline:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
            text = "".join(traceback.format_exception(error))
            (stage.folder / "failure.txt").write_text(text, encoding="utf-8")
            return f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return None

    def _keep(self, run: Finished, folder: Path, found: Mapping[str, Any]) -> Finished:
        """Of a clean run nothing is kept; of another, or a slow one, logs, schedule and findings."""
        if run.clean and run.slow is None:
            shutil.rmtree(folder)
            return replace(run, kept=None)
        text = json.dumps({"run": vars(run), **found}, indent=1)
        (folder / "found.json").write_text(text, encoding="utf-8")
        return run


def service(run: Run, address: str, chance: random.Random) -> Settings:
    """The settings of a run, its names used by no other."""
    own = uuid.uuid4().hex[:12]
    given: dict[str, Any] = {
        "kafka_broker": address,
        "application": f"proof-{own}",
        "topic_prefix": f"{own}.",
        "partitions": 4,
        "session_timeout_ms": chance.choice(SESSIONS_MS),
        "batch_records": 200,
        "sweep_limit": 100,
        "web_port": 0,
        "log_format": "console",
        "clock": "log",
        "delivery_guarantee": run.guarantee,
        "replication_factor": 3 if run.scenario.broker == "cluster" else 1,
    }
    return Settings.model_validate(given | dict(run.scenario.settings))


async def _judged(stage: Stage, failure: str | None, seconds: float) -> tuple[Verdict, str | None]:
    """What the oracle says, of a run that failed too; a run of so many seconds takes time to read."""
    try:
        async with asyncio.timeout(2 * SETTLE_SECONDS + seconds):
            outcomes = await stage.outcomes()
            found = await stage.found()
    except Exception as error:  # noqa: BLE001 - the run has failed, whatever it is
        return Verdict(), failure or f"nothing could be compared: {error!r}"[:300]
    written = Written(stage.load.copies, frozenset(stage.load.in_doubt))
    exactly_once = stage.guarantee == "exactly_once"
    # In a thread: after an hour it takes a minute, in which no client would be answered.
    return await asyncio.to_thread(compare, outcomes, found, written, exactly_once=exactly_once), failure


def _too_slow(run: Run, settings: Settings, stage: Stage) -> str | None:
    if run.scenario.stall is None:
        return None
    most = settings.session_timeout_ms / 1_000 + run.scenario.stall
    if stage.watch.longest_stall <= most:
        return None
    return f"a partition stood still for {stage.watch.longest_stall:.1f} s; {most:g} s are promised"
