"""A CSV file as bad exports are: seeded, every good row known, and what is wrong in each broken one."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
NAMES = (
    "MUG",
    'PIPE 6"',
    "HEART, WHITE",
    'SIGN "HOME"',
    "CAFÉ CRÈME",
    "TWO\nLINES",
    "牛乳",
    "  PADDED ",
    "'QUOTED'",
)


class Good(NamedTuple):
    """A row that must arrive."""

    invoice: str
    product: str
    name: str
    quantity: float
    price: float
    customer: str
    minute: datetime


@dataclass
class HostileFile:
    """The bytes of a file, and what is in it."""

    content: bytes = b""
    good: list[Good] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    """Line of the file to a part of the reason that must be given."""
    texts: dict[int, bytes] = field(default_factory=dict)
    """Line of the file to the bytes of a broken row."""


def hostile_file(rows: int, *, broken_share: float = 0.01, seed: int = 11) -> HostileFile:
    """A file of so many rows: month-first dates beside ISO ones, odd names, and broken rows among them."""
    chance, made = random.Random(seed), HostileFile()
    content = io.BytesIO()
    content.write(",".join(HEADER).encode() + b"\r\n")
    line, invoice, at = 2, 536_365, datetime(2010, 12, 1, 8)  # noqa: DTZ001 - local by intent
    customer = "17850"
    for number in range(rows):
        if number % 4 == 0:
            invoice += 1
            at += timedelta(minutes=chance.randrange(1, 240))
            customer = str(12_000 + chance.randrange(500))
        row = Good(
            str(invoice),
            f"P{number}",
            chance.choice(NAMES),
            chance.choice((1, 2, 12, -1, 0.5)),
            chance.choice((0.85, 2.55, 1_295.0)),
            customer,
            at,
        )
        bad = chance.random() < broken_share
        if bad:
            reason, data = chance.choice(FAULTS)(row, chance)
            made.broken[line], made.texts[line] = reason, data
        else:
            made.good.append(row)
            data = written(row, chance)
        content.write(data + chance.choice((b"\n", b"\r\n")))
        line += data.count(b"\n") + 1
    made.content = content.getvalue()
    return made


def written(row: Good, chance: random.Random, **cells: str) -> bytes:
    """A row as some program writes it."""
    fields = {
        "InvoiceNo": row.invoice,
        "StockCode": row.product,
        "Description": row.name,
        "Quantity": f"{row.quantity:g}",
        "InvoiceDate": chance.choice(
            (
                f"{row.minute.month}/{row.minute.day}/{row.minute.year} {row.minute:%H:%M}",
                f"{row.minute:%Y-%m-%d %H:%M:%S}",
            )
        ),
        "UnitPrice": f"{row.price:,.2f}" if chance.random() < 0.5 else f"{row.price:.2f}",
        "CustomerID": row.customer,
        "Country": "United Kingdom",
    } | cells
    text = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if chance.random() < 0.5 else csv.QUOTE_MINIMAL
    csv.writer(text, quoting=quoting, lineterminator="\n").writerow(fields.values())
    return text.getvalue().removesuffix("\n").encode()


Fault = tuple[str, bytes]


def _cell(reason: str, **cells: str) -> Callable[[Good, random.Random], Fault]:
    return lambda row, chance: (reason, written(row, chance, **cells))


def _open_quote(row: Good, _: random.Random) -> Fault:
    text = f'{row.invoice},{row.product},"MUG,{row.quantity:g},2010-12-01 08:00,2.55,{row.customer},UK'
    return "quotation mark", text.encode()


def _open_first(row: Good, _: random.Random) -> Fault:
    return (
        "quotation mark",
        f'"{row.invoice},{row.product},MUG,1,2010-12-01 08:00,2.55,{row.customer},UK'.encode(),
    )


def _latin(row: Good, chance: random.Random) -> Fault:
    return "not in utf-8", written(row, chance, Description="JALAPEQO").replace(b"Q", b"\xf1")


def _cut(row: Good, _: random.Random) -> Fault:
    return "columns", f"{row.invoice},{row.product},MUG".encode()


def _too_many(row: Good, _: random.Random) -> Fault:
    text = f"{row.invoice},{row.product},MUG, RED, ROUND,1,2010-12-01 08:00,2.55,{row.customer},UK"
    return "columns", text.encode()


FAULTS: tuple[Callable[[Good, random.Random], Fault], ...] = (
    _open_quote,
    _open_first,
    _latin,
    _cut,
    _too_many,
    _cell("customer_id", CustomerID=""),
    _cell("customer_id", CustomerID="NULL"),
    _cell("product_id", StockCode="  "),
    _cell("calendar", InvoiceDate="2010-02-30 08:00"),
    _cell("no date", InvoiceDate="yesterday"),
    _cell("occurred_at", InvoiceDate="13/13/2010 08:00"),
    _cell("2000 to 2100", InvoiceDate="1910-12-01 08:00"),
    _cell("no number", Quantity="many"),
    _cell("quantity must not be 0", Quantity="0"),
    _cell("unit_price", UnitPrice="-11062.06"),
    _cell("unit_price", UnitPrice="#REF!"),
    _cell("unit_price", UnitPrice="9999999"),
    _cell("product_id", StockCode="X" * 300),
    _cell("in threes", UnitPrice="1,23,4.00"),
)
"""Ways to break a row, each with what the reason must say."""
