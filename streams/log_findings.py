"""What the logs say of a service: how far they are applied, on which clock, and where customers lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from models.calendar import HOUR, instant_of
from models.clock import Clock
from models.decode import Decoder
from models.partitioner import partition_of
from models.records import Kind
from models.rows import CLOCK_KEY, RowError
from models.timestamps import text_of
from streams.findings import Finding, Level
from streams.log_ends import log_ends
from streams.partition import raw_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.log_ends import LogEnd
    from streams.settings import Settings

SAMPLE: Final = 500
"""Purchases of each partition that are looked at."""

TAIL: Final = 50
"""Rows of each changelog that are looked at: the last record batch ends with the clock row."""

MOST_STRANGERS: Final = 0.01
"""Share of purchases in a wrong partition from which on the setting, and not a few old events, is wrong."""


@dataclass(frozen=True, slots=True)
class Logs:
    """What was read of the logs."""

    purchases: Mapping[int, LogEnd]
    clocks: Mapping[int, Clock]
    """The last clock row of each partition that has one."""
    rows: Mapping[int, LogEnd] = field(default_factory=dict)
    """The changelog's."""


async def read_logs(settings: Settings) -> Logs:
    """Read the ends of the purchases and of the changelog.

    Raises:
        KafkaError: the login may not read one of them, for instance.
        BrokerUnreachable: no broker answers.
    """
    purchases = await log_ends(settings, settings.purchases_topic, SAMPLE)
    rows = await log_ends(settings, settings.changelog_topic, TAIL)
    clocks = {number: clock for number, end in rows.items() if (clock := _last_clock(end)) is not None}
    return Logs(purchases, clocks, rows)


def _last_clock(end: LogEnd) -> Clock | None:
    for record in reversed(end.records):
        if record.key == CLOCK_KEY and record.value is not None:
            try:
                return Clock.decode(record.value)
            except RowError:  # of a later release, which says so at its start
                return None
    return None


def log_findings(settings: Settings, logs: Logs, *, now: int) -> Iterator[Finding]:
    """What they say.

    Args:
        settings: of the service.
        logs: as read.
        now: wall time, ms since 1970 UTC.
    """
    yield _lag(settings, logs)
    yield from _jumps(settings, logs)
    yield from _clock(settings, logs, now)
    yield _partitioner(settings, logs)


def _lag(settings: Settings, logs: Logs) -> Finding:
    lag = {
        number: max(0, end.end - (logs.clocks[number].offset + 1 if number in logs.clocks else end.start))
        for number, end in logs.purchases.items()
    }
    total, behind = sum(lag.values()), [number for number, left in lag.items() if left]
    if not total:
        return Finding("lag", Level.OK, "Every purchase in the log is applied.")
    where = ", ".join(f"{number}: {lag[number]:,}" for number in behind[:8])
    more = "" if len(behind) <= 8 else f" and {len(behind) - 8} more"
    return Finding(
        "lag",
        Level.NOTE,
        f"{total:,} records of {settings.purchases_topic} are not applied (partition {where}{more}).",
        "While workers run it shrinks: ask again in a moment. Where none runs, start `cartpulse worker`.",
    )


def _jumps(settings: Settings, logs: Logs) -> Iterator[Finding]:
    for number, clock in logs.clocks.items():
        log, following = logs.purchases[number], clock.offset + 1
        name = f"{settings.purchases_topic}[{number}]"
        if following > log.end:
            yield Finding(
                "source",
                Level.FAULT,
                f"{name} ends at {log.end:,}, before the {following:,} records that were applied: it was "
                "made anew or cut.",
                "`cartpulse reset` makes the state anew from the log that is there.",
            )
        elif following < log.start:
            yield Finding(
                "source",
                Level.FAULT,
                f"{name} begins at {log.start:,}, and the records from {following:,} on were not applied: "
                "retention removed them.",
                "`cartpulse worker --accept-gap` goes on behind the gap.",
            )


def _clock(settings: Settings, logs: Logs, now: int) -> Iterator[Finding]:
    if not logs.clocks:
        yield Finding("clock", Level.OK, f"The {settings.clock} clock; nothing is applied yet.")
        return
    clocks = logs.clocks.values()
    if any(clock.partitions != settings.partitions for clock in clocks):
        yield Finding(
            "clock",
            Level.FAULT,
            f"The state was made for {max(clock.partitions for clock in clocks)} partitions.",
            "Set CARTPULSE_PARTITIONS to that.",
        )
    if any(clock.wall != (settings.clock == "wall") for clock in clocks):
        other = "log" if settings.clock == "wall" else "wall"
        yield Finding(
            "clock", Level.FAULT, f"The state was made on the {other} clock.", f"Set CARTPULSE_CLOCK={other}."
        )
        return
    watermarks = [clock.watermark for clock in clocks if clock.watermark is not None]
    said = f"The {settings.clock} clock"
    if watermarks:
        least, most = (text_of(instant_of(pick(watermarks))) for pick in (min, max))
        said += f"; the watermark is at {least}" + ("" if least == most else f" to {most}")
    yield Finding("clock", Level.OK, f"{said}.")
    yield from _clock_notes(settings, logs, now)


def _clock_notes(settings: Settings, logs: Logs, now: int) -> Iterator[Finding]:
    clocks = logs.clocks.values()
    if any(clock.waits_for_live(now) for clock in clocks):
        yield Finding(
            "clock",
            Level.NOTE,
            "History is being loaded: outputs are counted, and none is sent.",
            "`cartpulse go-live`, once all of it is in the log.",
        )
    if settings.clock == "wall":
        ahead = max((clock.watermark or 0) - now for clock in clocks)
        if ahead > 0:
            yield Finding(
                "clock",
                Level.WARNING,
                f"The watermark is {ahead / HOUR:,.1f} h ahead of this machine's clock.",
                "Set the clocks of the producers, or this one, by NTP.",
            )
    sweeping = [number for number, clock in logs.clocks.items() if clock.sweeping]
    if sweeping:
        yield Finding(
            "boundary", Level.NOTE, f"A day boundary is unfinished in partition {_listed(sweeping)}."
        )
    others = [n for n, clock in logs.clocks.items() if clock.fingerprint != settings.ledger.fingerprint]
    if others:
        yield Finding(
            "settings",
            Level.NOTE,
            f"Partition {_listed(others)} works with other settings of what shapes outputs.",
            "Those of the workers are adopted at the next day boundary; see that all workers have the same.",
        )


def _partitioner(settings: Settings, logs: Logs) -> Finding:
    if settings.partitions == 1:
        return Finding("partitioner", Level.OK, "One partition holds every customer.")
    decoder = Decoder(settings.ledger)
    counted, misplaced = 0, {"murmur2": 0, "crc32": 0}
    for number, end in logs.purchases.items():
        records, _ = decoder.decode([raw_of(record) for record in end.records])
        for customer, kind in zip(records.customers, records.kinds.tolist(), strict=True):
            if kind in (Kind.PURCHASE, Kind.RETURN):
                counted += 1
                misplaced["murmur2"] += partition_of(customer, settings.partitions, "murmur2") != number
                misplaced["crc32"] += partition_of(customer, settings.partitions, "crc32") != number
    wrong = misplaced[settings.partitioner]
    said = f"{settings.partitioner}: {wrong:,} of the last {counted:,} purchases lie in another partition."
    if wrong <= MOST_STRANGERS * counted:
        return Finding("partitioner", Level.OK, said)
    other = "crc32" if settings.partitioner == "murmur2" else "murmur2"
    remedy = (
        f"Set CARTPULSE_PARTITIONER={other}: by that they lie where they should."
        if misplaced[other] <= MOST_STRANGERS * counted
        else "See that producers write the customer id as the key, and all with one partitioner. Workers "
        "send each on to its partition: it is slower, and nothing is lost."
    )
    return Finding("partitioner", Level.WARNING, said, remedy)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
