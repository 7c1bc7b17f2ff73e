"""Findings about the logs of a service: lag, clock, timestamps, and the partitions of customers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from models.contracts.timestamps import instant_of, text_of
from models.memory.rows import EarlierFormatError
from models.records.columns import UNKNOWN_TIME, Kind
from models.records.decoder import Decoder
from models.records.partitioner import partition_of
from models.state.calendar import HOUR
from models.state.clock_row import ClockRow
from streams.kafka.log.ends import log_ends
from streams.operations.diagnosis.findings import Finding, Level
from streams.operations.log_clock import TAIL, last_clock
from streams.partition.run_queue import raw_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.kafka.log.ends import LogEnd
    from streams.settings.settings import Settings

SAMPLE: Final = 500
"""Purchases examined in each partition."""

DAY: Final = 24 * HOUR
FAR_AHEAD: Final = DAY
"""Lead of a watermark, ms, above which a producer's clock that is a little off no longer explains it."""

FEW_CUSTOMERS: Final = 10_000
"""Customers of a partition below which fewer partitions are advised."""

MOST_STRANGERS: Final = 0.01
"""Share of purchases in a wrong partition above which the setting is wrong, and not a few old events."""


@dataclass(frozen=True, slots=True)
class Logs:
    """Ends of the purchases and of the changelog, and each partition's last clock row."""

    purchases: Mapping[int, LogEnd]
    clocks: Mapping[int, ClockRow]
    """Partition -> its last clock row; partitions without a clock row are left out."""
    rows: Mapping[int, LogEnd] = field(default_factory=dict)
    """Partition -> end of its changelog."""
    earlier: bool = False
    """True if the last clock row of some partition has the format of an earlier release, which is not
    read."""


async def read_logs(settings: Settings) -> Logs:
    """Read the ends of the purchases and of the changelog.

    Raises:
        KafkaError: The login may not read one of the topics, for instance.
        BrokerUnreachableError: No broker answers.
    """
    purchases = await log_ends(settings, settings.purchases_topic, SAMPLE)
    rows = await log_ends(settings, settings.changelog_topic, TAIL)
    last = {number: last_clock(end.records) for number, end in rows.items()}
    clocks = {number: clock for number, clock in last.items() if isinstance(clock, ClockRow)}
    earlier = any(isinstance(clock, EarlierFormatError) for clock in last.values())
    return Logs(purchases, clocks, rows, earlier)


def log_findings(settings: Settings, logs: Logs, *, now: int) -> Iterator[Finding]:
    """Examine the logs.

    Args:
        settings: Service settings.
        logs: Ends of the logs.
        now: Wall time, ms since 1970 UTC.

    Returns:
        Findings. With rows of an earlier release, only the finding about them and the partitioner's.
    """
    if logs.earlier:
        yield Finding(
            "changelog",
            Level.FAULT,
            f"{settings.changelog_topic} holds rows of an earlier release, which this one does not read.",
            "End all workers; then `cartpulse reset --quiet` makes the state anew from the log, and sends "
            "nothing again that was sent.",
        )
    else:
        yield _lag(settings, logs)
        yield from _jumps(settings, logs)
        yield from _timestamps(settings, logs)
        yield from _clock(settings, logs, now)
        yield from _population(settings, logs)
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
        elif clock.offset >= 0 and following < log.start:
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
        if settings.clock == "wall":
            yield from _without_live(sorted(_never_live(settings, logs)))
        return
    clocks = logs.clocks.values()
    if any(clock.partitions != settings.partitions for clock in clocks):
        yield Finding(
            "clock",
            Level.FAULT,
            f"The state was made for {max(clock.partitions for clock in clocks)} partitions.",
            "Set CARTPULSE_PARTITIONS to that.",
        )
    kind = "wall" if any(clock.wall for clock in clocks) else "log"
    watermarks = [clock.watermark for clock in clocks if clock.watermark is not None]
    said = f"The {kind} clock"
    if kind != settings.clock and "clock" in settings.model_fields_set:
        said += f", which this service keeps (CARTPULSE_CLOCK={settings.clock} is for new ones)"
    if watermarks:
        least, most = (text_of(instant_of(pick(watermarks))) for pick in (min, max))
        said += f"; the watermark is at {least}" + ("" if least == most else f" to {most}")
    yield Finding("clock", Level.OK, f"{said}.")
    yield from _clock_notes(settings, logs, now)


def _clock_notes(settings: Settings, logs: Logs, now: int) -> Iterator[Finding]:
    clocks = logs.clocks.values()
    silent = [number for number, clock in logs.clocks.items() if clock.silent]
    yield from _without_live(silent)
    if not silent and any(clock.waits_for_live(now) for clock in clocks):
        yield Finding(
            "clock",
            Level.NOTE,
            "History is being loaded: outputs are counted, and none is sent.",
            "`cartpulse go-live`, once all of it is in the log.",
        )
    yield from _ahead(logs, now)
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


def _ahead(logs: Logs, now: int) -> Iterator[Finding]:
    """Report partitions whose watermark is ahead of this machine's clock.

    A lead of more than `FAR_AHEAD` makes a partition stand still until then.
    """
    ahead = {number: (clock.watermark or 0) - now for number, clock in logs.clocks.items()}
    most = max(ahead.values())
    far = [number for number, by in ahead.items() if by > FAR_AHEAD]
    if far:
        until = text_of(instant_of(now + most))
        yield Finding(
            "clock",
            Level.WARNING,
            f"The watermark of partition {_listed(far)} is up to {most / DAY:,.1f} days ahead of this "
            f"machine's clock, at {until}: until then every purchase there counts as late, and no alert, "
            "recommendation or change of segment comes in time.",
            "If this machine's clock is wrong, set it by NTP. Where purchases of the future are meant, such "
            "as invented ones, do nothing. Else a purchase or a tick has a wrong date: correct who wrote it, "
            "make the topics anew, send the purchases again without that one, and give `cartpulse reset`; a "
            "reset alone reads the same record again.",
        )
    elif most > 0 and any(clock.wall for clock in logs.clocks.values()):
        yield Finding(
            "clock",
            Level.WARNING,
            f"The watermark is {most / HOUR:,.1f} h ahead of this machine's clock.",
            "Set the clocks of the producers, or this one, by NTP.",
        )


def _never_live(settings: Settings, logs: Logs) -> Iterator[int]:
    """Yield partitions that hold purchases and neither a `live` record nor a tick.

    Only logs read whole count.
    """
    decode = Decoder(settings.ledger).decode
    for number, end in logs.purchases.items():
        records, _ = decode([raw_of(record) for record in end.records])
        kinds = set(records.kinds.tolist())
        whole = len(end.records) >= end.end - end.start
        if whole and kinds & {Kind.PURCHASE, Kind.RETURN} and not kinds & {Kind.LIVE, Kind.TICK}:
            yield number


def _without_live(partitions: list[int]) -> Iterator[Finding]:
    if partitions:
        yield Finding(
            "live",
            Level.WARNING,
            f"Partition {_listed(partitions)} holds purchases and no `live` record: all of them count as "
            "history, and nothing will be sent, whatever comes.",
            "`cartpulse go-live` ends history now, or at a moment with --at.",
        )


def _timestamps(settings: Settings, logs: Logs) -> Iterator[Finding]:
    """Report records without a usable timestamp: future events cannot be recognised among them."""
    raws = [raw_of(record) for end in logs.purchases.values() for record in end.records]
    without = sum(raw.appended_at == UNKNOWN_TIME for raw in raws)
    if without:
        yield Finding(
            "timestamps",
            Level.WARNING,
            f"{without:,} of the last {len(raws):,} records of {settings.purchases_topic} carry a timestamp "
            "of -1 or outside of the years 2000 to 2100: of those, events from the future cannot be told.",
            "See that producers send milliseconds since 1970, or none; or let the broker stamp them: "
            f"kafka-configs.sh --alter --entity-type topics --entity-name {settings.purchases_topic} "
            "--add-config message.timestamp.type=LogAppendTime.",
        )


def _population(settings: Settings, logs: Logs) -> Iterator[Finding]:
    """Advise fewer partitions where each learns from few customers."""
    rows = sum(clock.rows for clock in logs.clocks.values())
    if settings.partitions > 1 and len(logs.clocks) == settings.partitions and rows:
        customers = rows // settings.partitions
        if customers < FEW_CUSTOMERS:
            yield Finding(
                "customers",
                Level.NOTE,
                f"Each of the {settings.partitions} partitions knows about {customers:,} customers. Each "
                "learns its priors, limits between segments and clusters from its own, and ranks them among "
                f"themselves: with fewer than {FEW_CUSTOMERS:,}, partitions differ by chance.",
                "A new service is better made with fewer partitions; one that runs keeps its count.",
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
