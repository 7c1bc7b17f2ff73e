"""`cartpulse go-live`: end of history, and begin of outputs."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, Json, settings_with
from models.contracts.timestamps import EARLIEST_MS, LATEST_MS
from streams.errors import SettingsError
from streams.operations.go_live import write_live
from streams.operations.log_clock import choose_clock, log_clock
from streams.settings.settings import Settings

EXAMPLE = "Example: cartpulse go-live --broker kafka-1:9092"

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
