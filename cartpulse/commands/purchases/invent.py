"""Sending of invented purchases, or a look at the first of them."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from cartpulse.commands.purchases.clocks import ready, with_clock
from cartpulse.commands.purchases.report import FIRST_BASKETS, first_of, show_baskets
from cartpulse.commands.purchases.sending import said, send_with_bar
from cartpulse.console.exit import run
from streams.clock import SystemClock
from streams.errors import SettingsError
from streams.kafka.topics import keeps_producer_time
from streams.sources.position import SUFFIX, Destination, Position
from streams.sources.synthetic.purchases import Synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from streams.settings.settings import Settings
    from streams.sources.synthetic.process import Process


def show_invented(console: Console, settings: Settings, process: Process, *, as_json: bool) -> None:
    """Show the first baskets of a process."""
    first = list(islice(Synthetic(process, settings.ledger), FIRST_BASKETS))
    if as_json:
        typer.echo(json.dumps({"process": str(process), "first_baskets": first_of(first)}, indent=2))
        return
    console.print(str(process), highlight=False)
    show_baskets(console, first)
    console.print("Nothing was sent: this was a rehearsal.", highlight=False)


def send_invented(
    console: Console,
    settings: Settings,
    process: Process,
    *,
    state_dir: Path | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Send all purchases of a process.

    Args:
        console: Console to print on.
        settings: Service settings.
        process: Parameters of the invented purchases.
        state_dir: Folder of the position, from which an interrupted sending continues; None keeps no
            position.
        restart: Ignore the position, and send from the beginning.
        as_json: Write one JSON object instead of sentences.
    """
    shaping = (settings.currency, settings.time_zone, settings.boundary_hour)
    destination = Destination(
        str(process),
        repr((*shaping, settings.lateness_minutes)),
        settings.kafka_broker,
        settings.purchases_topic,
        settings.partitions,
    )
    position = Position(state_dir / f"synthetic{SUFFIX}" if state_dir else None, destination)
    if position.load(restart=restart).finished:
        typer.echo("All of it was sent before; --restart sends it again, and counts nothing twice.", err=True)
        return
    # Purchases of the future need a topic that keeps the producers' timestamps.
    source = Synthetic(process, settings.ledger)
    ahead = process.end_ms > SystemClock().now_ms()
    clock = run(ready(settings, producer_time=ahead))
    if ahead and not run(keeps_producer_time(settings)):
        raise SettingsError(
            f"{process} reaches into the future, and {settings.purchases_topic} carries the broker's time: "
            "workers would refuse what lies ahead of it. Make topics of its own with `cartpulse topics "
            "--producer-time`."
        )
    records = with_clock(source, settings, clock)
    result = send_with_bar(
        console, settings, position, records, total=process.days, passed=lambda: source.day + 1, stamped=ahead
    )
    made = _invented(source.counts)
    if as_json:
        typer.echo(json.dumps({"process": str(process)} | made | result))
        return
    console.print(", ".join(f"{name}: {count:,}" for name, count in made.items()), highlight=False)
    console.print(said(result, settings), highlight=False)


def _invented(counts: Mapping[str, int]) -> dict[str, Any]:
    return {"purchases": counts["purchase"], "returns": counts["return"]} | {
        name: counts[name] for name in ("duplicates", "disorder", "late", "misrouted", "hostile")
    }
