"""One owned partition, with what a worker does for it once a second."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.structs import TopicPartition

from models.settings import LedgerSettings
from models.state.clock_row import ClockRow
from streams.delivery.lease import Epoch, Lease
from streams.delivery.outbox import Outbox
from streams.engine.status_reporter import StatusReporter
from streams.engine.tick_writer import TickWriter
from streams.membership.lag import LagTracker
from streams.metrics import Counts
from tests.support.kafka.fake_kafka import FakeClock, FakeConsumer, FakeLogs, FakeProducer

SOURCE = TopicPartition("purchases", 0)
SETTINGS = LedgerSettings(time_zone="America/New_York", lateness_minutes=90)
DUE = 1_488_803_400_000
"""2017-03-06T12:30:00Z: 06:00 in New York, when business day 2017-03-05 closes, and an hour and a half."""


class Owned:
    """A partition as far as it is asked."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class House:
    """Tick writer and status reporter over one partition that is read to its end."""

    def __init__(self) -> None:
        self.clock, self.logs, self.counts = FakeClock(), FakeLogs(), Counts()
        self.consumer = FakeConsumer(self.logs)
        self.consumer.positions[SOURCE] = 0
        self.lag = LagTracker(self.consumer, holes=True)
        epoch = Epoch(Lease(self.clock, 1e9))
        epoch.lease.renew(self.clock.elapsed())
        self.partition: Any = Owned(
            number=0,
            source=SOURCE,
            epoch=epoch,
            reading=True,
            drained=True,
            expected=0,
            under_way_since=None,
            delivery=SimpleNamespace(acknowledged=0),
            ledger=SimpleNamespace(
                tick_due=lambda _: DUE,
                standing=SimpleNamespace(sending=True),
                clock=ClockRow(),
            ),
        )
        self.writer = TickWriter(
            lambda: [self.partition],
            settings=SETTINGS,
            sent=Outbox(FakeProducer(self.logs), deadline=5),
            clock=self.clock,
            counts=self.counts,
            lag=self.lag,
        )
        self.reporter = StatusReporter(
            lambda: [self.partition],
            partitioner=SETTINGS.partitioner,
            clock=self.clock,
            counts=self.counts,
            lag=self.lag,
        )

    def ticks(self) -> int:
        """How many were written."""
        return len(self.logs.records[SOURCE])
