"""`cartpulse contracts`: the contracts as JSON Schemas and one AsyncAPI document."""

from pathlib import Path
from typing import Annotated

import typer

from models.contracts.documents import documents
from streams.errors import CartpulseError

EXAMPLE = "Example: cartpulse contracts --check"

FOLDER = Path("docs/contracts")


class ContractsDifferError(CartpulseError):
    """The committed documents differ from those of the models."""


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


def write(folder: Path) -> list[Path]:
    """Write the documents that the folder lacks or holds differently. Other files stay.

    Returns:
        Paths written.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents()
    changed = [folder / name for name in differences(folder)]
    for path in changed:
        path.write_text(texts[path.name], encoding="utf-8")
    return changed


def differences(folder: Path) -> list[str]:
    """List the documents that the folder lacks or holds differently, sorted."""
    return sorted(name for name, text in documents().items() if _held(folder / name) != text)


def _held(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
