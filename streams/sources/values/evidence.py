"""Evidence of a whole file about texts that can be read in two ways.

`05/06/2010` may be a day in May or in June, and `1.250` more than a thousand or one and a quarter. No single
value can settle that; other values of the same file, which can be read in one way only, may. If all of these
agree, the file has decided. If there are none, or if they contradict each other, a person has to decide:
nothing is guessed row by row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar


class Unreadable(ValueError):  # noqa: N818 - it reads as what it says of a text
    """The text is no date, number or id, or not one that can be read. The message is the reason."""

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(reason)
        self.field = field
        """Field at fault, where it is another than the one being read; else empty."""


class DayOrder(StrEnum):
    """Order of day and month in a date of digits that ends in its year; `--dates`."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"
    CLEAR_ONLY = "clear-only"
    """Refuse every date that could be read in both ways."""


class DecimalMark(StrEnum):
    """Mark that begins the decimals of a number; `--decimal`."""

    POINT = "point"
    COMMA = "comma"
    CLEAR_ONLY = "clear-only"
    """Refuse every number that could be read in both ways."""


R = TypeVar("R", DayOrder, DecimalMark)


class Example(NamedTuple):
    """First value of its sort in a file."""

    text: str
    number: int
    """Line of the file, or its row where the file has no lines."""


@dataclass(slots=True)
class Evidence(Generic[R]):
    """Evidence of the values of one file; one object for each way of writing in the file."""

    counts: dict[R, int] = field(default_factory=dict)
    """Reading -> values that can be read in that way only."""
    first: dict[R, Example] = field(default_factory=dict)
    either: int = 0
    """Values that can be read in both ways."""
    first_either: Example | None = None

    def note(self, reading: R | None, text: str, number: int) -> None:
        """Add one value.

        Args:
            reading: The one way in which the value can be read; None where there are two.
            text: Value as written.
            number: Line or row of the file.
        """
        if reading is None:
            self.either += 1
            self.first_either = self.first_either or Example(text, number)
        else:
            self.counts[reading] = self.counts.get(reading, 0) + 1
            self.first.setdefault(reading, Example(text, number))

    def verdict(self) -> R | None:
        """Return the reading that all clear values share; None without any, or where they contradict."""
        return next(iter(self.counts)) if len(self.counts) == 1 else None

    @property
    def undecided(self) -> bool:
        """True if a person has to choose how the unclear values are read."""
        return self.either > 0 and self.verdict() is None

    def sentence(self, option: str) -> str:
        """Explain why the reading is undecided, with examples, and name the option that settles it."""
        example = self.first_either
        if example is None:
            return ""
        clear = ", ".join(
            f"{count:,} only {reading.value}, first {self.first[reading].text!r} in line "
            f"{self.first[reading].number}"
            for reading, count in sorted(self.counts.items())
        )
        contradiction = f"the clear ones contradict each other ({clear})" if clear else "no other value tells"
        return (
            f"{self.either:,} values such as {example.text!r} in line {example.number} can be read in two "
            f"ways, and {contradiction}. Say which is meant with {option}, or leave them out with {option} "
            "clear-only."
        )
