"""`cartpulse erase ID`: deletion of a customer from the service's state, in the order of the log."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, Json, settings_with
from models.contracts.purchases import is_identifier
from streams.errors import SettingsError
from streams.operations.erasure import write_erasure
from streams.operations.events import printable

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
    except UnicodeEncodeError:  # bytes on the command line that are not UTF-8
        return False
