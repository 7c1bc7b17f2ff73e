"""Cells of a row, whatever program wrote them: as texts, as identifiers, as moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.sources.values.dates import Dated
from streams.sources.values.identifiers import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Undecoded(str):
    """Bytes of a cell that are not UTF-8, escaped as far as needed to show them."""

    __slots__ = ()


def decoded(value: bytes) -> str:
    """Decode bytes of a cell as UTF-8; return an `Undecoded` where they are no UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Undecoded(value.decode("utf-8", "backslashreplace"))


_LONGEST_NOTHING: Final = max(map(len, NOTHING))


def text_of_cell(value: Any) -> str:
    """Return a cell as an identifier or a name; empty where programs write that they have no value."""
    if isinstance(value, str):
        text = value.strip()
        return "" if len(text) <= _LONGEST_NOTHING and text.lower() in NOTHING else text
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN alone differs


def date_cell(cells: Sequence[Any], columns: Mapping[str, int]) -> Any:
    """Return the moment of a row as the file has it, with its time of day from another column, if any."""
    value = cell(cells, columns["occurred_at"])
    if "time" not in columns:
        return value
    clock = cell(cells, columns["time"])
    # A missing time is NaN, which alone differs from itself, or a word that programs write for no value.
    missing = clock is None or clock != clock or (isinstance(clock, str) and clock.lower() in NOTHING)  # noqa: PLR0124
    return value if missing else Dated(value, clock)


def cell(cells: Sequence[Any], place: int) -> Any:
    """Return the cell in a place of a row, a text without the blanks around it."""
    value = cells[place]
    return value.strip() if isinstance(value, str) else value
