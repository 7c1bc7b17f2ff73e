"""Tables of objects that may hold objects and lists: JSON in all its arrangements, and Parquet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.sources.forms.tables import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.sources.forms.nested import Paths, Shape

SAMPLE: Final = 2_000
"""Objects from which the columns are named."""


class Record(NamedTuple):
    """One object of a file."""

    number: int
    """Line on which it begins, or its row, from 1."""
    content: dict[str, Any] | None
    """None where there is a fault, unless that is one of letters alone."""
    text: str
    """The object as it stands in the file; empty where the file is no text."""
    fault: str


class Records(ABC):
    """A table of objects: one row each, until `spread` says which list of theirs holds the rows."""

    form: str

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._shape: Shape = paths.shape()

    @property
    def columns(self) -> list[str]:
        """Names of the columns, as paths."""
        return self._shape.columns

    @property
    def items(self) -> str:
        """Path of the list that is spread into rows; empty where an object is a row."""
        return self._shape.items

    def spread(self, items: str, also: Iterable[str] = ()) -> None:
        """Make a row of each element of a list, and columns of paths that the first objects do not hold.

        Raises:
            ColumnsError: There is no such list.
        """
        self._shape = self.paths.shape(items, also)

    def __iter__(self) -> Iterator[Row]:
        """Every row, from the first."""
        shape = self._shape
        for number, content, text, fault in self.records():
            if content is None:
                yield Row(number, (), text, fault)
            elif shape.is_flat:
                yield shape.row(number, content, text)._replace(fault=fault)
            elif fault:
                yield Row(number, (), text, fault)
            else:
                yield from shape.rows(number, content, text)

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Every object, from the first."""
