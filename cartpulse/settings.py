"""`cartpulse settings`: what can be set, what is set, and the table of it in the documentation."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from cartpulse.options import Json, settings_with
from streams.errors import CartpulseError
from streams.settings import Settings, variable

EXAMPLE = "Example: CARTPULSE_PARTITIONS=4 cartpulse settings"

PAGE = Path("docs/operations.md")
BEGIN = "<!-- settings: written by `cartpulse settings --write` -->"
END = "<!-- settings end -->"


class OutdatedError(CartpulseError):
    """A generated page differs from what it is generated from."""


def settings(
    as_json: Json = False,  # noqa: FBT002 - a flag of the command line
    write: Annotated[bool, typer.Option("--write", help=f"Write the table into {PAGE}.")] = False,  # noqa: FBT002
    check: Annotated[bool, typer.Option("--check", help=f"Fail if the table in {PAGE} differs.")] = False,  # noqa: FBT002
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


def table() -> str:
    """All settings as a Markdown table: variable, default, meaning."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{variable(name)}` | {_default(field.default)} | {field.description} |")
    return "\n".join(rows)


def _page(*, write: bool) -> None:
    if not PAGE.is_file():
        raise OutdatedError(f"{PAGE} is not here: run this at the top of a checkout.")
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise OutdatedError(f"{PAGE} has no place for the table: it needs the lines {BEGIN} and {END}.")
    fresh = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if write:
        PAGE.write_text(fresh, encoding="utf-8")
    elif fresh != text:
        raise OutdatedError(f"{PAGE} differs from the settings: run `cartpulse settings --write`.")


def _default(value: Any) -> str:
    if value is None or value == "" or isinstance(value, SecretStr):
        return ""
    if isinstance(value, tuple):
        return f"{len(value)} categories"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
