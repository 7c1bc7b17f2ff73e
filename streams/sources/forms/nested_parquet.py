"""Parquet whose columns hold structs and lists of structs, as BigQuery and Spark write orders."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from streams.sources.forms.nested import Paths
from streams.sources.forms.records import SAMPLE, Record, Records
from streams.sources.forms.tables import FileError
from streams.sources.values.cells import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROWS = 1_024
"""Rows that are converted to objects at once. A row may hold an order of many lines."""


def is_nested(path: Path) -> bool:
    """Return True if a column of a Parquet file holds a struct, or a list of structs.

    Raises:
        FileError: The file is no readable Parquet file.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes 0.1 s, which other files need not wait for
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            return any(_holds_struct(pa, field.type) for field in file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"{path} is no Parquet file that can be read: {error}") from error


class NestedParquet(Records):
    """Parquet file of nested objects.

    Raises:
        FileError: The file is no readable Parquet file, or holds no rows.
    """

    form = "Parquet"

    def __init__(self, path: Path) -> None:
        self._path = path
        found = [record.content for record in islice(self.records(), SAMPLE) if record.content is not None]
        if not found:
            raise FileError(f"{path} holds no rows")
        super().__init__(Paths(found))

    def records(self) -> Iterator[Record]:
        """Yield every row."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        number = 0
        try:
            with pq.ParquetFile(self._path) as file:
                schema = pa.schema([pa.field(each.name, _plain(pa, each.type)) for each in file.schema_arrow])
                for batch in file.iter_batches(batch_size=_ROWS):
                    for content in _contents(pa, batch.cast(schema, safe=False)):
                        number += 1
                        yield Record(number, _texts(content), "", "")
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise FileError(f"{self._path} cannot be read behind row {number:,}: {error}") from error


def _contents(pa: Any, batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a batch, with texts as bytes where some are not UTF-8."""
    try:
        found: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        raw = pa.schema([pa.field(each.name, _plain(pa, each.type, raw=True)) for each in batch.schema])
        found = batch.cast(raw, safe=False).to_pylist()
    return found


def _holds_struct(pa: Any, kind: Any) -> bool:
    if _is_list(pa, kind):
        return _holds_struct(pa, kind.value_type)
    return bool(pa.types.is_struct(kind))


def _is_list(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _plain(pa: Any, kind: Any, *, raw: bool = False) -> Any:
    """Return a type with times in microseconds, because times in nanoseconds would import pandas.

    Args:
        pa: Module `pyarrow`, which is imported late.
        kind: Type to convert.
        raw: Convert texts to bytes.
    """
    if _is_list(pa, kind):
        return pa.list_(_plain(pa, kind.value_type, raw=raw))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(each.name, _plain(pa, each.type, raw=raw)) for each in kind])
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if raw and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return pa.large_binary()
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _texts(value: Any) -> Any:
    """Return a value with its bytes decoded as text."""
    if isinstance(value, dict):
        return {name: _texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return decoded(value) if isinstance(value, bytes) else value
