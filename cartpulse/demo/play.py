"""Demonstration from beginning to end: start a broker and workers, replay, listen, measure, judge."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cartpulse.demo import latency, state
from cartpulse.demo.clocks import WorkerProgress, follow
from cartpulse.demo.listener import Listener
from cartpulse.demo.next_trips import Trips, judge_next_trips
from cartpulse.demo.outcomes import PurchaseDays, judge, score
from cartpulse.demo.report import Report, too_short
from cartpulse.demo.stage import Stage
from cartpulse.demo.stories import Story, stories
from models.settings import CategoryClass
from models.state.calendar import calendar_of
from streams.errors import BrokerUnreachableError
from streams.kafka.options import idempotence, producer_options
from streams.sources.complete_journey import CompleteJourney, Level
from streams.sources.sender import RecordSender
from streams.sources.ticks import with_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cartpulse.demo.latency import Latency
    from cartpulse.demo.received import Alert
    from cartpulse.demo.state import Known
    from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Replayed:
    """Result of the replay."""

    seconds: float
    """Seconds from the first send until the state accounted for the last record."""
    baskets_per_second: float
    """Baskets per second from the first look that saw a worker at work until the end. The start does not
    count."""
    ended_at: int
    """Event time of the last record, ms since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements beside the outputs."""

    replayed: Replayed
    known: Known
    latency: Latency


@dataclass(slots=True)
class Activity:
    """Present activity of the demonstration, in words."""

    text: str = "starting"


@dataclass(frozen=True, slots=True)
class Play:
    """One run of the demonstration.

    Args:
        console: Console on which to show the progress.
        began: Time on the monotonic clock at which the command began.
        days: Number of first days of the year to replay; None for all.
        speed: Event days per second; None for full speed.
        partitions: Number of partitions of every topic.
        workers: Number of workers that share the partitions.
        latency_seconds: Length of the latency pass in seconds; 0 leaves it out.
        level: Level of the name that goes into `category`.
        broker: Running broker, `host:port`; None starts a local one.
    """

    console: Console
    began: float
    days: int | None
    speed: float | None
    partitions: int
    workers: int
    latency_seconds: float
    broker: str | None = None
    level: Level = "category"
    _doing: Activity = field(default_factory=Activity, init=False)

    def sign(self) -> str:
        """Describe the progress in a line, for people who see no progress bar."""
        return f"  {time.monotonic() - self.began:.0f} s: {self._doing.text}"

    async def run(self) -> tuple[Report, list[Story]]:
        """Run the demonstration. Whatever happens, everything that was started is ended.

        Returns:
            Figures, and stories about customers.

        Raises:
            CartpulseError: Something could not be started, or ended too soon.
        """
        workers = "a worker" if self.workers == 1 else f"{self.workers} workers"
        started = workers if self.broker else f"a local broker and {workers}"
        self.console.print(f"Starting {started}, reading a year of purchases ...")
        if self.days is not None and (short := too_short(self.days)):
            self.console.print(short, highlight=False)
        loading = asyncio.ensure_future(asyncio.to_thread(CompleteJourney, level=self.level, days=self.days))
        async with Stage(partitions=self.partitions, workers=self.workers, broker=self.broker) as stage:
            source = await loading
            try:
                return await stage.guard(self._play(stage.settings, source))
            except KafkaError as error:
                raise BrokerUnreachableError(f"The broker did not answer as it should: {error!r}") from error

    async def _play(self, settings: Settings, source: CompleteJourney) -> tuple[Report, list[Story]]:
        async with Listener(settings) as listener:
            replayed = await self._replay(settings, source, listener)
            await listener.drained()
            positions = await listener.positions(settings.topic("segment-changes"))
        self._doing.text = "reading the state back"
        known = await state.recover(settings)
        if self.latency_seconds:
            self._doing.text = "measuring the latency"
            self.console.print(
                f"Measuring the latency at {latency.PER_SECOND:,} purchases a second for "
                f"{self.latency_seconds:g} s ..."
            )
            gc.freeze()  # no collection walks the records read so far while the clock runs
            measured = await latency.measure(
                settings, start=replayed.ended_at + 1, positions=positions, seconds=self.latency_seconds
            )
        else:
            measured = latency.Latency(0, 0, None, None)
        self._doing.text = "judging what came out"
        # In a thread, so that the loop can react to Ctrl-C.
        taken = Measured(replayed, known, measured)
        return await asyncio.to_thread(self._judge, settings, source, listener, taken)

    async def _replay(self, settings: Settings, source: CompleteJourney, listener: Listener) -> Replayed:
        # Stage 1: a progress bar of what the state accounts for, and not of what was sent.
        columns = (
            BarColumn(bar_width=20),
            TextColumn(
                "{task.completed:,.0f} baskets, {task.fields[alerts]:,} alerts, "
                "{task.fields[changes]:,} segment changes"
            ),
            TimeElapsedColumn(),
        )
        producer = AIOKafkaProducer(**producer_options(settings, idempotent=await idempotence(settings)))
        sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with Progress(*columns, console=self.console) as progress:
            bar = progress.add_task("", total=len(source), alerts=0, changes=0)

            looks: list[tuple[float, int]] = []

            def report(standing: WorkerProgress) -> None:
                received = listener.received
                if standing.accounted:
                    looks.append((time.monotonic(), standing.accounted))
                done = min(standing.accounted, len(source))
                self._doing.text = f"{done:,} of {len(source):,} baskets, {len(received.alerts):,} alerts"
                progress.update(
                    bar,
                    completed=done,
                    alerts=len(received.alerts),
                    changes=len(received.changes),
                )

            # Stage 2: the progress is followed before the first record is sent, and until the state has the
            # last one.
            await producer.start()
            following = asyncio.ensure_future(follow(settings, sent, report))
            started = time.monotonic()
            try:
                replay = RecordSender(producer, settings, days_per_second=self.speed)
                done = await replay.send(with_ticks(source, settings.ledger))
                sent.set_result(done.purchases + done.ticks)
                await following
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await producer.stop()
        seconds = time.monotonic() - started
        return Replayed(seconds, rate(looks) or done.purchases / seconds, done.occurred_at)

    def _judge(
        self,
        settings: Settings,
        source: CompleteJourney,
        listener: Listener,
        measured: Measured,
    ) -> tuple[Report, list[Story]]:
        # Stage 1: alerts against the purchases that followed.
        received, accounting = listener.received, source.accounting
        replayed, known, speed = measured.replayed, measured.known, measured.latency
        truth = purchase_days(source, settings)
        days_of = cache(truth.of)

        def days(alert: Alert) -> list[int]:
            return days_of(int(alert.customer_id), alert.category)

        verdicts = [
            judge(
                alert,
                days(alert),
                truth.last_day,
                lead=settings.alert_lead_days,
                grace=settings.alert_grace_days,
            )
            for alert in received.alerts
        ]
        hits = score(verdicts)
        states = received.states()
        # Stage 2: recommendations against the next trips.
        calendar = calendar_of(settings.ledger)
        next_trips = judge_next_trips(
            trips(source, settings), received.recommended, lambda day: calendar.start(day) / 1000
        )
        # Stage 3: the account of baskets. Every basket of the data is applied, refused, left out by a rule,
        # or lost.
        dead = sum(received.dead_letters.values())
        report = Report(
            baskets=accounting.baskets,
            applied=known.baskets,
            dead_letters=dead,
            left_out=accounting.left_out,
            lost=accounting.baskets - known.baskets - dead - sum(accounting.left_out.values()),
            customers=known.customers,
            alerts=states["raised"],
            alerts_fulfilled=states["fulfilled"],
            alerts_missed=states["missed"],
            alerts_withdrawn=states["withdrawn"],
            alert_hit_share=hits.hit_share,
            baseline_hit_share=hits.rhythm_hit_share,
            baseline_updated_hit_share=hits.rhythm_updated_hit_share,
            alerts_judged=hits.cycles,
            lists=received.lists,
            listed_bought_share=received.listed_bought / received.listed if received.listed else None,
            recommendations=received.recommendations,
            recommendation_hit_share=next_trips.hit_share,
            popular_hit_share=next_trips.popular_hit_share,
            recommendations_judged=next_trips.trips,
            segment_changes=len(received.changes),
            cluster_changes=received.clusters,
            dead_letters_by_reason=received.dead_letters,
            copies=received.copies,
            seconds=replayed.seconds,
            baskets_per_second=replayed.baskets_per_second,
            latency_ms_p50=speed.p50,
            latency_ms_p99=speed.p99,
            latency_purchases=speed.purchases,
            latency_unanswered=speed.unanswered,
            first_alert_seconds=None if listener.first_alert is None else listener.first_alert - self.began,
            total_seconds=time.monotonic() - self.began,
            days=truth.last_day - truth.first_day + 1,
            partitions=self.partitions,
            workers=self.workers,
        )
        return report, stories(received, verdicts, days)


def rate(looks: Sequence[tuple[float, int]]) -> float | None:
    """Return records per second between the first and the last look; None where the looks are too close.

    Args:
        looks: (time in seconds, records accounted for by then) of each look.
    """
    if len(looks) < 2 or looks[-1][0] - looks[0][0] < 1:
        return None
    return (looks[-1][1] - looks[0][1]) / (looks[-1][0] - looks[0][0])


def trips(source: CompleteJourney, settings: Settings) -> Trips:
    """Return the purchases of consumed categories by business day, from the source."""
    lines, ledger = source.lines(), settings.ledger
    consumed = np.array([ledger.class_of(name) is not CategoryClass.NOT_CONSUMED for name in lines.names])
    days = calendar_of(ledger).days(lines.instants)
    kept = consumed[lines.categories]
    columns = np.stack([days[kept], lines.households[kept], lines.categories[kept]], axis=1)
    found = np.unique(columns, axis=0)
    return Trips(found[:, 1], found[:, 2], found[:, 0], lines.names)


def purchase_days(source: CompleteJourney, settings: Settings) -> PurchaseDays:
    """Return which customer bought from which category on which business day, from the source."""
    lines = source.lines()
    days = calendar_of(settings.ledger).days(lines.instants)
    return PurchaseDays(lines.households, lines.categories, days, lines.names)
