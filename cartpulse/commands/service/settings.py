"""`cartpulse settings`: what can be set, and what is set."""

import json

import typer

from cartpulse.console.options import Json, settings_with

EXAMPLE = "Example: CARTPULSE_PARTITIONS=4 cartpulse settings"


def settings(
    *,
    as_json: Json = False,
) -> None:
    """Show the settings in force, secrets hidden. All of them are environment variables."""
    shown = settings_with().shown()
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    width = max(map(len, shown))
    for name, value in shown.items():
        typer.echo(f"{name:<{width}}  {value}")
