"""Clock of a service's log, and the moment when the service went live, both read from the log itself.

The first record of a partition that carries an event time fixes the clock (`models.state.event_time`). The
clock row stores the clock from then on. A loader of purchases needs the clock: on the log clock, sources
write ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from aiokafka.errors import TopicAuthorizationFailedError

from models.memory.rows import CLOCK_KEY, EarlierFormatError, RowError
from models.records.columns import Kind
from models.records.decoder import Decoder
from models.state.clock_row import ClockRow
from streams.kafka.log.ends import log_ends, log_starts
from streams.kafka.opened import admin as opened_admin
from streams.kafka.opened import reaching
from streams.partition.run_queue import raw_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.kafka.log.ends import LogEnd
    from streams.settings.settings import Settings

LOOKED_AT: Final = 500
"""Records examined at either end of each partition: `live` records stand where a log begins, or where
somebody has just written one."""

TAIL: Final = 50
"""Rows examined of each changelog: the last record batch ends with the clock row."""

_PURCHASES: Final = (Kind.PURCHASE, Kind.RETURN)


@dataclass(frozen=True, slots=True)
class LogClock:
    """Clock of a service, and the end of its history."""

    wall: bool | None = None
    """True on the wall clock, False on the log clock; None while no record carries an event time."""
    live_at: int | None = None
    """Event time (ms since 1970 UTC) up to which purchases are history; None where no `live` record is
    known."""
    there: bool = True
    """True if the topic of purchases exists and this login may see it."""
    occurred_at: tuple[int, ...] = ()
    """Event times of the purchases examined: at most the last `LOOKED_AT` of each partition."""

    @property
    def history(self) -> int:
        """Number of the purchases examined that count as history."""
        if self.live_at is None:
            return len(self.occurred_at) if self.wall else 0
        return sum(at <= self.live_at for at in self.occurred_at)


async def log_clock(settings: Settings) -> LogClock:
    """Read the clock of a service from its changelog and its purchases. Nothing is made or changed.

    Raises:
        BrokerUnreachableError: No broker answers.
        KafkaError: The login may not read one of the topics, for one.
    """
    present = await _present(settings)
    clocks: list[ClockRow] = []
    if settings.changelog_topic in present:
        try:
            rows = await log_ends(settings, settings.changelog_topic, TAIL)
        except TopicAuthorizationFailedError:  # a loader's login: the purchases suffice
            rows = {}
        clocks = [clock for end in rows.values() if isinstance(clock := last_clock(end.records), ClockRow)]
    starts: dict[int, LogEnd] = {}
    ends: dict[int, LogEnd] = {}
    there = settings.purchases_topic in present
    if there:
        starts = await log_starts(settings, settings.purchases_topic, LOOKED_AT)
        ends = await log_ends(settings, settings.purchases_topic, LOOKED_AT)
    return replace(_judged(settings, clocks, starts, ends), there=there)


def choose_clock(
    settings: Settings, found: LogClock, *, fresh: Literal["log", "wall"] = "log"
) -> Literal["log", "wall"]:
    """Choose the clock on which records are written to a log: the log's own clock, or one for a fresh log.

    Args:
        settings: Service settings; a clock that was set by hand goes before `fresh`.
        found: Clock of the log at present.
        fresh: Clock where no record carries an event time yet. Purchases that are loaded as a whole take the
            log clock.
    """
    if found.wall is not None:
        return "wall" if found.wall else "log"
    return settings.clock if "clock" in settings.model_fields_set else fresh


def last_clock(rows: Iterable[Any]) -> ClockRow | EarlierFormatError | None:
    """Decode the last clock row among records of a changelog.

    Returns:
        Clock row; None where there is none, or where a later release wrote it or it is damaged. The fault
        `EarlierFormatError` where an earlier release wrote it.
    """
    for record in reversed(list(rows)):
        if record.key == CLOCK_KEY and record.value is not None:
            try:
                return ClockRow.decode(record.value)
            except EarlierFormatError as earlier:
                return earlier
            except RowError:  # written by a later release; the worker refuses it at its start
                return None
    return None


async def _present(settings: Settings) -> set[str]:
    """List the topics. No topic is asked for by name, because the question might create the topic."""
    async with reaching(settings), opened_admin(settings) as admin:
        return set(await admin.list_topics())


def _judged(
    settings: Settings, clocks: list[ClockRow], starts: dict[int, LogEnd], ends: dict[int, LogEnd]
) -> LogClock:
    decode = Decoder(settings.ledger).decode
    told = [clock for clock in clocks if clock.watermark is not None or clock.live_at is not None]
    lives = [clock.live_at for clock in told if clock.live_at is not None]
    wall: bool | None = told[0].wall if told else None
    for start in starts.values():
        records, _ = decode([raw_of(record) for record in start.records])
        kinds = [kind for kind in records.kinds.tolist() if kind in (*_PURCHASES, Kind.TICK, Kind.LIVE)]
        if wall is None and kinds:
            wall = kinds[0] != Kind.TICK and settings.clock == "wall"
        lives += [int(at) for at in records.occurred_at[records.kinds == Kind.LIVE]]
    occurred: list[int] = []
    for end in ends.values():
        records, _ = decode([raw_of(record) for record in end.records])
        lives += [int(at) for at in records.occurred_at[records.kinds == Kind.LIVE]]
        occurred += [
            int(at)
            for at, kind in zip(records.occurred_at, records.kinds.tolist(), strict=True)
            if kind in _PURCHASES
        ]
    return LogClock(wall, min(lives, default=None), occurred_at=tuple(occurred))
