"""Two ways to read a text, and what a whole file says about which of them it means.

`05/06/2010` may be a day in May or in June, and `1.250` more than a thousand or one and a quarter. No single
value can tell; others of the same file, which can be read in one way only, may. If they all agree, the file
has decided. If there are none, or they contradict each other, a person has to: nothing is guessed by the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar


class Unreadable(ValueError):  # noqa: N818 - it reads as what it says of a text
    """A text that is no date, number or id, or not one that can be told; the message is the reason."""

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(reason)
        self.field = field
        """The field at fault where it is another than the one being read; else empty."""


class DayOrder(StrEnum):
    """How a date in digits is to be read that ends in its year; `--dates`."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"
    CLEAR_ONLY = "clear-only"
    """Refuse every date that could be read in both ways."""


class DecimalMark(StrEnum):
    """Which mark begins the decimals of a number; `--decimal`."""

    POINT = "point"
    COMMA = "comma"
    CLEAR_ONLY = "clear-only"
    """Refuse every number that could be read in both ways."""


R = TypeVar("R", DayOrder, DecimalMark)


class Seen(NamedTuple):
    """The first value of its sort in a file."""

    text: str
    number: int
    """The line, or the row where a file has no lines."""


@dataclass(slots=True)
class Evidence(Generic[R]):
    """What the values of one file say; one for each way of writing in it."""

    counts: dict[R, int] = field(default_factory=dict)
    """Values that can be read in one way only, by that way."""
    first: dict[R, Seen] = field(default_factory=dict)
    either: int = 0
    """Values that can be read in both ways."""
    first_either: Seen | None = None

    def note(self, reading: R | None, text: str, number: int) -> None:
        """Count a value; `reading` is the one way in which it can be read, None where there are two."""
        if reading is None:
            self.either += 1
            self.first_either = self.first_either or Seen(text, number)
        else:
            self.counts[reading] = self.counts.get(reading, 0) + 1
            self.first.setdefault(reading, Seen(text, number))

    def verdict(self) -> R | None:
        """The reading that all clear values share; None if there are none, or if they contradict."""
        return next(iter(self.counts)) if len(self.counts) == 1 else None

    @property
    def undecided(self) -> bool:
        """Whether a person has to say how the unclear values are to be read."""
        return self.either > 0 and self.verdict() is None

    def sentence(self, option: str) -> str:
        """Why it is undecided, with examples, and the option that settles it."""
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
