"""List of the file layouts that have a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from streams.sources.layouts import PRESETS

if TYPE_CHECKING:
    from rich.console import Console


def show_presets(console: Console, *, as_json: bool) -> None:
    """Show every layout with its name and the columns by which it is recognised."""
    if as_json:
        listed = [
            {"name": preset.name, "title": preset.title, "known_by": preset.signs, "source": preset.source}
            for preset in PRESETS.values()
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    table = Table("--preset", "layout", "known by")
    for preset in PRESETS.values():
        table.add_row(preset.name, escape(preset.title), escape(", ".join(preset.signs)))
    console.print(table)
    console.print(
        "A file that has all the columns of a layout is read by it; --preset NAME forces one, --preset none "
        "goes by the columns' names alone.",
        highlight=False,
    )
