"""`cartpulse customer ID`: everything known about one customer, on a page."""

import json
from typing import Annotated

import typer

from cartpulse.commands.customers.page import MOST, Page
from cartpulse.console.exit import run
from cartpulse.console.options import Broker, Json, settings_with
from cartpulse.console.terminal import page_console, reading_bar
from streams.operations import customers

EXAMPLE = "Example: cartpulse customer 900"


def customer(
    *,
    customer_id: Annotated[str, typer.Argument(metavar="ID", help="The customer id, as in the purchases.")],
    broker: Broker = None,
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="All habits, alerts and changes.")] = False,
    partition: Annotated[
        int | None, typer.Option(help="Look here, not in the partition that the id belongs to.", min=0)
    ] = None,
) -> None:
    """Show what is known of a customer: habits, open alerts, the segment and why, recommendations.

    Reads the customer's row from the changelog, as workers write it, so that it tells the state of this
    moment; and the customer's own events from the output topics, as far back as they are kept.
    """
    settings = settings_with(kafka_broker=broker)
    told = run(
        customers.gather(settings, customer_id.encode(errors="surrogateescape"), partition, reading_bar)
    )
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        Page(told, page_console(), None if everything else MOST).show()
