"""Recognition of rows that are no sale, by the columns in which shops write an order's status.

A row is left out if any status column says that nothing was bought. Such statuses are: cancelled, voided,
failed, declined, refunded as a whole, returned, expired, drafted, tried, or not paid yet. The next export has
an unpaid order once it is paid, under the same id. An unknown value leaves nothing out; it is counted and
shown. A column that a person judges with `--only` or `--without` is judged by that rule alone.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.sources.columns import place_of, plain
from streams.sources.statuses.values import folded, is_nothing, is_partly, is_yes, meaning
from streams.sources.statuses.words import (
    AMOUNTS,
    DELIVERY,
    FLAGS,
    MOMENTS,
    NO_FLAGS,
    REASONS,
    STATUSES,
    UNCERTAIN,
    UNCERTAIN_FLAGS,
)
from streams.sources.values.cells import text_of_cell
from streams.sources.values.dates import sort_of
from streams.sources.values.evidence import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from streams.sources.values.numerals import NumberReader

MOST_VALUES: Final = 64
"""Different values of a column that may hold statuses. A column with more values holds something else."""
MOST_SHOWN: Final = 100
"""Different values of the status columns that are counted separately."""
LONGEST_VALUE: Final = 60
"""Letters of a value that may be a status."""
OTHERS: Final = "(other values)"
_EPOCH: Final = re.compile(r"\d{9,19}(\.\d+)?")


class Verdict(NamedTuple):
    """Judgement of one row."""

    left_out: str
    """Status by which the row is no sale, such as `status=cancelled`; empty for a sale."""
    silent: str | None = None
    """Fallback for an empty status, where the other lines of the order decide first: the reason to leave the
    row out, or empty to count it as a sale. None where the row has its own status."""
    refunded: float | None = None
    """Amount that the customer got back, or 0 where the status names only a part; None where nothing was paid
    back."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of a person about columns.

    Args:
        only: Column -> values of which a row must have one, in any case.
        without: Column -> values that leave a row out, in any case. Without values, the column is not judged
            at all.
    """

    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    without: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return True if there is a rule."""
        return bool(self.only or self.without)

    def columns(self, names: Sequence[str]) -> dict[int, _Told]:
        """Return the columns with a rule, by their places.

        Raises:
            ColumnsError: A rule names a missing column.
        """
        only, without = _by_place(names, self.only), _by_place(names, self.without)
        return {
            place: _Told(names[place], only.get(place), without.get(place, ()))
            for place in sorted(only.keys() | without.keys())
        }


def _by_place(names: Sequence[str], rules: Mapping[str, Sequence[str]]) -> dict[int, tuple[str, ...]]:
    """Collect the rules of each column by its place. A column's name may be written in several ways."""
    found: dict[int, tuple[str, ...]] = {}
    for column, values in rules.items():
        place = place_of(names, column)
        found[place] = (*found.get(place, ()), *values)
    return found


class ValueCounts:
    """Values of the columns that hold few different ones, counted in bounded memory.

    Args:
        places: Places of the columns to examine.
    """

    def __init__(self, places: Collection[int]) -> None:
        self._counts: dict[int, dict[Any, int]] = {place: {} for place in places}

    def note(self, cells: Sequence[Any]) -> None:
        """Count the cells of one row. A column with many or long values is dropped."""
        dropped = []
        for place, counts in self._counts.items():
            value = cells[place]
            if value.__class__ is not str:
                value = text_of_cell(value)
            if value in counts:
                counts[value] += 1
                continue
            counts[value] = 1
            if len(counts) > MOST_VALUES or len(value) > LONGEST_VALUE:
                dropped.append(place)
        for place in dropped:
            del self._counts[place]

    @property
    def counts(self) -> dict[int, Counter[str]]:
        """Place of a column -> its values and their rows, without empty values."""
        found: dict[int, Counter[str]] = {}
        for place, counts in self._counts.items():
            found[place] = Counter()
            for value, count in counts.items():
                if text := text_of_cell(value):
                    found[place][text] += count
        return found

    def are_yes_or_no(self, place: int) -> bool:
        """Return True if all values of a column are words for yes or no."""
        counts = self.counts.get(place)
        return bool(counts) and all(is_yes(text) or is_nothing(text) for text in counts or ())

    def resembles_status(self, place: int) -> bool:
        """Return True if at least half of the rows hold a word for a status in this column."""
        counts = self.counts.get(place)
        if not counts:
            return False
        known = sum(count for text, count in counts.items() if meaning(text) is not None)
        return 2 * known >= counts.total()


class StatusVerdict(NamedTuple):
    """Judgement of one cell about its row."""

    left_out: str = ""
    """Status by which the row is no sale; empty where nothing speaks against the row."""
    unknown: str = ""
    """Status that is unknown; empty if the status is known."""
    silent: str | None = None
    """Fallback for an empty status, as in `Verdict`."""
    spoken: bool = False
    """True if the cell holds a status, so that the row does not depend on its order."""
    partly: bool = False
    """True if the order is refunded in part."""


_NOTHING: Final = StatusVerdict()


class _Told:
    """Column that a person judges: a row must have one of some values, and none of others."""

    def __init__(self, name: str, only: Collection[str] | None, without: Collection[str]) -> None:
        self._name = name
        self._only = None if only is None else {folded(value): value for value in only}
        self._without = {folded(value): value for value in without}
        self.unmet = {**(self._only or {}), **self._without}
        """Values that no row has had so far: folded -> as written."""

    def __call__(self, cell: Any) -> StatusVerdict:
        """Judge one cell."""
        value = text_of_cell(cell)
        short = folded(value)
        self.unmet.pop(short, None)
        label = _label(self._name, value)
        if short in self._without:
            return StatusVerdict(label)
        if self._only is not None and short not in self._only:
            return StatusVerdict(label) if value else StatusVerdict(silent=label)
        return StatusVerdict(silent=None if value or not (self._only or self._without) else "")


class _Words:
    """Column of statuses."""

    def __init__(self, name: str, sales: Collection[str] = ()) -> None:
        self._name, self._sales = name, sales

    def __call__(self, cell: Any) -> StatusVerdict:
        """Judge one cell."""
        value = text_of_cell(cell)
        if not value:
            return StatusVerdict(silent="")
        sale = True if value.lower() in self._sales else meaning(value)
        if sale is None:
            return StatusVerdict(unknown=_label(self._name, value), spoken=True)
        return (
            StatusVerdict(spoken=True, partly=is_partly(value))
            if sale
            else StatusVerdict(_label(self._name, value))
        )


class _Mark:
    """Column that is filled only for rows that are no sale: with a yes, a moment or a reason."""

    def __init__(self, name: str, *, first_alone: bool) -> None:
        self._name, self._reasons = name, plain(name) in REASONS
        self._none = StatusVerdict(silent="") if first_alone else _NOTHING

    def __call__(self, cell: Any) -> StatusVerdict:
        """Judge one cell."""
        text = text_of_cell(cell)
        if is_nothing(text):
            return self._none
        if is_yes(text) or meaning(text) is False:
            return StatusVerdict(_label(self._name, text))
        moment = isinstance(cell, date) or sort_of(text) is not None or _EPOCH.fullmatch(text)
        if self._reasons or moment:
            return StatusVerdict(f"{self._name} set")
        return _NOTHING if meaning(text) else StatusVerdict(unknown=_label(self._name, text))


class _NoMark:
    """Column whose no means no sale, such as `is_paid`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, cell: Any) -> StatusVerdict:
        """Judge one cell."""
        text = text_of_cell(cell)
        if not text or is_yes(text):
            return _NOTHING
        label = _label(self._name, text)
        return StatusVerdict(label) if is_nothing(text) else StatusVerdict(unknown=label)


class Judge:
    """Judge of the rows of one file.

    Args:
        columns: Names of the file's columns.
        used: Places of the columns that hold fields.
        rules: Rules of a person about columns.
        values: Values of the file's columns, for names such as `state` that may mean something else.
        numbers: Reader of the file's numbers.
        first_alone: Places of the marks that stand only on an order's first line and hold for the whole
            order.
        status: Place of the status column of a known layout; names decide about all other columns.
        sales: Values of that column that mean a sale in this layout, in lower case.

    Raises:
        ColumnsError: A rule names a missing column.
    """

    def __init__(
        self,
        columns: Sequence[str],
        used: Collection[int],
        rules: Rules,
        values: ValueCounts,
        *,
        numbers: NumberReader,
        first_alone: Collection[int] = (),
        status: int | None = None,
        sales: Collection[str] = (),
    ) -> None:
        self._names, self._numbers = columns, numbers
        self._told = rules.columns(columns)
        self._judges: list[tuple[int, Callable[[Any], StatusVerdict]]] = list(self._told.items())
        self._amounts: list[int] = []
        for place, name in enumerate(columns):
            if place in used or place in self._told:
                continue
            kind = plain(name)
            is_status = kind in STATUSES or (place == status and kind not in FLAGS)
            if is_status or (kind in UNCERTAIN and values.resembles_status(place)):
                self._judges.append((place, _Words(name, sales if place == status else ())))
            elif kind in FLAGS | MOMENTS | REASONS:
                self._judges.append((place, _Mark(name, first_alone=place in first_alone)))
            elif kind in NO_FLAGS or (kind in UNCERTAIN_FLAGS and values.are_yes_or_no(place)):
                self._judges.append((place, _NoMark(name)))
            elif kind in AMOUNTS:
                self._amounts.append(place)
        self.judged = sorted({*(place for place, _ in self._judges), *self._amounts})
        """Places of the columns that are judged."""
        self.unused = [
            place
            for place in values.counts
            if place not in used and place not in self.judged and self._is_status(place, values)
        ]
        """Places of the columns that nothing uses although their values look like a status."""
        self.kept: Counter[str] = Counter()
        """Unknown status, such as `status=on hold` -> rows that are kept in spite of it."""

    def judge(self, cells: Sequence[Any]) -> Verdict:
        """Decide if a row is a sale, and count its unknown statuses."""
        silent: str | None = None
        spoken, partly, unknown = False, False, []
        for place, column in self._judges:
            said = column(cells[place])
            if said.left_out:
                return Verdict(said.left_out)
            if said.unknown:
                unknown.append(said.unknown)
            spoken |= said.spoken
            partly |= said.partly
            silent = silent or (said.silent if said.silent is not None else silent)
        for label in unknown:
            self.kept[label if label in self.kept or len(self.kept) < MOST_SHOWN else OTHERS] += 1
        refunded = 0.0 if partly else max((self._amount(cells[place]) for place in self._amounts), default=0)
        return Verdict(
            "", None if spoken and not silent else silent, refunded if partly or refunded else None
        )

    def left_out(self, cells: Sequence[Any], *, words: bool = False) -> str:
        """Return the status by which an unreadable row is no sale; empty if it has none. Nothing is counted.

        Args:
            cells: Cells of the row.
            words: Ignore columns of yes and no, because cells may stand in the wrong columns.
        """
        for place, column in self._judges:
            if words and not isinstance(column, _Words):
                continue
            if said := column(cells[place]).left_out:
                return said
        return ""

    @property
    def width(self) -> int:
        """Number of the file's columns."""
        return len(self._names)

    def _is_status(self, place: int, values: ValueCounts) -> bool:
        """Return True if an unused column looks like a status.

        A column of deliveries does only if one delivery failed.
        """
        kind = plain(self._names[place])
        way = any(word in kind for word in DELIVERY)
        failed = any(meaning(value) is False for value in values.counts[place])
        return values.resembles_status(place) and (failed or not way)

    @property
    def unmet(self) -> list[str]:
        """Values that a person named and no row has, such as `status=canceled`."""
        return [
            _label(self._names[place], value)
            for place, column in self._told.items()
            for value in column.unmet.values()
        ]

    def _amount(self, cell: Any) -> float:
        try:
            return abs(self._numbers.number(cell.strip() if isinstance(cell, str) else cell))
        except Unreadable:
            return 0.0


def marks_of(names: Sequence[str], used: Collection[int]) -> list[int]:
    """Find the columns of moments and reasons that may stand on an order's first line alone.

    Args:
        names: Names of the file's columns.
        used: Places of the columns that hold fields.

    Returns:
        Places of the columns; none where a status column judges each line or order.
    """
    if any(plain(name) in STATUSES for name in names):
        return []
    marks = MOMENTS | REASONS
    return [place for place, name in enumerate(names) if place not in used and plain(name) in marks]


def _label(name: str, value: str) -> str:
    return f"{name}={value[:LONGEST_VALUE]}"
