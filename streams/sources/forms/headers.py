"""The line that names the columns of a CSV file, which may stand below a `sep=` line, titles, blank rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.sources.columns import FIELDS, recognised

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS: Final = ",;\t|"
"""Letters that may part columns, in the order in which ties are broken."""
_DEEPEST_HEADER: Final = 50
"""Lines among which the columns' names are looked for."""
_MOST_JOINED: Final = 10
"""Lines over which a column's name may run."""
_CLEAR: Final = 3
"""Fields that names must tell for a line below the first to be the header."""
_TOLD: Final = 2
"""More fields than the first line tells that another must."""
_SEPARATOR: Final = re.compile(r'\ufeff?"?sep=(.)"?[\s,;]*', re.IGNORECASE)
_VALUE: Final = re.compile(
    r"[-+(]?[$€£¥]?\d[\d.,' ]*%?\)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|.*\d{4}-\d{2}-\d{2}.*"
)


class Header(NamedTuple):
    """Place and shape of the line that names the columns."""

    place: int
    """Index among the lines looked at."""
    delimiter: str
    width: int
    """Number of columns that it names."""


def separator_of(text: str) -> str | None:
    """The delimiter that a line such as `sep=;` tells to spreadsheets; None for any other line."""
    found = _SEPARATOR.fullmatch(text.rstrip("\r\n"))
    return found[1] if found else None


def header_in(lines: Sequence[str], delimiters: Sequence[str], *, search: bool) -> Header | None:
    """The header among the first lines of a file, and what parts the columns; None where nothing does.

    That delimiter is chosen by which most lines have as many columns as the header, and more than one. The
    header is the first line, unless that is a title, with cells in less than half of the columns, or a later
    one has clearly more names that are known.

    Args:
        lines: Not blank, at least one.
        delimiters: Candidates, the likeliest first.
        search: Whether another line than the first may be it.
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
    """The first lines of a file, each that leaves a text in quotation marks open with those that close it.

    As many as there are lines, so that places stay; a line that belongs to the one above is empty.
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
    """The cells of one line, however its quotation marks stand; empty where they cannot be read."""
    try:
        return next(csv.reader((text,), delimiter=delimiter), [])
    except csv.Error:
        return []


def named(cells: Sequence[str]) -> list[str]:
    """Names of columns, each another: what is empty is named by its place, what is repeated by its number."""
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
    """Find the row that names the columns."""
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
    """Tell whether a row may be a header by its shape: a text in most columns of the file, and no values."""
    filled = [cell.strip() for cell in row if cell.strip()]
    return (
        len(filled) >= 2
        and len(filled) * 2 > width
        and len(row) * 2 > width
        and not any(_VALUE.fullmatch(cell) for cell in filled)
    )


def _known(row: Sequence[str]) -> int:
    return len(recognised(row, {}, FIELDS))
