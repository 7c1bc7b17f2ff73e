"""Command line, assembled with one line per command."""

import logging
import signal
from typing import Annotated

import typer

from cartpulse.commands.customers import customer, erase, export, snapshot
from cartpulse.commands.outputs import dead_letters, watch
from cartpulse.commands.purchases import catalogue, produce, replay
from cartpulse.commands.service import broker, doctor, go_live, reset, settings, topics, worker
from cartpulse.console.exit import Commands
from cartpulse.demo import demo
from streams.process.version import versions

app = typer.Typer(
    name="cartpulse",
    cls=Commands,
    help="Turns purchases into replenishment alerts, recommendations and segment changes, at once.",
    epilog="Example: cartpulse demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
app.command("worker", epilog=worker.EXAMPLE)(worker.worker)
app.command("broker", epilog=broker.EXAMPLE)(broker.broker)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("topics", epilog=topics.EXAMPLE)(topics.topics)
app.command("produce", epilog=produce.EXAMPLE)(produce.produce)
app.command("catalogue", epilog=catalogue.EXAMPLE)(catalogue.catalogue)
app.command("go-live", epilog=go_live.EXAMPLE)(go_live.go_live)
app.command("replay", epilog=replay.EXAMPLE)(replay.replay)
app.command("customer", epilog=customer.EXAMPLE)(customer.customer)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("snapshot", epilog=snapshot.EXAMPLE)(snapshot.snapshot)
app.command("erase", epilog=erase.EXAMPLE)(erase.erase)
app.command("watch", epilog=watch.EXAMPLE)(watch.watch)
app.command("reset", epilog=reset.EXAMPLE)(reset.reset)
app.command("settings", epilog=settings.EXAMPLE)(settings.settings)

letters = typer.Typer(help="Records that were refused.", epilog=dead_letters.EXAMPLE, no_args_is_help=True)
letters.command("list", epilog=dead_letters.EXAMPLE)(dead_letters.list_dead_letters)
letters.command("show", epilog=dead_letters.SHOW_EXAMPLE)(dead_letters.show_dead_letter)
letters.command("replay", epilog=dead_letters.REPLAY_EXAMPLE)(dead_letters.replay)
app.add_typer(letters, name="dead-letters")


def _tell(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        typer.echo("\n".join(f"{name} {version}" for name, version in versions().items()))
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the versions of what matters.", callback=_tell)
    ] = False,
) -> None:
    """Silence the logs of Kafka clients before a command.

    The command reports an unreachable broker in one line.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app()
