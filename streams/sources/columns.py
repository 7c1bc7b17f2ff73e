"""Choice of a file's columns: guessed from their names, corrected by a person, always shown."""

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
"""Field -> column names recognised for it, reduced to letters and digits, the likeliest first."""

NEEDED: Final = ("customer_id", "occurred_at", "product_id", "quantity")
"""Fields without which no basket can be made. A price or a total is needed too."""


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
"""Column names that may count the lines of each order: 1, 2, 3. Reduced to letters and digits."""


class Made(str):
    """Name of a column that is not in the file, but derived from other columns or from one constant value."""

    __slots__ = ()


class ColumnsError(CartpulseError):
    """A needed column is missing, or a correction names a field or column that does not exist."""


def choose(
    columns: Sequence[str],
    corrections: Mapping[str, str],
    *,
    constant: Collection[str] = (),
    avoided: Collection[int] = (),
) -> dict[str, int]:
    """Choose the column of each field.

    Args:
        columns: Names of the file's columns.
        corrections: Field -> column name. Corrections go before every guess; an empty name leaves a field
            out.
        constant: Fields that have one value in all rows, and so need no column.
        avoided: Places of columns that must not be guessed.

    Returns:
        Field -> place of its column. The quantity may be missing where a column may count the lines of each
        order: if it does, each row is one piece.

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
    """Return the places of the columns that, by their names, may count the lines of each order.

    Args:
        columns: Names of the file's columns.
        chosen: Field -> place of its column. A chosen column is no counter, unless it is the quantity's.
    """
    taken = {place for field, place in chosen.items() if field != "quantity"}
    return [place for place, name in enumerate(columns) if plain(name) in COUNTERS and place not in taken]


def rivals(columns: Sequence[str], field: str) -> list[int]:
    """Return the places of all columns whose names are recognised for a field, the likeliest first."""
    names = [plain(column) for column in columns]
    return [names.index(name) for name in FIELDS[field] if name in names]


def recognised(
    columns: Sequence[str],
    corrections: Mapping[str, str],
    known: Mapping[str, tuple[str, ...]],
    avoided: Collection[int] = (),
) -> dict[str, int]:
    """Recognise the columns of some fields by their names.

    Args:
        columns: Names of the file's columns.
        corrections: Field -> column name. Corrections go before every guess; an empty name leaves a field
            out.
        known: Field -> column names recognised for it, reduced to letters and digits.
        avoided: Places of columns that must not be guessed.

    Returns:
        Field -> place of its column.

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
        # `name` may share the column of another field: if a person maps a column to the category, it still
        # names the product.
        if place is not None and (place not in taken or field == "name"):
            chosen[field] = place
            taken.add(place)
    return chosen


def missing_columns(columns: Sequence[str], missing: Sequence[str]) -> ColumnsError:
    """Make the error for a person whose file lacks columns."""
    first = missing[0].split()[0]
    constant = ", or say --set quantity=1 if each row is one piece" if first == "quantity" else ""
    return ColumnsError(
        f"No column was recognised as {', '.join(missing)}. The file's columns are {own(columns)}: "
        f"name the right one with --map {first}=COLUMN{constant}"
        + (", and use --no-header if that is a row already." if any(map(_is_value, columns)) else ".")
    )


def own(columns: Sequence[str]) -> str:
    """List the columns that are in the file itself."""
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
    """Reduce a column's name to its letters and digits, in lower case and without accents."""
    decomposed = unicodedata.normalize("NFKD", name).lower()
    return re.sub(r"[^a-z0-9]", "", decomposed)


def _is_value(name: str) -> bool:
    """Return True if a column's name looks like a value, as in a file without a header."""
    return re.fullmatch(r"[-+]?[\d.,]+|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*", name) is not None
