"""`cartpulse reset`: deletion of the ledger's state, so that a worker reads `purchases` from the start."""

from typing import Annotated

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, settings_with
from streams.operations.reset import forget

EXAMPLE = "Example: cartpulse reset --yes"


def reset(
    *,
    broker: Broker = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", help="Count what the state had accounted for as history: nothing is sent again."
        ),
    ] = False,
) -> None:
    """Delete the ledger's changelog and its consumer group; `purchases` and the outputs stay.

    The next worker reads `purchases` from its beginning. Outputs are sent again with equal ids, so that
    consumers who drop duplicates by `ce_id` notice nothing; with --quiet what was sent is not sent again, and
    what comes after is sent as ever. The service keeps its clock. End all workers first: where the broker
    says that one still runs, this is refused.
    """
    settings = settings_with(kafka_broker=broker)
    if not yes:
        typer.confirm(
            f"Delete {settings.changelog_topic} and the group {settings.group} at {settings.kafka_broker}?",
            abort=True,
        )
    clocks = run(forget(settings, quiet=quiet))
    typer.echo(f"Forgotten. The next worker reads {settings.purchases_topic} from its beginning.")
    for partition, clock in clocks.items():
        typer.echo(
            f"What the records of partition {partition} up to offset {clock.quiet_offset} cause was sent, "
            "and is not sent again."
        )
