"""Which column of a file holds what: guessed from its names, corrected by a person, always shown."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from streams.errors import CartpulseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "customer_id": (
        *(
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
        *("createdat", "day", "datum"),
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
        *("eventid", "billno", "bonnr", "belegnummer", "rechnungsnummer"),
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
        *("upc", "ean", "gtin", "barcode", "variantid", "itemno", "plu", "artikelnummer", "product", "item"),
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
            "total",
            "linetotal",
            "salesvalue",
            "sales",
            "amount",
            "lineamount",
            "totalprice",
            "netsales",
            "revenue",
        ),
        *("spend", "value", "gesamtpreis", "betrag"),
    ),
    "discount": ("discount", "discountamount", "retaildisc", "linediscount", "rabatt"),
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


class ColumnsError(CartpulseError):
    """The columns do not say all that is needed, or a correction names what is not there."""


def choose(columns: Sequence[str], corrections: Mapping[str, str]) -> dict[str, int]:
    """Which column, by its place, is which field.

    Args:
        columns: The names of the file's columns.
        corrections: Field to column name, which go before every guess; an empty name leaves a field out.

    Raises:
        ColumnsError: A correction names no field or no column, or a needed field has no column.

    >>> columns = ["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]
    >>> choose(columns, {})["occurred_at"]
    3
    """
    chosen = recognised(columns, corrections, FIELDS)
    if "product_id" not in chosen and "name" in chosen and "product_id" not in corrections:
        chosen["product_id"] = chosen["name"]
    missing = [field for field in NEEDED if field not in chosen]
    if not {"unit_price", "total"} & set(chosen):
        missing.append("unit_price (or total)")
    if missing:
        raise missing_columns(columns, missing)
    return {field: chosen[field] for field in FIELDS if field in chosen}


def recognised(
    columns: Sequence[str], corrections: Mapping[str, str], known: Mapping[str, tuple[str, ...]]
) -> dict[str, int]:
    """Which column, by its place, is which of some fields, as far as names tell.

    Args:
        columns: The names of the file's columns.
        corrections: Field to column name, which go before every guess; an empty name leaves a field out.
        known: The fields, and the column names taken for each, letters and digits alone.

    Raises:
        ColumnsError: A correction names no field or no column.
    """
    chosen: dict[str, int] = {}
    for field, column in corrections.items():
        if field not in known:
            raise ColumnsError(f"There is no field {field!r}; the fields are {', '.join(known)}.")
        if column:
            chosen[field] = _place(columns, column)
    taken = set(chosen.values())
    names = [_plain(column) for column in columns]
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
    return ColumnsError(
        f"No column was recognised as {', '.join(missing)}. The file's columns are {', '.join(columns)}: "
        f"name the right one with --map {missing[0].split()[0]}=COLUMN"
        + (", and use --no-header if that is a row already." if any(map(_is_value, columns)) else ".")
    )


def _place(columns: Sequence[str], column: str) -> int:
    if column in columns:
        return columns.index(column)
    alike = [place for place, name in enumerate(columns) if _plain(name) == _plain(column)]
    if len(alike) != 1:
        raise ColumnsError(f"There is no column {column!r}; the file's columns are {', '.join(columns)}.")
    return alike[0]


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).lower()
    return re.sub(r"[^a-z0-9]", "", decomposed)


def _is_value(name: str) -> bool:
    """Whether a column's name looks like a value, as in a file without a header."""
    return re.fullmatch(r"[-+]?[\d.,]+|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*", name) is not None
