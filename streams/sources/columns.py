"""Which column of a file holds what: guessed from its names, corrected by a person, always shown."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from streams.errors import CartpulseError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "customer_id": (
        *(
            "customeruniqueid",
            "customerid",
            "customer",
            "customerno",
            "customernumber",
            "custid",
            "clientid",
            "client",
            "householdid",
        ),
        *(
            "household",
            "householdkey",
            "memberid",
            "member",
            "loyaltyid",
            "cardid",
            "cardno",
            "cardnumber",
            "userid",
        ),
        *("user", "shopperid", "accountid", "buyerid", "customeremail", "email", "kundennummer", "kunde"),
        *("kundennr", "kundenid"),
    ),
    "occurred_at": (
        *(
            "occurredat",
            "invoicedate",
            "transactiontimestamp",
            "timestamp",
            "datetime",
            "orderdate",
            "purchasedate",
            "orderpurchasetimestamp",
            "ordertimestamp",
            "purchasetimestamp",
        ),
        *(
            "transactiondate",
            "transactiondatetime",
            "orderdatetime",
            "date",
            "saledate",
            "salesdate",
            "receiptdate",
        ),
        *(
            "createdat",
            "day",
            "datum",
            "bestelldatum",
            "auftragsdatum",
            "rechnungsdatum",
            "kaufdatum",
            "belegdatum",
        ),
    ),
    "time": (
        "time",
        "timeofday",
        "transactiontime",
        "transtime",
        "ordertime",
        "invoicetime",
        "saletime",
        "uhrzeit",
    ),
    "basket_id": (
        *(
            "invoiceno",
            "invoice",
            "invoiceid",
            "invoicenumber",
            "basketid",
            "basket",
            "orderid",
            "order",
            "orderno",
        ),
        *(
            "ordernumber",
            "transactionid",
            "transactionno",
            "receiptid",
            "receipt",
            "receiptno",
            "ticketid",
            "ticket",
        ),
        *("eventid", "billno", "bonnr", "belegnummer", "rechnungsnummer", "bestellnummer", "auftragsnummer"),
    ),
    "product_id": (
        *(
            "productid",
            "stockcode",
            "sku",
            "itemid",
            "productcode",
            "itemcode",
            "articleid",
            "articleno",
            "article",
        ),
        *(
            "upc",
            "ean",
            "gtin",
            "barcode",
            "variantid",
            "itemno",
            "plu",
            "artikelnummer",
            "artikelnr",
            "product",
            "item",
        ),
    ),
    "name": (
        "name",
        "description",
        "productname",
        "itemname",
        "title",
        "itemdescription",
        "productdescription",
    ),
    "category": (
        *("category", "productcategory", "productcategoryname", "categoryname", "commoditydesc", "commodity"),
        *(
            "subcategory",
            "department",
            "dept",
            "productgroup",
            "group",
            "producttype",
            "categoryid",
            "warengruppe",
        ),
    ),
    "quantity": (
        "quantity",
        "qty",
        "units",
        "count",
        "itemquantity",
        "quantitysold",
        "pieces",
        "menge",
        "anzahl",
    ),
    "unit_price": ("unitprice", "price", "itemprice", "sellingprice", "priceperunit", "einzelpreis", "preis"),
    "total": (
        *(
            "linetotal",
            "total",
            "salesvalue",
            "sales",
            "amount",
            "lineamount",
            "totalprice",
            "netsales",
            "revenue",
        ),
        *("spend", "value", "gesamtpreis", "gesamtbetrag", "betrag"),
    ),
    "order_total": ("ordertotal", "grandtotal", "invoicetotal", "baskettotal", "ordervalue", "orderamount"),
    "discount": ("linediscount", "discount", "discountamount", "retaildisc", "rabatt"),
    "store_id": (
        "storeid",
        "store",
        "shopid",
        "shop",
        "branchid",
        "branch",
        "storeno",
        "location",
        "filiale",
    ),
    "channel": ("channel", "saleschannel", "orderchannel"),
    "currency": ("currency", "currencycode", "waehrung"),
}
"""Every field, and the column names taken for it, letters and digits alone, the likeliest first."""

NEEDED: Final = ("customer_id", "occurred_at", "product_id", "quantity")
"""Fields without which no basket can be made; a price or a total is needed too."""


COUNTERS: Final = frozenset(
    (
        *(
            "orderitemid",
            "line",
            "lineno",
            "linenumber",
            "linenr",
            "lineid",
            "linenum",
            "lineitem",
            "lineitemno",
        ),
        *("lineitemnumber", "lineitemid", "itemno", "itemnumber", "itemnr", "itemseq", "itemid", "itemindex"),
        *("orderline", "orderlineno", "orderlinenumber", "orderitemno", "orderitemnumber", "invoiceline"),
        *("position", "pos", "posnr", "posno", "positionsnummer", "seq", "seqno", "sequence", "sequenceno"),
        *("sequencenumber", "rownumber", "counter", "count", "nr", "no", "index", "zeile", "zeilennummer"),
        *("ligne", "numeroligne", "linea", "linha", "riga", "regel"),
    )
)
"""Column names that may count the lines of each order: 1, 2, 3."""


class Made(str):
    """Name of a column that is not the file's, but made of others or of one value."""

    __slots__ = ()


class ColumnsError(CartpulseError):
    """The columns do not say all that is needed, or a correction names what is not there."""


def choose(
    columns: Sequence[str],
    corrections: Mapping[str, str],
    *,
    constant: Collection[str] = (),
    avoided: Collection[int] = (),
) -> dict[str, int]:
    """Which column, by its place, is which field.

    Args:
        columns: The names of the file's columns.
        corrections: Field to column name, which go before every guess; an empty name leaves a field out.
        constant: Fields that have one value in all rows, and so need no column.
        avoided: Places of columns that are no guess.

    Returns:
        Field to place. The quantity may lack where a column may count the lines of each order: if it does,
        each row is one piece.

    Raises:
        ColumnsError: A correction names no field or no column, or a needed field has no column.

    >>> columns = ["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]
    >>> choose(columns, {})["occurred_at"]
    3
    """
    known = {field: guesses for field, guesses in FIELDS.items() if field not in constant}
    chosen = recognised(columns, corrections, known, avoided)
    if "product_id" in known and "product_id" not in {*chosen, *corrections} and "name" in chosen:
        chosen["product_id"] = chosen["name"]
    missing: list[str] = [field for field in NEEDED if field in known and field not in chosen]
    if missing == ["quantity"] and "quantity" not in corrections and counters(columns, chosen):
        missing = []
    if not {"unit_price", "total"} & {*chosen, *constant}:
        missing.append("unit_price (or total)")
    if missing:
        raise missing_columns(columns, missing)
    return {field: chosen[field] for field in FIELDS if field in chosen}


def counters(columns: Sequence[str], chosen: Mapping[str, int]) -> list[int]:
    """Places of the columns that may count the lines of each order, by their names.

    Args:
        columns: The names of the file's columns.
        chosen: Which column is which field; of these none but the quantity is such a column.
    """
    taken = {place for field, place in chosen.items() if field != "quantity"}
    return [place for place, name in enumerate(columns) if plain(name) in COUNTERS and place not in taken]


def rivals(columns: Sequence[str], field: str) -> list[int]:
    """Places of all columns whose names are taken for a field, the likeliest first."""
    names = [plain(column) for column in columns]
    return [names.index(name) for name in FIELDS[field] if name in names]


def recognised(
    columns: Sequence[str],
    corrections: Mapping[str, str],
    known: Mapping[str, tuple[str, ...]],
    avoided: Collection[int] = (),
) -> dict[str, int]:
    """Which column, by its place, is which of some fields, as far as names tell.

    Args:
        columns: The names of the file's columns.
        corrections: Field to column name, which go before every guess; an empty name leaves a field out.
        known: The fields, and the column names taken for each, letters and digits alone.
        avoided: Places of columns that are no guess.

    Raises:
        ColumnsError: A correction names no field or no column.
    """
    chosen: dict[str, int] = {}
    for field, column in corrections.items():
        if field not in known:
            raise ColumnsError(f"There is no field {field!r}; the fields are {', '.join(known)}.")
        if column:
            chosen[field] = place_of(columns, column)
    taken = set(chosen.values())
    names = ["" if place in avoided else plain(column) for place, column in enumerate(columns)]
    for field, guesses in known.items():
        if field in corrections:
            continue
        place = next((names.index(name) for name in guesses if name in names), None)
        # What a category is called is what a person calls it, too.
        if place is not None and (place not in taken or field == "name"):
            chosen[field] = place
            taken.add(place)
    return chosen


def missing_columns(columns: Sequence[str], missing: Sequence[str]) -> ColumnsError:
    """What to tell a person whose file lacks columns."""
    first = missing[0].split()[0]
    constant = ", or say --set quantity=1 if each row is one piece" if first == "quantity" else ""
    return ColumnsError(
        f"No column was recognised as {', '.join(missing)}. The file's columns are {own(columns)}: "
        f"name the right one with --map {first}=COLUMN{constant}"
        + (", and use --no-header if that is a row already." if any(map(_is_value, columns)) else ".")
    )


def own(columns: Sequence[str]) -> str:
    """List the columns that are the file's own."""
    return ", ".join(name for name in columns if not isinstance(name, Made))


def place_of(columns: Sequence[str], column: str) -> int:
    """Find a column that a person names, by its exact name or else by its letters and digits.

    Raises:
        ColumnsError: No column has this name, or several have.
    """
    if column in columns:
        return columns.index(column)
    alike = [place for place, name in enumerate(columns) if plain(name) == plain(column)]
    if len(alike) != 1:
        raise ColumnsError(f"There is no column {column!r}; the file's columns are {own(columns)}.")
    return alike[0]


def plain(name: str) -> str:
    """Reduce a column's name to its letters and digits, small and without accents."""
    decomposed = unicodedata.normalize("NFKD", name).lower()
    return re.sub(r"[^a-z0-9]", "", decomposed)


def _is_value(name: str) -> bool:
    """Whether a column's name looks like a value, as in a file without a header."""
    return re.fullmatch(r"[-+]?[\d.,]+|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*", name) is not None
