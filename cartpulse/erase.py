"""`cartpulse erase ID`: a customer leaves the service's state, in the order of the log."""

import json
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from cartpulse.endings import run
from cartpulse.options import Broker, Json, settings_with
from cartpulse.signals import write_signals
from cartpulse.terminal import printable
from models.contracts.purchases import is_identifier
from streams.errors import SettingsError
from streams.settings.settings import Settings
from streams.sources.feed import Feed

EXAMPLE = "Example: cartpulse erase 900 --yes"


def erase(
    *,
    customer_id: Annotated[str, typer.Argument(metavar="ID", help="The customer id, as in the purchases.")],
    broker: Broker = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a customer: open alerts are withdrawn, the state goes, and later purchases start anew.

    Writes an `erase` record to every partition of `purchases`; workers obey it in the order of the log. What
    the topics keep of the past, and for how long, is in docs/privacy.md. `cartpulse export` writes down what
    is known before it goes.
    """
    settings = settings_with(kafka_broker=broker)
    if not _is_key(customer_id):
        raise SettingsError("A customer id has 1 to 256 bytes of UTF-8 and does not begin with byte 0.")
    name = printable(customer_id)
    if not yes:
        typer.confirm(f"Erase customer {name!r} at {settings.kafka_broker}?", abort=True)
    moment = datetime.now(UTC)
    run(write_erasure(settings, customer_id, moment))
    result = {
        "customer_id": customer_id,
        "topic": settings.purchases_topic,
        "partitions": settings.partitions,
        "asked_at": moment.isoformat(),
    }
    typer.echo(
        json.dumps(result)
        if as_json
        else f"Written to {settings.partitions} partition(s) of {settings.purchases_topic}. Customer "
        f"{name!r} is erased when the workers come to it; docs/privacy.md says what topics keep till when."
    )


def _is_key(customer_id: str) -> bool:
    try:
        return is_identifier(customer_id)
    except UnicodeEncodeError:  # bytes on the command line that are no UTF-8
        return False


def erasure(customer_id: str, moment: datetime) -> Feed:
    """The record that erases a customer, asked for at a moment."""
    value = msgspec.json.encode(
        {
            "kind": "erase",
            "event_id": f"erase:{moment.astimezone(UTC).isoformat()}",
            "customer_id": customer_id,
            "occurred_at": moment.astimezone(UTC),
        }
    )
    return Feed(None, value, int(moment.timestamp() * 1000))


async def write_erasure(settings: Settings, customer_id: str, moment: datetime) -> None:
    """Write the `erase` record of a customer to every partition.

    Raises:
        NotAcknowledgedError: The broker refused it.
        BrokerUnreachable: No broker answers.
    """
    await write_signals(settings, [erasure(customer_id, moment)])
