"""Records as strangers' producers write them; `docs/contracts.md` decides each, line by line."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

OATS: Final = {"product_id": "S1", "category": "OAT", "quantity": 1, "unit_price": 2.5}
NOW_MS: Final = 1_796_053_733_601
"""The broker's time when they arrive: 30 November 2026."""


class Written(NamedTuple):
    """One record of `purchases`."""

    value: bytes | None
    key: bytes | None = b"A"
    timestamp: int = NOW_MS
    before: tuple[bytes, ...] = ()
    """Values of records that stand before it in the log."""


def event(**changes: Any) -> bytes:
    """A purchase; `item` changes its only line."""
    item = OATS | changes.pop("item", {})
    basket = {"event_id": "e1", "customer_id": "A", "occurred_at": "2024-02-01T10:00:00Z", "currency": "USD"}
    return json.dumps(basket | {"kind": "purchase", "items": [item]} | changes).encode()


def at(text: str) -> Written:
    return Written(event(occurred_at=text))


PLAIN: Final = event()

WRITTEN: Final[dict[str, Written]] = {
    "a tombstone (no value)": Written(None),
    "an empty value": Written(b""),
    "no key": Written(PLAIN, key=None),
    "a key that is no UTF-8": Written(PLAIN, key=b"\xff\xfe"),
    "another customer's key": Written(PLAIN, key=b"somebody else"),
    "a schema registry's five bytes before the JSON": Written(b"\x00\x00\x00\x00\x07" + PLAIN),
    "Avro": Written(b"\x00\x00\x00\x00\x07\x02A\x06usd"),
    "a byte order mark before the JSON": Written(b"\xef\xbb\xbf" + PLAIN),
    "a timestamp in seconds, microseconds, 0 or -1": Written(PLAIN, timestamp=1_706_781_600),
    "numbers in quotes": Written(event(item={"quantity": "1", "unit_price": "2.50"})),
    "a customer id that is a number": Written(event(customer_id=9_007_199_254_740_993)),
    "a number of 400 digits": Written(event(item={"quantity": 10**400})),
    "a number of 4,300 digits in a field that nobody knows": Written(event(more=10**4299)),
    "a number of 4,301 digits or more in such a field": Written(
        PLAIN[:-1] + b', "more": ' + b"9" * 4301 + b"}"
    ),
    "1e999": Written(PLAIN.replace(b"2.5", b"1e999")),
    "a quantity of -0.0": Written(PLAIN.replace(b'"quantity": 1', b'"quantity": -0.0')),
    "half of a surrogate pair in an id": Written(PLAIN.replace(b'"A"', b'"\\ud800"')),
    "byte 0 inside an id": Written(event(customer_id="A\0B")),
    "byte 0 before an id": Written(event(customer_id="\0A")),
    "letters that turn the direction of writing in an id": Written(event(customer_id="\u202eA")),
    "a terminal's control sequences in an id": Written(event(customer_id="\x1b[31mRED\x1b[0m")),
    "another case of an id (`a`, `A`)": Written(event(customer_id="a")),
    "blanks around an id": Written(event(customer_id=" A ")),
    "a leap second, 23:59:60": at("2016-12-31T23:59:60Z"),
    "an offset of +14:00 or -12:00": at("2024-02-02T10:00:00+14:00"),
    "an offset of +99:00": at("2024-02-02T10:00:00+99:00"),
    "an offset of -00:00": at("2024-02-02T10:00:00-00:00"),
    "`t` and `z` in small letters": at("2024-02-02t10:00:00z"),
    "a blank in place of `T`": at("2024-02-02 10:00:00Z"),
    "a time without offset": at("2024-02-02T10:00:00"),
    "a date alone": at("2024-02-02"),
    "a time as a number": Written(event(occurred_at=1_706_781_600)),
    "nanoseconds": at("2024-02-02T10:00:00.123456789Z"),
    "1970": at("1970-01-01T00:00:00Z"),
    "2099": at("2099-01-01T00:00:00Z"),
    "the same event again, serialised in another way": Written(
        json.dumps(json.loads(PLAIN), indent=1, sort_keys=True).encode(), before=(PLAIN,)
    ),
    "the same id and time with other content": Written(event(item={"quantity": 3}), before=(PLAIN,)),
    "the same id at another time": Written(event(occurred_at="2024-02-03T10:00:00Z"), before=(PLAIN,)),
    "the same id, of another customer": Written(event(customer_id="B"), before=(PLAIN,)),
    "a currency in small letters": Written(event(currency="usd")),
    "a field that stands twice": Written(PLAIN[:-1] + b', "customer_id": "Z"}'),
    "a discount of the whole price": Written(event(item={"discount": 2.5})),
    "a discount beyond the price": Written(event(item={"discount": 9})),
    "a weighed quantity, 0.3456": Written(event(item={"quantity": 0.3456})),
    "a price of 0.00004": Written(event(item={"quantity": 100_000, "unit_price": 0.00004})),
    "a list of two events": Written(b"[" + PLAIN + b"," + PLAIN + b"]"),
    "an event encoded twice": Written(json.dumps(PLAIN.decode()).encode()),
    "a change of a table (Debezium)": Written(
        json.dumps({"before": None, "after": json.loads(PLAIN), "op": "c", "ts_ms": 1}).encode()
    ),
    "a CloudEvent in structured mode": Written(
        json.dumps({"specversion": "1.0", "id": "x", "type": "p", "data": json.loads(PLAIN)}).encode()
    ),
    "a kind in capitals": Written(event(kind="Purchase")),
    "a line that is null": Written(event(items=[None])),
    "a category that is null": Written(event(item={"category": None})),
    "a `live` or `erase` record without its fields": Written(b'{"kind":"live"}'),
    "a purchase months after all before it": Written(
        event(event_id="e2", occurred_at="2024-06-15T10:00:00Z"), before=(PLAIN,)
    ),
}
