"""A shop's catalogue from a file: one product a row, as records that every partition gets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError

from models.contracts.purchases import Listing, Status, contract_error
from models.contracts.timestamps import text_of
from streams.sources.columns import FIELDS, missing_columns, recognised
from streams.sources.feed import Feed
from streams.sources.files.first_pass import REPORT_EVERY, Progress
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

    from streams.sources.files.survey import Told
    from streams.sources.forms.tables import Row
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
"""Every field, and the column names taken for it, as in `FIELDS`."""
_WORDS: Final[dict[str, Status]] = {
    **dict.fromkeys(("", "available", "in stock", "instock", "active", "yes", "y", "true"), "available"),
    **dict.fromkeys(
        ("out of stock", "outofstock", "sold out", "unavailable", "no", "n", "false"), "out-of-stock"
    ),
    **dict.fromkeys(
        ("withdrawn", "discontinued", "delisted", "inactive", "removed", "archived"), "withdrawn"
    ),
}
"""What shops write, in any case, with a blank for - and _."""
RECORD_BYTES: Final = 256 * 1024
"""Of the products of one record: far below what a topic takes."""


class Listed(NamedTuple):
    """What a file says."""

    form: str
    """`CSV`, `JSON lines` or `Parquet`."""
    encoding: Encoding
    """How its bytes are its letters."""
    columns: dict[str, str]
    """Field to column name."""
    listings: dict[str, Listing]
    """By product, in the order of the file; of a product that comes again, the last row."""
    refused: list[Refused]
    rows: int
    repeated: int
    """Rows of products that come again."""

    @property
    def statuses(self) -> dict[str, int]:
        """How many products have each status."""
        return dict(Counter(listing.status for listing in self.listings.values()))


def read_catalogue(path: Path, told: Told, progress: Progress | None = None) -> Listed:
    """Read a whole file; a row that cannot be taken is refused with its reason, and the others are taken.

    Raises:
        FileError: It is none that can be read, or is empty.
        ColumnsError: No column is the product, or a correction names what is not there.
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
    """The records that say it to the service.

    Each product is in one record alone, so that it does not matter in which order these arrive.
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


def _read(row: Row, columns: dict[str, int], ids: IdReader) -> Listing | Refused:
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
    """What a cell says of a product: a word, a truth, or how many there are.

    Raises:
        Unreadable: It says nothing that is known.
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
