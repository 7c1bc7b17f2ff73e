"""Ids that spreadsheets and data frames have changed, and the evidence of a whole column about that.

A spreadsheet shows 4001260000012 as `4.00126E+12` and saves what it shows, so that many customers become one.
A spreadsheet also keeps only 15 digits of a longer number, turns `1-2` into a date and `true` into a truth
value. A data frame with a gap in a column of numbers writes `13085.0` for 13085. Lost digits cannot be found
again, so a person is asked before such a file is sent. Ids are never merged or split in silence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streams.sources.values.evidence import Example, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_FIELDS: Final = ("customer_id", "basket_id", "product_id", "store_id")
NOTHING: Final = frozenset({"", "null", "nan", "none", "n/a", "#n/a", "na", "\\n"})
"""Texts that programs write, in any case, where they have no value."""

_MONTH: Final = (
    r"(?:jan|feb|mar|m\u00e4r|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|janv|f\u00e9vr|avr|juin|"
    r"juil|ao\u00fbt|d\u00e9c|ene|abr|ago|dic|giu|lug|ott|fev|mrt)\.?"
)
"""Months as spreadsheets shorten them in several languages, without words of shops such as `set`."""
_FORM: Final = re.compile(
    r"(?P<digits>[0-9]+)"
    r"|(?P<whole>[0-9]+[.,]0+)"
    r"|(?P<decimal>[0-9]+\.[0-9]+)"
    r"|(?P<exponent>[-+]?[0-9](?:[.,][0-9]+)?[eE][-+][0-9]{1,3}|[-+]?[0-9][.,][0-9]+[eE][0-9]{1,3})"
    rf"|(?P<date>(?i:[0-9]{{1,2}}(?:[-/]|\. ?){_MONTH}(?:[- ][0-9]{{2,4}})?|{_MONTH}[- ][0-9]{{2}}))"
    r"|(?P<truth>(?i:true|false|wahr|falsch|vrai|faux|verdadero|falso))"
    r"|(?P<error>\#(?:N/A|NV|\#+|[^\s\d]\S{1,11}[!?]))"
)
_DAMAGED: Final = frozenset({"exponent", "date", "truth"})
_DIGITS_KEPT: Final = 15
"""Digits of a number that a spreadsheet keeps; further digits become 0."""
_DIGITS_SHOWN: Final = 6
_LONG: Final = 12
"""Digits from which on a spreadsheet shows a number with an exponent and six digits. Such a number, written
out again, ends in 0."""
_INEXACT: Final = 2**53
"""Smallest number from which on not every whole number is a floating-point number."""
_MOST_HELD: Final = 1_000
"""Long ids of a column that are examined."""
_REMEDY: Final = "Format the column as text, import the original again, and export it; or say"


class DamagedIds(StrEnum):
    """Treatment of rows with ids that a spreadsheet has destroyed; `--damaged-ids`."""

    REFUSE = "refuse"
    TAKE = "take"
    """Take the ids as written: ids that look alike become one."""


class FloatIds(StrEnum):
    """Reading of `13085.0` where `13085` occurs too; `--float-ids`."""

    JOIN = "join"
    """Read both as the same id, 13085."""
    KEEP = "keep"
    """Read them as two ids."""


@dataclass(frozen=True, slots=True)
class IdReading:
    """Reading of the ids of one column."""

    damaged: DamagedIds | None = None
    """Treatment of damaged ids; None where nobody has chosen: they are refused."""
    floats: FloatIds | None = FloatIds.KEEP
    """Reading of ids with a decimal 0; None where nobody has chosen: they are refused."""
    rounded: bool = False
    """True if long ids that end in 0 are damaged."""


class IdReader:
    """Reader of the ids of one column.

    >>> IdReader(IdReading(floats=FloatIds.JOIN)).read("13085.0"), IdReader(IdReading()).read(13085.0)
    ('13085', '13085')
    """

    def __init__(self, reading: IdReading) -> None:
        self._reading = reading
        self._text = lru_cache(maxsize=1 << 16)(self._read)

    def read(self, value: Any) -> str:
        """Read a cell as an id; empty where the cell holds none.

        Raises:
            Unreadable: The cell holds a damaged id, or a value that is no id.
        """
        if isinstance(value, str):
            return self._text(value)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            return self._text(str(value))
        if isinstance(value, float) and abs(value) >= _INEXACT:
            raise Unreadable(
                f"{value!r} is a number with decimals, which beyond 2^53 is no longer exact: write ids as "
                "text or as whole numbers"
            )
        if isinstance(value, float | Decimal):
            return self._text(str(int(value))) if value == value // 1 else str(value)
        if isinstance(value, bool | list | dict):
            raise Unreadable(f"{value!r} is no id")
        return str(value)

    def _read(self, value: str) -> str:
        text = value.strip()
        form = form_of(text)
        if form == "error":
            raise Unreadable(f"{text!r} is a spreadsheet's error, no id")
        if form is None or form == "decimal":
            return "" if text.lower() in NOTHING else text
        damaged = form in _DAMAGED or (self._reading.rounded and _is_rounded(text))
        if damaged and self._reading.damaged is not DamagedIds.TAKE:
            raise Unreadable(f"{text!r} is no id any more: a spreadsheet has changed it")
        if form != "whole" or self._reading.floats is FloatIds.KEEP:
            return text
        if self._reading.floats is None:
            raise Unreadable(f"{text!r} may be the same as {_without_decimals(text)!r}: write both alike")
        return _without_decimals(text)


@lru_cache(maxsize=1 << 16)
def form_of(text: str) -> str | None:
    """Name the form of an id, a group of `_FORM`; None if nothing is special about it."""
    found = _FORM.fullmatch(text)
    return found.lastgroup if found else None


@dataclass(slots=True)
class IdEvidence:
    """Evidence of the ids of a column about each other: one `note` per value, then the verdicts."""

    counts: Counter[str] = field(default_factory=Counter)
    """Form -> ids."""
    first: dict[str, Example] = field(default_factory=dict)
    long: dict[str, int] = field(default_factory=dict)
    """Id of many digits -> line on which it is first."""
    led: Counter[int] = field(default_factory=Counter)
    """Length -> ids that begin with 0."""
    shortest: Example | None = None
    """First of the shortest ids that are digits and do not begin with 0."""

    def note(self, value: Any, number: int) -> None:
        """Add one id.

        Args:
            value: Cell.
            number: Line or row of the file.
        """
        if not isinstance(value, str):
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
                return
            value = str(int(value))
        text = value.strip()
        form = form_of(text)
        if form is None:
            return
        self._count(form, text, number)
        if form != "digits":
            return
        if text[0] == "0":
            self.led[len(text)] += 1
        elif self.shortest is None or len(text) < len(self.shortest.text):
            self.shortest = Example(text, number)
        if len(text) >= _LONG and len(self.long) < _MOST_HELD:
            self.long.setdefault(text, number)

    def _count(self, form: str, text: str, number: int) -> None:
        self.counts[form] += 1
        if form not in self.first:
            self.first[form] = Example(text, number)

    @property
    def rounded(self) -> bool:
        """True if nine in ten ids that a spreadsheet would round are round, and not by chance."""
        longer = [text for text in self.long if len(text) > _DIGITS_KEPT]
        return _mostly_rounded(longer) or _mostly_rounded([*self.long])

    def reading(self, damaged: DamagedIds | None, floats: FloatIds | None) -> IdReading:
        """Decide how the column is read.

        Args:
            damaged: Treatment of damaged ids that a person chose; None without one.
            floats: Reading of ids with a decimal 0 that a person chose; None lets the column decide.
        """
        if floats is None and self.counts["whole"] and not self.counts["decimal"]:
            floats = None if self.counts["digits"] else FloatIds.JOIN
        elif floats is None:
            floats = FloatIds.KEEP
        return IdReading(damaged, floats, self.rounded)

    def questions(self, column: str, reading: IdReading) -> list[str]:
        """Return the questions that a person has to answer before the file can be sent, a sentence each."""
        asked = []
        damaged = self._damage() if reading.damaged is None else ""
        if damaged:
            asked.append(
                f"Column {column!r}: {damaged}. {_REMEDY} --damaged-ids refuse or --damaged-ids take."
            )
        if reading.floats is None:
            whole, digits = self.first["whole"], self.first["digits"]
            asked.append(
                f"Column {column!r}: {self.counts['whole']:,} ids such as {whole.text!r} in line "
                f"{whole.number} have a decimal 0, and {self.counts['digits']:,} such as {digits.text!r} in "
                f"line {digits.number} have none. Are they the same? Say --float-ids join or "
                "--float-ids keep."
            )
        return asked

    def remarks(self, column: str, reading: IdReading) -> list[str]:
        """Describe what was done to the ids, or may have been done before, a sentence each."""
        said = []
        if reading.floats is FloatIds.JOIN and self.counts["whole"]:
            text = self.first["whole"].text
            said.append(f"Column {column!r}: ids lose a decimal 0; {text} is {_without_decimals(text)}.")
        length, shortest = max(self.led, default=0), self.shortest
        if len(self.led) == 1 and shortest is not None and len(shortest.text) < length:
            said.append(
                f"Column {column!r}: {self.led[length]:,} ids of {length} digits begin with 0, others are "
                f"shorter, such as {shortest.text!r} in line {shortest.number}: has a spreadsheet taken "
                "zeros away?"
            )
        return said

    def _damage(self) -> str:
        told = {
            "exponent": "have lost their last digits to an exponent",
            "date": "have become dates",
            "truth": "have become truth values",
        }
        said = [
            f"{self.counts[form]:,} ids {what}, first {self.first[form].text!r} in line "
            f"{self.first[form].number}"
            for form, what in told.items()
            if self.counts[form]
        ]
        if self.rounded:
            text, number = next(each for each in self.long.items() if _is_rounded(each[0]))
            said.append(f"long ids end in 0 as if rounded, first {text!r} in line {number}")
        return " and ".join(said) and f"a spreadsheet has changed ids: {' and '.join(said)}"


def readers(readings: Mapping[str, IdReading]) -> dict[str, IdReader]:
    """Make a reader for each column of ids, by field."""
    return {name: IdReader(readings.get(name, IdReading())) for name in ID_FIELDS}


def _mostly_rounded(ids: list[str]) -> bool:
    zeros = [_zeros(text) for text in ids if _is_rounded(text)]
    return sum(zeros) > 1 and len(zeros) * 10 >= len(ids) * 9


def _is_rounded(text: str) -> bool:
    if len(text) < _LONG or not text.isdecimal():
        return False
    return _zeros(text) >= len(text) - (_DIGITS_KEPT if len(text) > _DIGITS_KEPT else _DIGITS_SHOWN)


def _zeros(text: str) -> int:
    return len(text) - len(text.rstrip("0"))


def _without_decimals(text: str) -> str:
    return re.split("[.,]", text)[0]
