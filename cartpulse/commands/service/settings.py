"""`cartpulse settings`: the settings in force, and their table in the documentation."""

import json
from typing import Annotated

import typer

from cartpulse.console.options import Json, settings_with
from streams.errors import CartpulseError
from streams.settings.reference import PAGE, with_table

EXAMPLE = "Example: CARTPULSE_PARTITIONS=4 cartpulse settings"


class OutdatedError(CartpulseError):
    """A generated page differs from its source."""


def settings(
    *,
    as_json: Json = False,
    write: Annotated[bool, typer.Option("--write", help=f"Write the table into {PAGE}.")] = False,
    check: Annotated[bool, typer.Option("--check", help=f"Fail if the table in {PAGE} differs.")] = False,
) -> None:
    """Show the settings in force, secrets hidden. All of them are environment variables."""
    if write or check:
        _page(write=write)
        return
    shown = settings_with().shown()
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    width = max(map(len, shown))
    for name, value in shown.items():
        typer.echo(f"{name:<{width}}  {value}")


def _page(*, write: bool) -> None:
    try:
        page = PAGE.read_text(encoding="utf-8")
        fresh = with_table(page)
    except (OSError, ValueError) as error:
        raise OutdatedError(
            f"{PAGE} cannot be looked at ({error}): run this at the top of a checkout."
        ) from error
    if write:
        PAGE.write_text(fresh, encoding="utf-8")
    elif fresh != page:
        raise OutdatedError(f"{PAGE} differs from the settings: run `cartpulse settings --write`.")
