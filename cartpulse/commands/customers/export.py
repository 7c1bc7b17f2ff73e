"""`cartpulse export ID`: everything that the service's topics hold of one customer, as JSON."""

import json
from typing import Annotated

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, settings_with
from cartpulse.console.terminal import reading_bar
from streams.operations import export as exports

EXAMPLE = "Example: cartpulse export 900 > customer-900.json"


def export(
    *,
    customer_id: Annotated[str, typer.Argument(metavar="ID", help="The customer id, as in the purchases.")],
    broker: Broker = None,
    state_only: Annotated[
        bool, typer.Option("--state-only", help="The state alone; purchases and outputs are not searched.")
    ] = False,
) -> None:
    """Write all that is known of a customer, as JSON on standard output.

    The state is every column of the customer's row, checked to give the same row again, and what
    `cartpulse customer` says of it. Purchases, outputs and dead letters are what the topics still hold; to
    find them, all of `purchases` and of the dead letters is read.
    """
    settings = settings_with(kafka_broker=broker)
    told = run(
        exports.gather(
            settings, customer_id.encode(errors="surrogateescape"), reading_bar, state_only=state_only
        )
    )
    typer.echo(json.dumps(told, indent=2))
