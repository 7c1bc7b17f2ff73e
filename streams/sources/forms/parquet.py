"""Parquet with one thing bought in each row, in bounded memory; `nested_parquet` reads columns of objects."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.sources.forms.tables import FileError, TableRow
from streams.sources.values.cells import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ROWS: Final = 8_192
"""Rows that are converted to Python values at once."""


class Parquet:
    """Parquet file of plain columns.

    Raises:
        FileError: The file is no readable Parquet file.
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

    def __iter__(self) -> Iterator[TableRow]:
        """Yield every row."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        number = 0
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    columns = [_values(pa, column) for column in batch.columns]
                    for cells in zip(*columns, strict=True):
                        number += 1
                        yield TableRow(number, cells, _shown(self.columns, cells), "")
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise FileError(f"{self._path} cannot be read behind row {number:,}: {error}") from error


def _values(pa: Any, column: Any) -> list[Any]:
    """Return a column's values.

    Times are in microseconds, because times in nanoseconds would import pandas.
    """
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:  # some programs write texts that are not UTF-8
        values = column.cast(pa.large_binary()).to_pylist()
    return [decoded(value) if isinstance(value, bytes) else value for value in values]


def _shown(columns: list[str], cells: Sequence[Any]) -> str:
    row = {
        name: cell.isoformat() if isinstance(cell, datetime) else cell
        for name, cell in zip(columns, cells, strict=True)
    }
    return msgspec.json.encode(row, enc_hook=str).decode()
