"""Table of the report: a row per model, a column per measure, notes beneath."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Cell = float | str | None


@dataclass
class Table:
    """Figures of one section."""

    title: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[Cell, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, model: str, *cells: Cell) -> None:
        """Add a row.

        Raises:
            ValueError: There are more or fewer cells than columns.
        """
        if len(cells) != len(self.columns):
            raise ValueError(f"{model}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows[model] = cells

    def lines(self) -> list[str]:
        """Return the table for people, as Markdown."""
        body = [[model, *map(_text, cells)] for model, cells in self.rows.items()]
        head = ["", *self.columns]
        wide = [max(len(row[place]) for row in [head, *body]) for place in range(len(head))]
        lines = [f"### {self.title}", "", _line(head, wide), _line(["-" * width for width in wide], wide)]
        lines += [_line(row, wide) for row in body]
        return [*lines, "", *(f"- {note}" for note in self.notes), ""]

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        rows = {model: dict(zip(self.columns, cells, strict=True)) for model, cells in self.rows.items()}
        return {"title": self.title, "rows": rows, "notes": self.notes}


def _line(cells: list[str], wide: list[int]) -> str:
    first, *others = [
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, wide, strict=True))
    ]
    return f"| {' | '.join([first, *others])} |"


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    return f"{cell:.4f}" if abs(cell) < 10 else f"{cell:,.2f}"
