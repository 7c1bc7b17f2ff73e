"""Tables with one thing bought in each row, and their commonest form: CSV and its kin, in bounded memory.

A row that cannot be read is yielded with its fault, and reading goes on behind it. Only CSV makes this hard:
a quotation mark that nobody closes would swallow the rows that follow (see `Delimited`).
"""

from __future__ import annotations

import csv
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from streams.errors import CartpulseError
from streams.sources.forms.headers import DELIMITERS, header_in, named, separator_of, whole_texts
from streams.sources.forms.texts import LONGEST_LINE, TextLine, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.sources.forms.texts import Encoding, Readable

_SAMPLE_LINES: Final = 200
_MOST_CONTINUED: Final = 100
"""Lines of a file that one quoted text may run over."""
_GUARDED: Final = re.compile(r'\s*="((?:[^"]|"")*)"\s*')
_TOTALS: Final = frozenset(
    (
        *("total", "totals", "grand total", "subtotal", "sub total", "sum", "summe", "gesamt", "gesamtsumme"),
        *("totale", "totaal", "suma", "somme", "total général", "total general", "totalt", "итого", "合計"),
    )
)
"""First words of a line of totals below the rows, in lower case."""
NO_ROW: Final = ("is no purchase", "repeats the header")
"""Beginnings of the faults of lines that are no rows, and so say nothing about an order."""


CUT_OFF: Final = "is no JSON object: the file ends before "
"""Beginning of the faults of a file that is cut off, so that nobody can say what is missing."""


class FileError(CartpulseError):
    """The file cannot be read in the form that it should have. The message says what to do."""


class TableRow(NamedTuple):
    """Row of a file."""

    number: int
    """Line of the file, from 1; in Parquet the row, from 1."""
    cells: Sequence[Any]
    """Cells, one per column: text, or the values of JSON and Parquet. A row with a fault has the cells that
    could be read, perhaps none or another number, because its status may hold for its order."""
    text: str
    """Row as it stands in the file; JSON for Parquet."""
    fault: str
    """Reason why the row cannot be taken; empty if it can."""


class Table(Protocol):
    """Rows of a file under named columns."""

    @property
    def form(self) -> str:
        """Form of the file, for people."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""

    def __iter__(self) -> Iterator[TableRow]:
        """Yield every row, from the first."""


class Delimited:
    """CSV file with any delimiter.

    A text in quotation marks may run over several lines. A line that leaves a text open is joined with the
    following lines until the text is closed. The joined lines count only if they have as many columns as the
    header, and if none of them is a whole row by itself. Otherwise the mark is a slip: the line is refused,
    and the next line is a row.

    The columns' names stand in the first line, or below a `sep=` line and titles (`headers`). Blank rows are
    skipped. A line of totals below the rows, and a repeated header, are refused.

    Args:
        path: File.
        encoding: Encoding of the file.
        delimiter: Separator of columns; None finds it out.
        header: True if a line names the columns; else they are called 1, 2, ...
        skip: Lines to leave out at the top; 0 finds the header.

    Raises:
        FileError: The file has no lines, or nothing in it separates columns.
    """

    form = "CSV"

    def __init__(
        self,
        path: Readable,
        encoding: Encoding,
        *,
        delimiter: str | None = None,
        header: bool = True,
        skip: int = 0,
    ) -> None:
        self._path, self._encoding = path, encoding
        self.guarded = ""
        """First cell such as `="00123"`, which spreadsheets read as a text; empty where there is none."""
        self.plausible: Callable[[Sequence[str]], bool] = lambda _: True
        """True if cells look like a row, and not like the end of a text that holds delimiters. The owner of
        the table sets this test once the meaning of the columns is settled."""
        self.keys: frozenset[int] = frozenset()
        """Places of columns in which no purchase has a word for a total, such as the order's number. The
        owner of the table sets them too."""
        # Stage 1: the first lines that are not blank, without a `sep=` line.
        sample = [
            line
            for line in islice(lines_of(path, encoding), skip, skip + _SAMPLE_LINES)
            if line.text.strip(" \t\r\n\ufeff")
        ]
        if not sample:
            raise FileError(f"{path} is empty" + (f" behind its first {skip} lines" if skip else ""))
        separator = separator_of(sample[0].text)
        self._last_above = skip
        if separator is not None:
            self._last_above = sample.pop(0).number
            if not sample:
                raise FileError(f"{path} is empty behind its line `sep=`")
        texts = whole_texts([line.text for line in sample])
        search = header and not skip
        # Stage 2: the header and the delimiter. A delimiter from a `sep=` line counts only if it separates
        # columns.
        told = delimiter or separator
        found = header_in(texts, told, search=search) if told else None
        if found is None or (found.width == 1 and not delimiter):
            found = header_in(texts, DELIMITERS, search=search)
        if found is None:
            raise FileError(
                "Nothing parts a line into columns: name what does with --delimiter, or how many lines stand "
                "above the columns' names with --skip"
            )
        self.delimiter = found.delimiter
        titles = (line.text.replace(found.delimiter, " ").replace('"', "") for line in sample[: found.place])
        # Stage 3: the titles above the header, the columns' names, and the line behind which the rows begin.
        self.above = [title.strip() for title in titles if title.strip()]
        """Titles above the columns' names."""
        first = sample[found.place]
        self.header_line = first.number
        """Line of the file that names the columns, or the first row where no line does."""
        names, last = self._names(first)
        self._given = names if header else []
        self.columns = (
            named(self._without_tail(names, sample[found.place + 1 :]))
            if header
            else [str(number) for number in range(1, len(names) + 1)]
        )
        if header:
            self._last_above = last

    def _names(self, first: TextLine) -> tuple[list[str], int]:
        """Return the names that a line gives the columns, and the last line over which the names run."""
        text, names, last = first.text, self._parsed(first.text), first.number
        source = islice(lines_of(self._path, self._encoding), first.number, first.number + _MOST_CONTINUED)
        while names is None and not first.fault and (more := next(source, None)) is not None:
            text, last = f"{text}\n{more.text}", more.number
            names = self._parsed(text)
        if first.fault or names is None:
            raise FileError(
                f"Line {first.number} of {self._path}, which should name the columns, cannot be read: "
                f"{first.fault or 'its quotation marks'}"
            )
        return names, last

    def _without_tail(self, names: list[str], below: list[TextLine]) -> list[str]:
        """Drop empty names at the end under which no row has a value."""
        last = max((place for place, name in enumerate(names, 1) if name.strip()), default=len(names))
        rows = [self._parsed(line.text) or () for line in below]
        return names if any(any(cells[last : len(names)]) for cells in rows) else names[:last]

    def __iter__(self) -> Iterator[TableRow]:
        """Yield every row; skip rows that are blank or hold only empty cells."""
        waiting: list[TextLine] = []
        width = len(self.columns)
        source = islice(lines_of(self._path, self._encoding), self._last_above, None)
        while (line := waiting.pop(0) if waiting else next(source, None)) is not None:
            if not line.text.strip():
                continue
            if line.fault:
                yield TableRow(line.number, self._parsed(line.text) or (), line.text, line.fault)
                continue
            cells = self._parsed(line.text)
            if cells is None:
                row, used = self._joined(line, waiting, source)
                del waiting[:used]
                yield row
            elif any(cells):
                # Most rows begin with a number. Such rows are neither a header nor totals.
                is_usual = len(cells) == width and cells[0][:1].isdigit()
                fault = "" if is_usual else self._miscounted(cells) or self._below(cells)
                yield TableRow(line.number, cells, line.text, fault)

    def _joined(
        self, line: TextLine, waiting: list[TextLine], source: Iterator[TextLine]
    ) -> tuple[TableRow, int]:
        """Return the row of a line that leaves a quotation open, and the number of further lines taken."""
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
                return TableRow(line.number, cells, text, ""), used
        cells = line.text.split(self.delimiter)
        return TableRow(line.number, cells, line.text, "a quotation mark opens a text that is not closed"), 0

    def _parsed(self, text: str) -> list[str] | None:
        """Split a line into cells; None where a quotation is open or closed in the wrong place."""
        if '"' not in text:
            return text.split(self.delimiter)
        try:
            cells = next(csv.reader((text,), delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None
        return cells if '="' not in text else [self._unguarded(cell) for cell in cells]

    def _unguarded(self, cell: str) -> str:
        """Remove from a cell the formula that keeps a spreadsheet from reading the cell as a number."""
        found = _GUARDED.fullmatch(cell)
        if found is None:
            return cell
        self.guarded = self.guarded or cell
        return found[1].replace('""', '"')

    def _miscounted(self, cells: list[str]) -> str:
        """Return the reason why a row has a wrong number of columns.

        Empty cells behind the last column are ignored.
        """
        if len(cells) >= len(self.columns) and not any(cells[len(self.columns) :]):
            return ""
        return f"has {len(cells)} columns, not {len(self.columns)}"

    def _below(self, cells: list[str]) -> str:
        """Return the reason why a row of the right length is none: totals, or the columns' names again."""
        first = cells[0] or next(filter(None, cells))
        if cells == self._given:
            return "repeats the header"
        if first.strip().rstrip(":").lower() in _TOTALS and (
            cells.index(first) in self.keys or cells.count("") * 2 >= len(cells)
        ):
            return f"is no purchase but a line of totals: it begins with {first.strip()!r}"
        return ""
