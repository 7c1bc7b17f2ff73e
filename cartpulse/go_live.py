"""`cartpulse go-live`: history ends here, and outputs begin."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from cartpulse.endings import run
from cartpulse.options import Broker, Json, settings_with
from cartpulse.signals import write_signals
from models.contracts.timestamps import EARLIEST_MS, LATEST_MS
from models.state.clock_row import UNTIL_LIVE_MS
from streams.errors import SettingsError
from streams.kafka.topics import TopicsReport, create_topics
from streams.operations.log_clock import choose_clock, log_clock
from streams.settings.settings import Settings
from streams.sources.feed import Feed

EXAMPLE = "Example: cartpulse go-live --broker kafka-1:9092"

NEVER = datetime.fromtimestamp(UNTIL_LIVE_MS / 1000, UTC)
"""The last day that an event may carry: until an earlier moment is named, all is history."""

At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Event time up to which all is history, such as 2017-10-01T00:00:00-04:00. Now, where not "
        "given; on the log clock it has to be.",
    ),
]


def go_live(*, broker: Broker = None, at: At = None, as_json: Json = False) -> None:
    """Say that history is loaded: what happens from now on is news, and is sent.

    Writes a `live` record to every partition of `purchases`. Events up to it shape what is known of customers
    and send nothing; later ones send their outputs. On the wall clock the clock closes business days from
    then on.
    """
    settings = settings_with(kafka_broker=broker)
    moment = _moment(at, settings)
    run(write_live(settings, moment))
    result: dict[str, Any] = {
        "topic": settings.purchases_topic,
        "partitions": settings.partitions,
        "live_at": moment.isoformat(),
    }
    typer.echo(
        json.dumps(result)
        if as_json
        else f"Live from {moment:%Y-%m-%d %H:%M:%S} UTC: written to {settings.partitions} partition(s) of "
        f"{settings.purchases_topic}."
    )


def _moment(at: str | None, settings: Settings) -> datetime:
    if at is None:
        if choose_clock(settings, run(log_clock(settings)), fresh=settings.clock) == "log":
            raise SettingsError(
                "On the log clock only its records tell the time: say with --at up to which event time all "
                "is history."
            )
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SettingsError(
            f"--at {at} is no time with an offset: write one such as 2017-10-01T00:00:00-04:00"
        )
    if not EARLIEST_MS <= moment.timestamp() * 1000 <= LATEST_MS:
        raise SettingsError(f"--at {at} does not lie in the years 2000 to 2100 (UTC), as all events do")
    return moment.astimezone(UTC)


def live_record(moment: datetime) -> Feed:
    """The record that ends history at a moment."""
    written = moment.astimezone(UTC).replace(microsecond=0)
    value = msgspec.json.encode(
        {"kind": "live", "event_id": f"live:{written.isoformat()}", "occurred_at": written}
    )
    return Feed(None, value, int(written.timestamp()) * 1000)


async def write_live(settings: Settings, moment: datetime) -> None:
    """Write the `live` record of a moment to every partition.

    Raises:
        NotAcknowledgedError: The broker refused it.
        BrokerUnreachable: No broker answers.
    """
    await write_signals(settings, [live_record(moment)])


async def make_topics(
    settings: Settings, *, live: bool, until_live: bool = False, producer_time: bool = False
) -> TopicsReport:
    """Make the topics that are missing; a `purchases` that was made begins with a `live` record.

    Args:
        settings: Service settings.
        live: Write the record of this moment: the service is live from its beginning.
        until_live: Write the record by which all is history at first.
        producer_time: Make `purchases` keep the time of producers.

    Raises:
        TopicMismatch: A topic exists and differs.
        BrokerUnreachable: No broker answers.
    """
    report = await create_topics(settings, producer_time=producer_time)
    if settings.purchases_topic in report.made and (live or until_live):
        await write_live(settings, NEVER if until_live else datetime.now(UTC))
    return report
