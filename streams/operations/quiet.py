"""First rows of a new changelog after a reset: the clock and, in quiet, the progress of the old state.

The clock rows of the old changelog hold the progress of each partition. A clock row derived from them
becomes the first row of the new changelog. A worker that reads the log again sends no output up to that
point.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from models.memory.rows import CLOCK_KEY, LaterFormatError, RowError, header_of_any_format
from models.state.clock_row import ClockRow
from streams.errors import CartpulseError, ChangelogUnreadableError, NewerRowsError
from streams.kafka.log.reading import NoSuchTopicError, places_of, read_now, reader
from streams.kafka.options import producer_options

if TYPE_CHECKING:
    from streams.settings.settings import Settings


class NothingKnownError(CartpulseError):
    """No state says how far the service had come, or the state does not fit the topics."""


async def clocks_after(settings: Settings) -> dict[int, ClockRow]:
    """Return partition -> clock with which its state is made anew.

    Partitions that applied nothing are left out.

    Args:
        settings: Service settings; all workers have ended.

    Raises:
        NothingKnownError: No partition had a clock row, or they were written for another partition count.
        NewerRowsError: A later release wrote a clock row.
        ChangelogUnreadableError: All clock rows of a partition are damaged.
        BrokerUnreachableError: No broker answers.
    """
    found = {
        partition: _clock(settings, partition, rows) for partition, rows in (await _rows(settings)).items()
    }
    if not found:
        raise NothingKnownError(
            f"{settings.changelog_topic} at {settings.kafka_broker} holds no state, so nothing says how far "
            "the service had come. `cartpulse reset` without --quiet forgets it all the same."
        )
    for clock in found.values():
        if clock.partitions != settings.partitions:
            raise NothingKnownError(
                f"The state was written for {clock.partitions} partitions and CARTPULSE_PARTITIONS is "
                f"{settings.partitions}: customers move to other partitions, so how far each had come does "
                "not say what was sent. Set it back, or reset without --quiet: outputs are then sent "
                "again, with equal ids."
            )
    return found


async def same_clock(settings: Settings) -> dict[int, ClockRow]:
    """Return partition -> blank clock of the old kind, wall or log.

    A service keeps its clock when it is reset.

    Returns:
        Empty where no clock row can be read.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    for partition, rows in (await _rows(settings)).items():
        try:
            wall = _clock(settings, partition, rows).wall
        except CartpulseError:
            continue
        blank = ClockRow(wall=wall, partitions=settings.partitions, fingerprint=settings.ledger.fingerprint)
        return dict.fromkeys(range(settings.partitions), blank)
    return {}


async def note(settings: Settings, clocks: dict[int, ClockRow]) -> None:
    """Write the clock rows into the new, empty changelog.

    Args:
        settings: Service settings.
        clocks: Partition -> its clock row.
    """
    async with AIOKafkaProducer(**producer_options(settings, idempotent=False)) as producer:
        for partition, clock in clocks.items():
            await producer.send_and_wait(
                settings.changelog_topic, clock.encode(), key=CLOCK_KEY, partition=partition
            )


async def _rows(settings: Settings) -> dict[int, list[bytes]]:
    """Read partition -> its clock rows, in the log's order."""
    found: dict[int, list[bytes]] = {}
    try:
        places = await places_of(settings, [settings.changelog_topic])
    except NoSuchTopicError:
        return found
    async with reader(settings) as consumer, aclosing(read_now(consumer, places)) as batches:
        async for place, records in batches:
            rows = [record.value for record in records if record.key == CLOCK_KEY and record.value]
            if rows:
                found.setdefault(place.partition, []).extend(rows)
    return found


def _clock(settings: Settings, partition: int, rows: list[bytes]) -> ClockRow:
    """Return the clock after the greatest undamaged row.

    The last row in the log may come from a zombie worker.
    """
    fault: RowError = RowError("it is empty")
    for row in sorted(rows, key=_rank, reverse=True):
        try:
            return replace(ClockRow.after(row), fingerprint=settings.ledger.fingerprint)
        except LaterFormatError as error:
            raise NewerRowsError(
                f"{settings.changelog_topic}[{partition}] holds {error}. Reset with that release."
            ) from error
        except RowError as error:
            fault = error
    raise ChangelogUnreadableError(
        f"{settings.changelog_topic}[{partition}] holds no clock row that can be read ({fault}), so nothing "
        "says how far it had come. `cartpulse reset` without --quiet forgets it all the same."
    )


def _rank(row: bytes) -> tuple[int, int]:
    try:
        return header_of_any_format(row)[1:3]
    except RowError:
        return (-1, -1)
