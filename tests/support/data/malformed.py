"""Purchases as JSON: good ones, and every way to be wrong that the tests know."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

REMOVED = object()


def a_line(**changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "product_id": "1095275",
        "category": "FLUID MILK PRODUCTS",
        "name": None,
        "quantity": 2.0,
        "unit_price": 1.25,
        "discount": 0.5,
    }
    return {name: content for name, content in (line | changes).items() if content is not REMOVED}


def a_basket(**changes: Any) -> dict[str, Any]:
    basket: dict[str, Any] = {
        "event_id": "31198570044",
        "customer_id": "900",
        "occurred_at": "2017-01-01T11:53:26Z",
        "store_id": "330",
        "channel": "store",
        "currency": "USD",
        "kind": "purchase",
        "items": [a_line()],
    }
    return {name: content for name, content in (basket | changes).items() if content is not REMOVED}


def a_catalogue(**changes: Any) -> dict[str, Any]:
    catalogue: dict[str, Any] = {
        "event_id": "catalogue:1",
        "occurred_at": "2017-01-01T11:53:26Z",
        "kind": "catalogue",
        "products": [{"product_id": "1095275", "category": "FLUID MILK PRODUCTS", "name": "Whole milk"}],
    }
    return {name: content for name, content in (catalogue | changes).items() if content is not REMOVED}


def as_bytes(content: object) -> bytes:
    return json.dumps(content).encode()


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def with_raw(field: str, content: str) -> bytes:
    """A basket with an unknown field, or another value for a known one, written as it stands."""
    basket = a_basket() | {field: "@"}
    return json.dumps(basket).replace('"@"', content).encode()


def with_line(**changes: Any) -> bytes:
    return as_bytes(a_basket(items=[a_line(), a_line(**changes)]))


def many_lines(count: int) -> bytes:
    return as_bytes(
        a_basket(items=[{"product_id": "1", "category": "1", "quantity": 1, "unit_price": 1}] * count)
    )


REFUSED: dict[str, tuple[bytes | None, str, str]] = {
    "a tombstone": (None, "empty", ""),
    "no bytes": (b"", "empty", ""),
    "no JSON": (b"hello", "json", ""),
    "half an event": (as_bytes(a_basket())[:-9], "json", ""),
    "trailing garbage": (as_bytes(a_basket()) + b" x", "json", ""),
    "a byte order mark": (b"\xef\xbb\xbf" + as_bytes(a_basket()), "json", ""),
    "invalid UTF-8": (as_bytes(a_basket()).replace(b"FLUID", b"FL\xffID"), "json", ""),
    "invalid UTF-8 in an unknown field": (with_raw("x", '"@@"').replace(b"@@", b"\xed\xa0\x80"), "json", ""),
    "a lone surrogate": (with_raw("customer_id", '"\\ud800"'), "json", ""),
    "NaN": (with_raw("x", "NaN"), "json", ""),
    "a quantity that is NaN": (with_line(quantity=float("nan")), "json", ""),
    "a list": (b"[]", "type", ""),
    "1,000 levels in an unknown field": (with_raw("x", nested(1000)), "nesting", ""),
    "300 levels in an unknown field": (with_raw("x", nested(300)), "nesting", ""),
    "1,000,000 open brackets": (b"[" * 1_000_000, "nesting", ""),
    "more than 1 MiB": (as_bytes(a_basket(x="x" * (1 << 20))), "too-large", ""),
    "900 KB of text in a name": (with_line(name="x" * 900_000), "text", "items[1].name"),
    "10,001 lines": (many_lines(10_001), "too-large", "items"),
    "no lines": (as_bytes(a_basket(items=[])), "empty", "items"),
    "items that are an object": (as_bytes(a_basket(items={})), "type", "items"),
    "a line that is null": (as_bytes(a_basket(items=[None])), "type", "items[0]"),
    "a missing customer": (as_bytes(a_basket(customer_id=REMOVED)), "missing", "customer_id"),
    "a missing price": (with_line(unit_price=REMOVED), "missing", "items[1].unit_price"),
    "a customer that is a number": (as_bytes(a_basket(customer_id=900)), "type", "customer_id"),
    "an empty customer": (as_bytes(a_basket(customer_id="")), "empty", "customer_id"),
    "a customer that begins with byte 0": (as_bytes(a_basket(customer_id="\0clock")), "text", "customer_id"),
    "a customer of 257 bytes": (as_bytes(a_basket(customer_id="x" * 257)), "text", "customer_id"),
    "a customer of 129 characters and 258 bytes": (
        as_bytes(a_basket(customer_id="é" * 129)),
        "text",
        "customer_id",
    ),
    "a category of 257 bytes": (with_line(category="x" * 257), "text", "items[1].category"),
    "an empty store": (as_bytes(a_basket(store_id="")), "empty", "store_id"),
    "a quantity of 0": (with_line(quantity=0), "range", "items[1].quantity"),
    "a quantity that rounds to 0": (with_line(quantity=0.0005), "range", "items[1].quantity"),
    "a quantity that is text": (with_line(quantity="1"), "type", "items[1].quantity"),
    "a quantity that is true": (with_line(quantity=True), "type", "items[1].quantity"),
    "a quantity of 1e400": (
        with_raw("items", '[{"product_id":"1","category":"1","quantity":1e400,"unit_price":1}]'),
        "range",
        "items[0].quantity",
    ),
    "a quantity beyond its range": (with_line(quantity=1_000_001), "range", "items[1].quantity"),
    "a negative price": (with_line(unit_price=-0.01), "range", "items[1].unit_price"),
    "a discount that is null": (with_line(discount=None), "type", "items[1].discount"),
    "a line that costs too much": (with_line(quantity=1e6, unit_price=1e6), "range", "items[1]"),
    "a basket that costs too much": (
        as_bytes(a_basket(items=[a_line(quantity=1e6, unit_price=600)] * 2)),
        "range",
        "items",
    ),
    "a return with a positive line": (
        as_bytes(a_basket(kind="return", items=[a_line(quantity=-1), a_line()])),
        "sign",
        "items[1].quantity",
    ),
    "a time without offset": (as_bytes(a_basket(occurred_at="2017-01-01T11:53:26")), "time", "occurred_at"),
    "a time that is a number": (as_bytes(a_basket(occurred_at=1_483_271_606)), "type", "occurred_at"),
    "a day that does not exist": (
        as_bytes(a_basket(occurred_at="2017-02-29T00:00:00Z")),
        "time",
        "occurred_at",
    ),
    "the year 1999": (as_bytes(a_basket(occurred_at="1999-12-31T23:59:59.999Z")), "time", "occurred_at"),
    "the year 9999": (as_bytes(a_basket(occurred_at="9999-12-31T23:59:59-23:59")), "time", "occurred_at"),
    "another currency": (as_bytes(a_basket(currency="EUR")), "currency", "currency"),
    "no currency of this world": (as_bytes(a_basket(currency="$")), "currency", "currency"),
    "an unknown kind": (as_bytes(a_basket(kind="gift")), "kind", "kind"),
    "an erasure of nobody": (
        as_bytes({"kind": "erase", "event_id": "e", "occurred_at": "2017-01-01T00:00:00Z"}),
        "missing",
        "customer_id",
    ),
    "a catalogue without products": (as_bytes(a_catalogue(products=[])), "empty", "products"),
    "a catalogue of 10,001 products": (
        as_bytes(a_catalogue(products=[{"product_id": "1", "category": "A"}] * 10_001)),
        "too-large",
        "products",
    ),
    "a product of the catalogue without a category": (
        as_bytes(a_catalogue(products=[{"product_id": "1"}])),
        "missing",
        "products[0].category",
    ),
    "a product's name of 1,025 bytes": (
        as_bytes(a_catalogue(products=[{"product_id": "1", "category": "A", "name": "é" * 512 + "x"}])),
        "text",
        "products[0].name",
    ),
    "a product of a status that is none": (
        as_bytes(a_catalogue(products=[{"product_id": "1", "category": "A", "status": "gone"}])),
        "status",
        "products[0].status",
    ),
    "a tick without time": (as_bytes({"kind": "tick", "event_id": "tick:1"}), "missing", "occurred_at"),
    "a whole number of 5,000 digits in an unknown field": (with_raw("x", "1" * 5000), "json", ""),
}


ACCEPTED: dict[str, bytes] = {
    "only what is required": as_bytes(
        a_basket(store_id=REMOVED, channel=REMOVED, items=[a_line(name=REMOVED, discount=REMOVED)])
    ),
    "null where nothing is known": as_bytes(a_basket(store_id=None, channel=None)),
    "unknown fields": with_raw("x", '{"a": [1, 2, {"b": null}]}'),
    "an unknown field 100 levels deep": with_raw("x", nested(100)),
    "brackets in text": with_line(name="[" * 500),
    "1e400 in an unknown field": with_raw("x", "1e400"),
    "identifiers of 256 bytes": as_bytes(a_basket(event_id="é" * 128, customer_id="x" * 256)),
    "a byte 0 inside an identifier": as_bytes(a_basket(customer_id="a\0")),
    "a name of 1,024 bytes": with_line(name="é" * 512),
    "a surrogate pair": with_line(name="\U0001f95b"),
    "UTF-8 as it is": json.dumps(a_basket(customer_id="Zoë"), ensure_ascii=False).encode(),
    "a key said twice, wrong at first": with_raw("currency", '5, "currency": "USD"'),
    "an escaped key": as_bytes(a_basket()).replace(b'"kind"', b'"\\u006bind"'),
    "whole numbers": with_line(quantity=1, unit_price=2, discount=0),
    "the largest quantity": with_line(quantity=1_000_000, unit_price=0),
    "a negative line in a purchase": with_line(quantity=-1),
    "10,000 lines": many_lines(10_000),
    "white space around": b" \r\n\t" + as_bytes(a_basket()) + b"\n",
    "a number of 5,000 digits after the point": with_raw("x", "0." + "1" * 5000),
}


identifiers = st.one_of(
    st.text(min_size=1, max_size=20),
    st.sampled_from(["", "\0a", "x" * 256, "x" * 257, "é" * 128, "é" * 129, "a\0", "\ud800", "tick:1"]),
)
numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.floats(-1000, 1000),
    st.sampled_from(
        [0, 0.0004, 0.0005, 0.00050001, -0.0005, 1e6, 1_000_001, -1e6, 1e9, -1e9, 1e9 + 1, 10**400, 2**63]
    ),
)
times = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.text(alphabet="0123456789-:TZtz+. ", max_size=30),
    st.sampled_from(
        [
            "2017-01-01T11:53:26Z",
            "2017-01-01 11:53:26Z",
            "2017-01-01T24:00:00Z",
            "2017-01-01T11:53:60Z",
            "20170101T115326Z",
            "2017-W01-1T00:00:00Z",
            "2017-01-01T11:53:26,5Z",
            "2017-01-01T11:53:26.Z",
            "2017-01-01T11:53Z",
            "2017-01-01T11:53:26+0500",
            "2017-01-01T11:53:26-00:00",
            "2017-01-01T11:53:26+24:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "2101-01-01T00:00:00Z",
            "2101-01-01T00:00:00+00:01",
            "\uff12017-01-01T11:53:26Z",
            "2017-01-01T11:53:26Z\n",
        ]
    ),
)
anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=10), identifiers),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
lines = st.fixed_dictionaries(
    {
        "product_id": identifiers,
        "category": identifiers,
        "quantity": numbers,
        "unit_price": st.floats(0, 100),
    },
    optional={"name": st.none() | st.text(max_size=1100), "discount": numbers, "more": anything},
)
baskets = st.fixed_dictionaries(
    {
        "event_id": identifiers,
        "customer_id": identifiers,
        "occurred_at": times,
        "currency": st.sampled_from(["USD", "USD", "USD", "EUR", "usd", ""]),
        "kind": st.sampled_from(
            ["purchase", "purchase", "return", "tick", "live", "erase", "catalogue", "x"]
        ),
        "items": st.lists(lines, max_size=4),
    },
    optional={"store_id": st.none() | identifiers, "channel": st.none() | identifiers, "more": anything},
)


good_texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60
) | st.sampled_from(["x" * 256, "é" * 128, "a\0"])
good_lines = st.fixed_dictionaries(
    {
        "product_id": good_texts,
        "category": good_texts,
        "quantity": st.sampled_from([1, -1, 0.5, -2.75, 0.0006, 1e6]),
        "unit_price": st.floats(0, 100) | st.integers(0, 100),
    },
    optional={"name": st.none() | st.text(max_size=20), "discount": st.floats(-1000, 1000), "more": anything},
)
good_baskets = st.fixed_dictionaries(
    {
        "event_id": good_texts,
        "customer_id": good_texts,
        "occurred_at": st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30)).map(  # noqa: DTZ001 - offset below
            lambda at: at.isoformat() + "+05:30"
        ),
        "currency": st.just("USD"),
        "kind": st.just("purchase"),
        "items": st.lists(good_lines, min_size=1, max_size=4),
    },
    optional={"store_id": st.none() | good_texts, "channel": st.none() | good_texts, "more": anything},
)


@st.composite
def mutated_baskets(draw: st.DrawFn) -> bytes:
    """A good basket with a few things wrong: in its fields, and then in its bytes."""
    content: Any = draw(st.one_of(st.builds(a_basket), good_baskets, good_baskets, baskets))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        target: Any = content
        if isinstance(content.get("items"), list) and draw(st.booleans()):
            target = content["items"] = [dict(line) for line in content["items"] if isinstance(line, dict)]
            target = target[draw(st.integers(0, len(target) - 1))] if target else content
        name = draw(st.sampled_from([*target, "more"]))
        target[name] = draw(anything)
        if draw(st.integers(0, 5)) == 0:
            del target[name]
    value = json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        value = draw(st.sampled_from(BYTE_FAULTS))(value, draw(st.integers(0, len(value))))
    return value


def insert(part: bytes) -> Callable[[bytes, int], bytes]:
    return lambda value, at: value[:at] + part + value[at:]


def unknown_field(content: bytes) -> Callable[[bytes, int], bytes]:
    return lambda value, _: value[:-1] + b',"more":' + content + b"}"


BYTE_FAULTS: list[Callable[[bytes, int], bytes]] = [
    lambda value, at: value[:at],
    lambda value, at: value[:at] + value[at + 1 :],
    *map(
        insert,
        [
            b"\xff",
            b"\\",
            b"\\ud800",
            b"\\u0000",
            b"\0",
            b'"',
            b"0",
            b"-",
            b"e9",
            b"1e400",
            b"NaN",
            b"[",
            b"}",
            b",",
            b"\xef\xbb\xbf",
            b" ",
        ],
    ),
    *map(
        unknown_field,
        [
            b"NaN",
            b"-Infinity",
            b"1e400",
            b"1" * 4300,
            b"-" + b"1" * 4301,
            b"1" * 4500,
            b"1" * 9000 + b".5",
            b"0." + b"0" * 5000,
            b'"\xff"',
            b'"\xed\xa0\x80"',
            b'"\\ud800"',
            b'"\\udc00\\ud800"',
            b'"\\x"',
            b'"\\u12"',
            b'"\x01"',
            b"[" * 190 + b"]" * 190,
            b"[" * 205 + b"]" * 205,
            b'{"a":' * 1000 + b"1" + b"}" * 1000,
            b"01",
            b"1.",
            b"tru",
            b'{"a":1,}',
            b'"' + b"x" * 5000 + b'"',
            b"1" * 3000 + b"," + b'"y":' + b"2" * 3000,
        ],
    ),
    *map(
        unknown_field,
        [
            b'1,"items":[]',
            b'1,"kind":7,"kind":"purchase"',
            b'1,"customer_id":"\\u0000"',
            b'1,"currency":"USD"',
            b'1,"occurred_at":5',
        ],
    ),
]
