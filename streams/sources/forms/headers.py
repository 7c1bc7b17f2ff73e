"""Header of a CSV file: the line that names the columns, perhaps below a `sep=` line, titles, blank rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.sources.columns import FIELDS, recognised

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS: Final = ",;\t|"
"""Characters that may separate columns, in the order in which ties are broken."""
_DEEPEST_HEADER: Final = 50
"""Lines among which the header is looked for."""
_MOST_JOINED: Final = 10
"""Lines over which a column's name may run."""
_CLEAR: Final = 3
"""Fields that a line below the first must name to be taken as the header."""
_TOLD: Final = 2
"""Fields that another line must name beyond those of the first line."""
_SEPARATOR: Final = re.compile(r'\ufeff?"?sep=(.)"?[\s,;]*', re.IGNORECASE)
_VALUE: Final = re.compile(
    r"[-+(]?[$€£¥]?\d[\d.,' ]*%?\)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|.*\d{4}-\d{2}-\d{2}.*"
)


class Header(NamedTuple):
    """Place and shape of the line that names the columns."""

    place: int
    """Index among the lines examined."""
    delimiter: str
    width: int
    """Number of columns."""


def separator_of(text: str) -> str | None:
    """Return the delimiter that a line such as `sep=;` gives to spreadsheets; None for any other line."""
    found = _SEPARATOR.fullmatch(text.rstrip("\r\n"))
    return found[1] if found else None


def header_in(lines: Sequence[str], delimiters: Sequence[str], *, search: bool) -> Header | None:
    """Find the header among the first lines of a file, and the delimiter of the columns.

    The delimiter is the one with which most lines have as many columns as the header, and more than one. The
    header is the first line, with two exceptions: the first line is a title, with cells in less than half of
    the columns, or a later line has clearly more known names.

    Args:
        lines: Lines that are not blank, at least one.
        delimiters: Candidates, the likeliest first.
        search: True if another line than the first may be the header.

    Returns:
        Header; None where no candidate separates columns.
    """
    best: tuple[tuple[int, bool, int, int], Header] | None = None
    for delimiter in delimiters:
        rows = [cells_of(line, delimiter) for line in lines]
        place = _place(rows) if search else 0
        width = len(rows[place])
        alike = sum(len(row) == width for row in rows[place:])
        rank = (min(_known(rows[place]), _CLEAR), place == 0, alike, width)
        if (width > 1 or len(delimiters) == 1) and (best is None or rank > best[0]):
            best = rank, Header(place, delimiter, width)
    return None if best is None else best[1]


def whole_texts(lines: Sequence[str]) -> list[str]:
    """Join each line that leaves a quoted text open with the lines that close the text.

    The result has as many entries as there are lines, so that places stay. A line that was joined to the one
    above becomes empty.
    """
    texts = list(lines)
    for place in range(min(len(lines), _DEEPEST_HEADER)):
        if texts[place].count('"') % 2 == 0:
            continue
        after = lines[place + 1 : place + 1 + _MOST_JOINED]
        closing = next((number for number, line in enumerate(after, 1) if line.count('"') % 2), 0)
        if closing:
            texts[place : place + closing + 1] = [
                "\n".join(lines[place : place + closing + 1]),
                *[""] * closing,
            ]
    return texts


def cells_of(text: str, delimiter: str) -> list[str]:
    """Split one line into cells, whatever its quotation marks; empty where the line cannot be split."""
    try:
        return next(csv.reader((text,), delimiter=delimiter), [])
    except csv.Error:
        return []


def named(cells: Sequence[str]) -> list[str]:
    """Make the names of columns unique. An empty name becomes its place, a repeated one gets a number."""
    given = [" ".join(cell.strip().strip("\ufeff").split()) for cell in cells]
    names: list[str] = []
    for place, name in enumerate(given, 1):
        number, unique = 1, name or f"column {place}"
        while unique in names or (number > 1 and unique in given):
            number += 1
            unique = f"{name} ({number})"
        names.append(unique)
    return names


def _place(rows: Sequence[Sequence[str]]) -> int:
    """Return the index of the row that names the columns."""
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    looked_at = rows[:_DEEPEST_HEADER]
    known = [_known(row) for row in looked_at]
    likeliest = max(range(len(looked_at)), key=lambda place: (known[place], -place))
    if known[likeliest] >= _CLEAR and known[likeliest] >= known[0] + _TOLD:
        return likeliest
    if known[0] >= _TOLD or _names_columns(rows[0], width):
        return 0
    return next((place for place, row in enumerate(looked_at) if _names_columns(row, width)), 0)


def _names_columns(row: Sequence[str], width: int) -> bool:
    """Return True if a row may be a header by its shape: a text in most columns, and no values."""
    filled = [cell.strip() for cell in row if cell.strip()]
    return (
        len(filled) >= 2
        and len(filled) * 2 > width
        and len(row) * 2 > width
        and not any(_VALUE.fullmatch(cell) for cell in filled)
    )


def _known(row: Sequence[str]) -> int:
    return len(recognised(row, {}, FIELDS))
