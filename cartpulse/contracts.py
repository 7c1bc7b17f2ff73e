"""`cartpulse contracts`: the contracts as JSON Schemas and one AsyncAPI document."""

from pathlib import Path
from typing import Annotated

import typer

from models.contracts import differences, write
from streams.errors import CartpulseError

EXAMPLE = "Example: cartpulse contracts --check"

FOLDER = Path("docs/contracts")


class ContractsDifferError(CartpulseError):
    """The committed documents are not those of the models."""


def contracts(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the documents differ.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where they lie.", file_okay=False)] = FOLDER,
) -> None:
    """Write JSON Schemas of all events, and one AsyncAPI 3 document of all topics."""
    if check:
        if different := differences(folder):
            raise ContractsDifferError(
                f"{', '.join(different)} in {folder} differ from the models: run `cartpulse contracts`."
            )
        typer.echo(f"{folder} is up to date.")
        return
    for path in write(folder):
        typer.echo(path)
