"""Files with one thing bought in each row: CSV and its kin, JSON lines, Parquet; in bounded memory.

A row that cannot be read is yielded with its fault, and reading goes on behind it. That is hard in CSV
alone, where a quotation mark that nobody closes would swallow what follows: see `Delimited`.
"""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from streams.errors import CartpulseError
from streams.sources.texts import LONGEST_LINE, TextLine, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streams.sources.texts import Encoding

DELIMITERS: Final = ",;\t|"
"""What may part columns, in the order in which ties are broken."""
_SAMPLE_LINES: Final = 200
_MOST_CONTINUED: Final = 100
"""Lines of a file that one quoted text may run over."""
_PARQUET_ROWS: Final = 8_192


class FileError(CartpulseError):
    """A file that cannot be read as what it should be; the message says what to do."""


class Row(NamedTuple):
    """One row of a file."""

    number: int
    """Line of the file, from 1; in Parquet the row, from 1."""
    cells: Sequence[Any]
    """One per column: text, or what JSON and Parquet hold."""
    text: str
    """The row as it stands in the file; JSON for Parquet."""
    fault: str
    """Why it cannot be taken; empty if it can."""


class Table(Protocol):
    """A file of rows under named columns."""

    form: str
    """What it is, for people."""
    columns: list[str]

    def __iter__(self) -> Iterator[Row]:
        """Every row, from the first."""


class Delimited:
    """A CSV file, whatever parts its columns.

    A text in quotation marks may run over several lines. If a line leaves one open, it is joined with what
    follows until the text is closed, but only if the whole then has as many columns as the header and no line
    of it is a whole row by itself. Otherwise the mark is a slip: that line is refused, the next is a row.

    Args:
        path: The file.
        encoding: Of its letters.
        delimiter: What parts the columns; None finds out.
        header: Whether the first line names the columns; else they are called 1, 2, ...

    Raises:
        FileError: It has no lines, or nothing in it parts columns.
    """

    form = "CSV"

    def __init__(
        self, path: Path, encoding: Encoding, *, delimiter: str | None = None, header: bool = True
    ) -> None:
        self._path, self._encoding, self._header = path, encoding, header
        self.plausible: Callable[[Sequence[str]], bool] = lambda _: True
        """Whether cells look like a row, and not like the end of a text that has delimiters in it; to be set
        by whoever knows what the columns hold."""
        sample = [line for line in islice(lines_of(path, encoding), _SAMPLE_LINES) if line.text.strip()]
        if not sample:
            raise FileError(f"{path} is empty")
        self.delimiter = delimiter or _delimiter(sample)
        names = self._parsed(sample[0].text)
        if sample[0].fault or names is None:
            raise FileError(
                f"The first line of {path} cannot be read: {sample[0].fault or 'its quotation marks'}"
            )
        self._first = sample[0].number
        self.columns = (
            [name.strip().strip("\ufeff") for name in names]
            if header
            else [str(number) for number in range(1, len(names) + 1)]
        )

    def __iter__(self) -> Iterator[Row]:
        """Every row; those that are blank, or of empty cells, are none."""
        waiting: list[TextLine] = []
        source = lines_of(self._path, self._encoding)
        if self._header:
            source = (line for line in source if line.number > self._first)
        while (line := waiting.pop(0) if waiting else next(source, None)) is not None:
            if not line.text.strip():
                continue
            if line.fault:
                yield Row(line.number, (), line.text, line.fault)
                continue
            cells = self._parsed(line.text)
            if cells is None:
                row, used = self._joined(line, waiting, source)
                del waiting[:used]
                yield row
            elif any(cells):
                yield Row(line.number, cells, line.text, self._miscounted(cells))

    def _joined(self, line: TextLine, waiting: list[TextLine], source: Iterator[TextLine]) -> tuple[Row, int]:
        """The row of a line that leaves a quotation open, and how many more lines it takes."""
        text = line.text
        in_first = self.delimiter not in text.partition('"')[0]
        for used in range(1, _MOST_CONTINUED):
            if len(waiting) < used:
                coming = next(source, None)
                if coming is None:
                    break
                waiting.append(coming)
            more = waiting[used - 1]
            text = f"{text}\n{more.text}"
            alone = self._parsed(more.text)
            whole_alone = alone is not None and len(alone) == len(self.columns) and self.plausible(alone)
            cells = self._parsed(text)
            if (
                more.fault
                or len(text) > LONGEST_LINE
                or (whole_alone and not (in_first and cells is not None))
            ):
                break
            if cells is not None:
                if len(cells) != len(self.columns):
                    break
                return Row(line.number, cells, text, ""), used
        return Row(line.number, (), line.text, "a quotation mark opens a text that is not closed"), 0

    def _parsed(self, text: str) -> list[str] | None:
        """The cells of a line; None where a quotation is open or closed in the wrong place."""
        if '"' not in text:
            return text.split(self.delimiter)
        try:
            return next(csv.reader((text,), delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None

    def _miscounted(self, cells: list[str]) -> str:
        """Why the row has the wrong number of columns; empty cells behind the last column do not count."""
        if len(cells) >= len(self.columns) and not any(cells[len(self.columns) :]):
            return ""
        return f"has {len(cells)} columns, not {len(self.columns)}"


class JsonLines:
    """A file with one flat JSON object a line; the columns are the names in the first 200 lines.

    Raises:
        FileError: No line holds an object.
    """

    form = "JSON lines"

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._path, self._encoding = path, encoding
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        names: dict[str, None] = {}
        for line in islice(lines_of(path, encoding), _SAMPLE_LINES):
            found, _ = self._object(line)
            names |= dict.fromkeys(found or ())
        if not names:
            raise FileError(f"{path} holds no JSON object in its first {_SAMPLE_LINES} lines")
        self.columns = list(names)

    def __iter__(self) -> Iterator[Row]:
        """Every row; blank lines are none."""
        for line in lines_of(self._path, self._encoding):
            if line.text.strip():
                found, fault = self._object(line)
                cells = [] if found is None else [found.get(name) for name in self.columns]
                yield Row(line.number, cells, line.text, fault)

    def _object(self, line: TextLine) -> tuple[dict[str, Any] | None, str]:
        if line.fault:
            return None, line.fault
        try:
            return self._decode(line.text), ""
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return None, f"is no JSON object: {error}"


class Parquet:
    """A Parquet file, in runs of a few thousand rows.

    Raises:
        FileError: It is none.
    """

    form = "Parquet"

    def __init__(self, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415 - takes 0.1 s, which other files need not wait for
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                self.columns = list(file.schema_arrow.names)
                self.rows = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise FileError(f"{path} is no Parquet file that can be read: {error}") from error

    def __iter__(self) -> Iterator[Row]:
        """Every row."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        number = 0
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                    columns = [_values(pa, column) for column in batch.columns]
                    for cells in zip(*columns, strict=True):
                        number += 1
                        yield Row(number, cells, _shown(self.columns, cells), "")
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise FileError(f"{self._path} cannot be read behind row {number:,}: {error}") from error


def _values(pa: Any, column: Any) -> list[Any]:
    """A column's values; times to the microsecond, because those to the nanosecond would import pandas."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type):
        return [
            None if value is None else value.decode("utf-8", "backslashreplace")
            for value in column.to_pylist()
        ]
    values: list[Any] = column.to_pylist()
    return values


def _shown(columns: list[str], cells: Sequence[Any]) -> str:
    row = {
        name: cell.isoformat() if isinstance(cell, datetime) else cell
        for name, cell in zip(columns, cells, strict=True)
    }
    return msgspec.json.encode(row, enc_hook=str).decode()


def _delimiter(sample: list[TextLine]) -> str:
    """What parts the columns: by it most lines have as many columns as the first, and more than one."""
    best, most = "", (0, 0)
    for candidate in DELIMITERS:
        counts = Counter(_columns(line.text, candidate) for line in sample)
        first = _columns(sample[0].text, candidate)
        if first > 1 and (counts[first], first) > most:
            best, most = candidate, (counts[first], first)
    if not best:
        raise FileError(
            "Nothing parts the first line into columns: name what does with --delimiter, or take away the "
            "lines above the columns' names"
        )
    return best


def _columns(text: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader((text,), delimiter=delimiter), []))
    except csv.Error:
        return 0
