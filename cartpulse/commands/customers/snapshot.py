"""`cartpulse snapshot --parquet DIR`: the state of all customers and of their habits, for analysts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, Json, settings_with
from cartpulse.console.terminal import amount, reading_bar
from streams.operations import snapshot as snapshots

EXAMPLE = "Example: cartpulse snapshot --parquet state/"


def snapshot(
    *,
    parquet: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Write customers.parquet and habits.parquet here.", file_okay=False),
    ],
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Write the state of all customers and of their habits as Parquet, one row each.

    Reads the changelog to the end that it has now, beside the workers that write it. Files of an earlier
    snapshot are replaced, each whole. docs/snapshot.md lists the columns and their units.
    """
    settings = settings_with(kafka_broker=broker)
    snapshots.require_writable(parquet)
    taken = run(snapshots.gather(settings, reading_bar))
    files = snapshots.write(taken, parquet)
    customers, habits = taken.customers.num_rows, taken.habits.num_rows
    if as_json:
        typer.echo(json.dumps({"customers": customers, "habits": habits, "files": [*map(str, files)]}))
        return
    typer.echo(
        f"{amount(customers, 'customer')} in {files[0]}, {amount(habits, 'habit')} in {files[1]}. They hold "
        "customers' data: `cartpulse erase` does not reach them."
    )
