"""The ledger fed with the source's events in order, as a service would be, and stopped where it is asked.

There is no second implementation: records pass the service's own decoder and partitioner, ticks close the
days, and each partition has a ledger of its own. Whoever asks looks at the ledgers' state at the end of a
business day, when its boundary is finished, or at an instant, when every earlier event is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from benchmarks.quality.log.journey import takes_part
from benchmarks.quality.log.windows import FIRST_DATE
from models.ledger.ledger import Ledger
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.records.partitioner import partition_of
from models.replay.steps import advance_through, finish_sweep
from models.settings import LedgerSettings
from models.state.calendar import MINUTE, calendar_of, day_number
from streams.sources.complete_journey import TIME_ZONE, CompleteJourney
from streams.sources.ticks import with_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from models.contracts.changes import Changes
    from models.state.state import State
    from streams.sources.complete_journey import Level
    from streams.sources.feed import Feed

SETTINGS: Final = LedgerSettings(time_zone=TIME_ZONE, clock="log")
DAY_ZERO: Final = day_number(FIRST_DATE)
"""Day 0 of the windows, as a ledger counts days."""
_AT_ONCE: Final = 200


class Watcher(Protocol):
    """Whoever looks at ledgers and keeps what comes out of them."""

    @property
    def instants(self) -> Sequence[int]:
        """Ascending instants at which `at_instant` is called, ms since 1970 UTC."""

    @property
    def days(self) -> Container[int]:
        """Business days at whose end `at_day_end` is called."""

    def at_day_end(self, day: int, states: Sequence[State]) -> None:
        """Look at the states when the boundary of a business day is finished."""

    def at_instant(self, instant: int, states: Sequence[State]) -> None:
        """Look at the states when every event up to an instant is applied, and none after it."""

    def take(self, changes: Changes) -> None:
        """Keep one step's changes, or some of them."""


class Service:
    """Ledgers of all partitions, without a broker.

    Args:
        watcher: Whoever looks at them.
        partitions: Partitions of the log.
        settings: Settings of the ledgers.
    """

    def __init__(self, watcher: Watcher, *, partitions: int = 1, settings: LedgerSettings = SETTINGS) -> None:
        self._watcher = watcher
        self._settings = settings
        self._ledgers = [
            Ledger(settings, partition=number, partitions=partitions) for number in range(partitions)
        ]
        self._decoders = [Decoder(settings) for _ in self._ledgers]
        self._offsets = [0] * partitions
        self._waiting: list[list[Raw]] = [[] for _ in self._ledgers]

    @property
    def states(self) -> list[State]:
        """States of the partitions."""
        return [ledger._state for ledger in self._ledgers]  # noqa: SLF001 - it reads what rows would hold

    def run(self, feeds: Iterable[Feed]) -> None:
        """Apply records in order, ticks to every partition, and let the watcher look."""
        instants = iter(self._watcher.instants)
        coming = next(instants, None)
        for feed in feeds:
            while coming is not None and coming < feed.occurred_at:
                self._flush()
                self._watcher.at_instant(coming, self.states)
                coming = next(instants, None)
            if feed.key is None:
                for number in range(len(self._ledgers)):
                    self._put(number, feed.value)
                day = closed_day(feed.occurred_at)
                if day in self._watcher.days:
                    self._flush()
                    self._watcher.at_day_end(day, self.states)
            else:
                self._put(partition_of(feed.key, len(self._ledgers), self._settings.partitioner), feed.value)
        self._flush()

    def _put(self, number: int, value: bytes) -> None:
        self._waiting[number].append(Raw(self._offsets[number], value, UNKNOWN_TIME))
        self._offsets[number] += 1
        if len(self._waiting[number]) >= _AT_ONCE:
            self._apply(number)

    def _apply(self, number: int) -> None:
        records, refusals = self._decoders[number].decode(self._waiting[number])
        if refusals:
            raise ValueError(f"the source's own event was refused: {refusals[0]}")
        self._waiting[number].clear()
        for changes in advance_through(self._ledgers[number], records):
            self._watcher.take(changes)

    def _flush(self) -> None:
        """Apply all that waits, and finish the sweeps that it began."""
        for number, ledger in enumerate(self._ledgers):
            if self._waiting[number]:
                self._apply(number)
            for changes in finish_sweep(ledger):
                self._watcher.take(changes)


def closed_day(tick: int) -> int:
    """Return the day that a tick closes, ms since 1970 UTC; a day before day 0 is below 0."""
    return calendar_of(SETTINGS).closed(tick - SETTINGS.lateness_minutes * MINUTE) - DAY_ZERO


def replay(
    watcher: Watcher,
    *,
    level: Level,
    days: int,
    one_in: int = 1,
    partitions: int = 1,
    only: Callable[[Iterable[Feed]], Iterable[Feed]] = lambda feeds: feeds,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Run The Complete Journey through a service.

    Args:
        watcher: Whoever looks at it.
        level: Level of the name in `category`.
        days: Days from day 0.
        one_in: One household in so many.
        partitions: Partitions of the log.
        only: Chooses or changes the records that are applied.
        tell: Receiver of progress.
    """
    source = CompleteJourney(level=level, days=days)
    chosen = (feed for feed in source if feed.key is not None and takes_part(int(feed.key), one_in))
    name = f"ledger of {level}, {partitions} partitions" if partitions > 1 else f"ledger of {level}"
    Service(watcher, partitions=partitions).run(_told(with_ticks(only(chosen), SETTINGS), days, name, tell))


def _told(feeds: Iterable[Feed], days: int, name: str, tell: Callable[[str], None]) -> Iterator[Feed]:
    """Pass records on, and tell once a week how far they have come."""
    for feed in feeds:
        if feed.key is None and not (day := closed_day(feed.occurred_at)) % 7:
            tell(f"{name}: day {day} of {days}")
        yield feed
