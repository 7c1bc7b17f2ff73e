"""Catalogue of a shop, read from a file with one product in each row, as records for every partition."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError

from models.contracts.purchases import Listing, Status, contract_error
from models.contracts.timestamps import text_of
from streams.sources.columns import FIELDS, missing_columns, recognised
from streams.sources.feed import Feed
from streams.sources.files.first_pass import REPORT_EVERY, RowsRead
from streams.sources.files.lines import Refused
from streams.sources.files.opening import open_table
from streams.sources.values.cells import Undecoded, text_of_cell
from streams.sources.values.evidence import Unreadable
from streams.sources.values.identifiers import IdEvidence, IdReader
from streams.sources.values.numerals import is_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    from streams.sources.files.survey import FileOptions
    from streams.sources.forms.tables import TableRow
    from streams.sources.forms.texts import Encoding

CATALOGUE_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "product_id": FIELDS["product_id"],
    "name": FIELDS["name"],
    "category": FIELDS["category"],
    "status": (
        *("status", "availability", "available", "instock", "stockstatus", "stock", "stocklevel"),
        *("quantity", "qty", "active", "verfuegbar", "verfugbar", "bestand"),
    ),
}
"""Field -> column names recognised for it, as in `FIELDS`."""
_WORDS: Final[dict[str, Status]] = {
    **dict.fromkeys(("", "available", "in stock", "instock", "active", "yes", "y", "true"), "available"),
    **dict.fromkeys(
        ("out of stock", "outofstock", "sold out", "unavailable", "no", "n", "false"), "out-of-stock"
    ),
    **dict.fromkeys(
        ("withdrawn", "discontinued", "delisted", "inactive", "removed", "archived"), "withdrawn"
    ),
}
"""Word that shops write -> status. Words are in lower case, with a blank for - and _."""
RECORD_BYTES: Final = 256 * 1024
"""Bytes of the products in one record: far below the largest record that a topic takes."""


class Listed(NamedTuple):
    """Products of a catalogue file."""

    form: str
    """Form of the file: `CSV`, `JSON lines` or `Parquet`."""
    encoding: Encoding
    """Encoding of the file's text."""
    columns: dict[str, str]
    """Field -> column name."""
    listings: dict[str, Listing]
    """Product id -> listing, in the order of the file. If a product comes again, its last row counts."""
    refused: list[Refused]
    rows: int
    repeated: int
    """Rows of products that come again."""

    @property
    def statuses(self) -> dict[str, int]:
        """Status -> number of products."""
        return dict(Counter(listing.status for listing in self.listings.values()))


def read_catalogue(path: Path, told: FileOptions, progress: RowsRead | None = None) -> Listed:
    """Read a whole catalogue file.

    A row that cannot be read is refused with its reason; all others are taken.

    Args:
        path: CSV, JSON or Parquet file.
        told: Options that a person gave for the file.
        progress: Called now and then with the number of rows read.

    Raises:
        FileError: The file has no form that can be read, or is empty.
        ColumnsError: No column is the product, or a correction names a missing column.
    """
    opened = open_table(path, told)
    table, encoding = opened.table, opened.encoding
    columns = recognised(table.columns, told.columns, CATALOGUE_FIELDS)
    if "product_id" not in columns:
        raise missing_columns(table.columns, ["product_id"])
    evidence = IdEvidence()
    for row in table:
        if not row.fault:
            evidence.note(row.cells[columns["product_id"]], row.number)
    ids = IdReader(evidence.reading(None, None))
    listings: dict[str, Listing] = {}
    refused: list[Refused] = []
    rows = repeated = 0
    for row in table:
        rows += 1
        if progress is not None and rows % REPORT_EVERY == 0:
            progress(rows)
        listing = _read(row, columns, ids)
        if isinstance(listing, Refused):
            refused.append(listing)
            continue
        repeated += listing.product_id in listings
        listings[listing.product_id] = listing
    names = {field: table.columns[place] for field, place in columns.items()}
    return Listed(table.form, encoding, names, listings, refused, rows, repeated)


def updates(listings: Collection[Listing], moment: datetime) -> Iterator[Feed]:
    """Make the records that announce products to the service.

    Each product is in exactly one record, so the records may arrive in any order.

    Args:
        listings: Products.
        moment: Event time of the records.
    """
    at = round(moment.timestamp() * 1000)
    written = text_of(moment)
    products: list[bytes] = []
    number = size = 0
    for place, listing in enumerate(listings, 1):
        products.append(msgspec.json.encode(listing.model_dump()))
        size += len(products[-1])
        if size >= RECORD_BYTES or place == len(listings):
            number += 1
            content = {
                "kind": "catalogue",
                "event_id": f"catalogue:{written}:{number}",
                "occurred_at": written,
                "products": [msgspec.Raw(product) for product in products],
            }
            yield Feed(None, msgspec.json.encode(content), at)
            products, size = [], 0


def _read(row: TableRow, columns: dict[str, int], ids: IdReader) -> Listing | Refused:
    if row.fault:
        return Refused(row.number, "cannot be read", row.fault[:1].upper() + row.fault[1:] + ".", row.text)
    cells = {field: row.cells[place] for field, place in columns.items()}
    lost = next((name for name, value in cells.items() if isinstance(value, Undecoded)), "")
    if lost:
        return Refused(row.number, "encoding", f"{lost} is not in utf-8: {cells[lost]!r}.", row.text)
    field = "product_id"
    try:
        product = ids.read(cells["product_id"])
        field = "status"
        return Listing(
            product_id=product,
            category=text_of_cell(cells.get("category")) or product,
            name=text_of_cell(cells.get("name")) or None,
            status=_status(cells["status"]) if "status" in cells else "available",
        )
    except Unreadable as error:
        return Refused(row.number, field, f"{field}: {error}.", row.text)
    except ValidationError as error:
        fault = contract_error(error)
        return Refused(row.number, fault.field, fault.reason, row.text)


def _status(value: Any) -> Status:
    """Read the status of a product from a cell: a word, a truth value, or the number of pieces in stock.

    Raises:
        Unreadable: The cell holds none of these.
    """
    if isinstance(value, bool):
        return "available" if value else "out-of-stock"
    text = text_of_cell(value).lower().replace("-", " ").replace("_", " ").strip()
    if text in _WORDS:
        return _WORDS[text]
    if is_number(text_of_cell(value)):
        some = any(digit in "123456789" for digit in text) and not text_of_cell(value).startswith("-")
        return "available" if some else "out-of-stock"
    raise Unreadable(f"{value!r} is neither available, out of stock nor withdrawn, nor how many there are")
