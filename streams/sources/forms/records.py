"""Tables of objects that may hold objects and lists: JSON in all its arrangements, and Parquet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.sources.forms.tables import TableRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.sources.forms.nested import Paths, Shape

SAMPLE: Final = 2_000
"""Objects at the beginning of a file from which the columns are named."""


class Record(NamedTuple):
    """Object of a file."""

    number: int
    """Line on which the object begins, or its row, from 1."""
    content: dict[str, Any] | None
    """Content; None where there is a fault, unless only some letters could not be decoded."""
    text: str
    """Object as it stands in the file; empty where the file is no text."""
    fault: str


class Records(ABC):
    """Table of objects: one row per object, until `spread` names the list that holds the rows."""

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
        """Make a row of each element of a list.

        Args:
            items: Path of the list.
            also: Paths that become columns even if the first objects do not hold them.

        Raises:
            ColumnsError: There is no such list.
        """
        self._shape = self.paths.shape(items, also)

    def __iter__(self) -> Iterator[TableRow]:
        """Yield every row, from the first."""
        shape = self._shape
        for number, content, text, fault in self.records():
            if content is None:
                yield TableRow(number, (), text, fault)
            elif shape.is_flat:
                yield shape.row(number, content, text)._replace(fault=fault)
            elif fault:
                yield TableRow(number, (), text, fault)
            else:
                yield from shape.rows(number, content, text)

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Yield every object, from the first."""
