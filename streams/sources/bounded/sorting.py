"""Sorting of more records than fit in memory: sorted runs in separate files, merged while they are read."""

from __future__ import annotations

import heapq
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import msgspec

from streams.errors import CartpulseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from _typeshed import SupportsRichComparison


class SortError(CartpulseError):
    """There is no room for the files of a sort. The message says where."""


T = TypeVar("T", bound=msgspec.Struct)

RUN: Final = 100_000
"""Records of one run, and largest number held in memory: about 100 MB of lines of a usual length."""

MOST_RUNS: Final = 64
"""Runs merged at once: files open together, each with one frame in memory."""

_FRAME: Final = 512
"""Records written and read in one go."""


class Sorter(Generic[T]):
    """Sorter that takes records in any order. Equal records stay in the order in which they came.

    Usage::

        with Sorter(Line, key=lambda line: line.basket) as sorter:
            for line in lines:
                sorter.add(line)
            for line in sorter:  # as often as wanted
                ...

    A sort of more than one run writes files to `folder` (the system's temporary folder where it is None). The
    files take about twice as much room as the records' texts, and are deleted at the end.
    """

    def __init__(
        self,
        kind: type[T],
        *,
        key: Callable[[T], SupportsRichComparison],
        folder: Path | None = None,
        run: int = RUN,
    ) -> None:
        self._key, self._run, self._parent = key, run, folder
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]
        self._held: list[T] = []
        self._files: list[Path] = []
        self._made = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, record: T) -> None:
        """Add one record."""
        self._held.append(record)
        if len(self._held) >= self._run:
            self._held.sort(key=self._key)
            self._files.append(self._written(iter(self._held)))
            self._held = []
            if len(self._files) == MOST_RUNS:
                merged = self._written(heapq.merge(*map(self._read, self._files), key=self._key))
                for file in self._files:
                    file.unlink()
                self._files = [merged]

    def __iter__(self) -> Iterator[T]:
        """Yield every record, sorted."""
        self._held.sort(key=self._key)
        return heapq.merge(*map(self._read, self._files), iter(self._held), key=self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the files."""
        self._held, self._files = [], []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _written(self, records: Iterator[T]) -> Path:
        try:
            return self._write(records)
        except OSError as error:
            raise SortError(
                f"The file cannot be sorted: {error.strerror or error}. Temporary files take about twice its "
                "size; name a folder with more room in TMPDIR."
            ) from error

    def _write(self, records: Iterator[T]) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="cartpulse-", dir=self._parent)
        self._made += 1
        path = Path(self._folder.name) / f"run-{self._made}"
        with path.open("wb") as file:
            while frame := list(islice(records, _FRAME)):
                data = self._encode(frame)
                file.write(len(data).to_bytes(4, "big"))
                file.write(data)
        return path

    def _read(self, path: Path) -> Iterator[T]:
        with path.open("rb") as file:
            while length := file.read(4):
                yield from self._frame(file.read(int.from_bytes(length, "big")))

    def _frame(self, data: bytes) -> list[Any]:
        frame: list[Any] = self._decode(data)
        return frame
