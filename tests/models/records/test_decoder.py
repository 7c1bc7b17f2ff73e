"""Decoding: columns of what is good, refusals of what is not, and the same answer as the contract's."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts.purchases import (
    CatalogueUpdate,
    ContractError,
    Erasure,
    Purchase,
    Record,
    quantity_steps,
    read,
)
from models.records.columns import UNKNOWN_TIME, Kind
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from tests.support.data.malformed import (
    ACCEPTED,
    REFUSED,
    a_basket,
    a_catalogue,
    a_line,
    anything,
    as_bytes,
    good_baskets,
    mutated_baskets,
)

if TYPE_CHECKING:
    from models.contracts.changes import Refusal
    from models.records.columns import Records

DECODER = Decoder(LedgerSettings.model_validate({}))


class Judging(Decoder):
    """A decoder that leaves every record to the contract."""

    def _plain(self, value: bytes) -> None:
        del value


JUDGED = Judging(LedgerSettings.model_validate({}))


def decode(*values: bytes | None) -> tuple[Records, list[Refusal]]:
    return DECODER.decode([Raw(10 + number, value, UNKNOWN_TIME) for number, value in enumerate(values)])


def refusal_of(value: bytes | None) -> Refusal:
    records, refusals = decode(value)
    assert records.kinds.tolist() == [Kind.REFUSED]
    assert len(refusals) == 1
    return refusals[0]


def hash_of(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def test_a_basket_becomes_columns() -> None:
    value = as_bytes(a_basket(items=[a_line(), a_line(product_id="2", quantity=-1, discount=-0.25)]))

    records, refusals = DECODER.decode([Raw(7, value, 1_483_271_606_999)])

    assert refusals == []
    assert records.offsets.tolist() == [7]
    assert records.digests.tolist() == [hash_of(value)]
    assert records.appended_at.tolist() == [1_483_271_606_999]
    assert records.kinds.tolist() == [Kind.PURCHASE]
    assert records.occurred_at.tolist() == [1_483_271_606_000]
    assert records.event_ids == ["31198570044"]
    assert records.event_hashes.tolist() == [hash_of(b"31198570044")]
    assert records.customers == [b"900"]
    assert records.line_starts.tolist() == [0, 2]
    assert records.products == ["1095275", "2"]
    assert records.categories == ["FLUID MILK PRODUCTS"] * 2
    assert records.quantities.tolist() == [2000, -1000]
    assert records.spends.tolist() == [20_000, -10_000]
    assert records.content_hashes.tolist() == [685_115_150], (
        "rows hold this hash: it never changes for one content"
    )


def test_columns_have_the_types_of_records_even_when_empty() -> None:
    for values in ((), (b"",), (as_bytes(a_basket()),)):
        records, _ = decode(*values)
        assert len(records) == len(values)
        assert records.offsets.dtype == records.occurred_at.dtype == records.line_starts.dtype == np.int64
        assert records.digests.dtype == records.event_hashes.dtype == np.uint64
        assert records.content_hashes.dtype == np.uint32
        assert records.kinds.dtype == np.uint8
        assert records.quantities.dtype == records.spends.dtype == np.int64


def test_a_return_is_of_kind_return() -> None:
    records, _ = decode(as_bytes(a_basket(kind="return", items=[a_line(quantity=-2, discount=-0.5)])))

    assert records.kinds.tolist() == [Kind.RETURN]
    assert records.spends.tolist() == [-20_000]


@pytest.mark.parametrize(("kind", "number"), [("tick", Kind.TICK), ("live", Kind.LIVE)])
def test_the_service_s_own_records_have_a_time_and_neither_customer_nor_lines(
    kind: str, number: Kind
) -> None:
    value = as_bytes(
        {"kind": kind, "event_id": f"{kind}:2017-01-01", "occurred_at": "2017-01-02T07:00:00+01:00"}
    )

    records, refusals = decode(value)

    assert refusals == []
    assert records.kinds.tolist() == [number]
    assert records.occurred_at.tolist() == [1_483_336_800_000]
    assert records.event_ids == [f"{kind}:2017-01-01"]
    assert records.customers == [b""]
    assert records.line_starts.tolist() == [0, 0]


def test_a_refused_record_keeps_its_place_among_good_ones() -> None:
    good = as_bytes(a_basket())
    values = [good, b"not json", as_bytes(a_basket(items=[a_line(quantity=0)])), good, None]

    records, refusals = decode(*values)

    assert records.offsets.tolist() == [10, 11, 12, 13, 14]
    assert records.kinds.tolist() == [Kind.PURCHASE, Kind.REFUSED, Kind.REFUSED, Kind.PURCHASE, Kind.REFUSED]
    assert records.digests.tolist() == [hash_of(value or b"") for value in values]
    assert records.line_starts.tolist() == [0, 1, 1, 1, 2, 2]
    assert records.event_ids == ["31198570044", "", "", "31198570044", ""]
    assert [refusal.offset for refusal in refusals] == [11, 12, 14]
    assert {refusal.stage for refusal in refusals} == {"decode"}


def test_a_long_run_equals_its_records_one_by_one() -> None:
    values = [
        b"?"
        if number % 7 == 0
        else as_bytes(a_basket(event_id=str(number), items=[a_line()] * (number % 4 + 1)))
        for number in range(700)
    ]

    whole, refusals = decode(*values)
    singles = [decode(value) for value in values]

    assert [refusal.offset for refusal in refusals] == [10 + number for number in range(0, 700, 7)]
    assert whole.kinds.tolist() == [int(single.kinds[0]) for single, _ in singles]
    assert whole.content_hashes.tolist() == [int(single.content_hashes[0]) for single, _ in singles]
    assert whole.event_ids == [single.event_ids[0] for single, _ in singles]
    assert np.diff(whole.line_starts).tolist() == [int(single.line_starts[1]) for single, _ in singles]
    assert whole.products == [product for single, _ in singles for product in single.products]
    assert whole.spends.tolist() == [spend for single, _ in singles for spend in single.spends.tolist()]


@pytest.mark.parametrize(("value", "error", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_names_error_field_and_reason(value: bytes | None, error: str, field: str) -> None:
    refusal = refusal_of(value)

    assert (refusal.error, refusal.field) == (error, field)
    assert refusal.reason.endswith(".")
    assert len(refusal.reason) < 200


@pytest.mark.parametrize("value", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_contract_allows_is_accepted(value: bytes) -> None:
    records, refusals = decode(value)

    assert refusals == []
    assert records.kinds.tolist() == [Kind.PURCHASE]
    assert_agrees_with_the_contract(value)


def test_a_catalogue_has_a_time_and_neither_customer_nor_lines_and_lists_products() -> None:
    listed = [{"product_id": "1", "category": "A", "status": "withdrawn", "price": 2, "name": None}]
    good = as_bytes(a_basket())
    records, refusals = decode(good, as_bytes(a_catalogue(x=1, products=listed)), good)

    assert refusals == []
    assert records.kinds.tolist() == [Kind.PURCHASE, Kind.CATALOGUE, Kind.PURCHASE]
    assert records.customers[1] == b""
    assert records.line_starts.tolist() == [0, 1, 1, 2]
    assert [len(one) for one in records.listings] == [0, 1, 0]
    (product,) = records.slice(1, 2).listings[0]
    assert (product.product_id, product.category, product.name) == ("1", "A", None)
    assert product.status == "withdrawn"
    assert records.refuse(1).listings == [()]


@pytest.mark.parametrize("value", [case[0] for case in REFUSED.values()], ids=REFUSED.keys())
def test_what_is_refused_is_refused_by_the_contract_too(value: bytes | None) -> None:
    assert_agrees_with_the_contract(value or b"")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2017-01-01t06:53:26.5009-05:00", 1_483_271_606_500),
        ("2000-01-01T00:00:00z", 946_684_800_000),
        ("2100-12-31T23:59:59.99999Z", 4_133_980_799_999),
        ("2017-01-01T11:53:26.1Z", 1_483_271_606_100),
    ],
)
def test_times_are_milliseconds(text: str, at: int) -> None:
    records, _ = decode(as_bytes(a_basket(occurred_at=text)))

    assert records.occurred_at.tolist() == [at]


def verdict(value: bytes) -> Record | ContractError:
    try:
        return read(value)
    except ContractError as error:
        return error


def assert_agrees_with_the_contract(value: bytes) -> None:
    """The decoder accepts exactly what `read` does (and the service's currency), with the same content."""
    records, refusals = decode(value)
    judged, _ = JUDGED.decode([Raw(10, value, UNKNOWN_TIME)])
    assert records.content_hashes.tolist() == judged.content_hashes.tolist()
    record = verdict(value)
    if isinstance(record, ContractError):
        said = [(one.error, one.field, one.reason) for one in refusals]
        assert said == [(record.error, record.field, record.reason)]
        return
    if isinstance(record, Purchase) and record.currency != "USD":
        assert [one.error for one in refusals] == ["currency"]
        return
    assert refusals == []
    assert records.event_ids == [record.event_id]
    assert records.occurred_at.tolist() == [record.occurred_ms]
    listings = record.products if isinstance(record, CatalogueUpdate) else ()
    assert records.listings == [listings]
    if isinstance(record, Erasure):
        assert records.customers == [record.customer_id.encode()]
    if not isinstance(record, Purchase):
        assert len(records.products) == 0
        return
    assert records.customers == [record.customer_id.encode()]
    assert records.products == [item.product_id for item in record.items]
    assert records.categories == [item.category for item in record.items]
    assert records.quantities.tolist() == [quantity_steps(item.quantity) for item in record.items]
    assert records.spends.tolist() == [item.spend_steps for item in record.items]


@settings(max_examples=500, deadline=None)
@given(mutated_baskets())
def test_the_decoder_accepts_and_refuses_what_the_contract_does(value: bytes) -> None:
    assert_agrees_with_the_contract(value)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=60), anything.map(lambda content: json.dumps(content).encode())))
def test_no_bytes_raise(value: bytes) -> None:
    assert_agrees_with_the_contract(value)


def content_of(value: bytes) -> int:
    """The hash of a good event's content, the same by both ways of decoding."""
    records, refusals = decode(value)
    assert refusals == []
    assert JUDGED.decode([Raw(0, value, UNKNOWN_TIME)])[0].content_hashes == records.content_hashes
    return int(records.content_hashes[0])


CONTENT = a_basket(
    store_id=None, items=[a_line(quantity=1.0, discount=0.0, name="Bröd"), a_line(product_id="2")]
)
"""An event of which there are many serialisations."""


@pytest.mark.parametrize(
    "same",
    [
        json.dumps(CONTENT, indent=2),
        json.dumps(CONTENT, ensure_ascii=False),
        json.dumps(dict(reversed(CONTENT.items()))),
        json.dumps(CONTENT).replace("1.0", "1").replace("1.25", "125e-2"),
        json.dumps(CONTENT).replace('"discount": 0.0', '"discount": -0.0'),
        json.dumps(CONTENT).replace(', "discount": 0.0', ""),
        json.dumps(CONTENT).replace(', "name": null', ""),
        json.dumps(CONTENT).replace('"store_id": null, ', ""),
        json.dumps(CONTENT).replace('"quantity": 1.0', '"quantity": 1.0000000001'),
        json.dumps(CONTENT).replace("11:53:26Z", "12:53:26.0001+01:00"),
        json.dumps(CONTENT).replace("FLUID", "\\u0046LUID"),
        json.dumps(CONTENT | {"till": 7, "tags": [{}]}),
        json.dumps(CONTENT | {"nested": [[]] * 70}),
    ],
)
def test_another_serialisation_of_an_event_has_the_same_content(same: str) -> None:
    assert same != json.dumps(CONTENT)
    assert content_of(same.encode()) == content_of(as_bytes(CONTENT))


def test_any_edit_of_an_event_gives_it_another_content() -> None:
    first, second = CONTENT["items"]
    returned = {**CONTENT, "items": [{**line, "quantity": -1.0, "discount": 0} for line in CONTENT["items"]]}
    edits = [
        CONTENT,
        CONTENT | {"occurred_at": "2017-01-01T11:53:27Z"},
        CONTENT | {"store_id": "1"},
        CONTENT | {"store_id": "store", "channel": None},
        CONTENT | {"channel": "web"},
        CONTENT | {"items": [first]},
        CONTENT | {"items": [second, first]},
        CONTENT | {"items": [first, second, second]},
        *(
            CONTENT | {"items": [first | change, second]}
            for change in (
                {"product_id": "3"},
                {"product_id": "1095275F", "category": "LUID MILK PRODUCTS"},
                {"category": "TEA"},
                {"name": "Brot"},
                {"name": ""},
                {"name": None},
                {"quantity": 1.001},
                {"quantity": -1.0},
                {"unit_price": 1.2501},
                {"unit_price": 1.5, "discount": 0.25},
                {"discount": 0.0001},
            )
        ),
        returned,
        returned | {"kind": "return"},
    ]
    assert len({content_of(as_bytes(edit)) for edit in edits}) == len(edits)


@settings(max_examples=300, deadline=None)
@given(st.lists(good_baskets, min_size=2, max_size=6))
def test_events_have_one_content_only_if_they_decode_alike(baskets: list[dict[str, object]]) -> None:
    decoded: dict[int, str] = {}
    for basket in baskets:
        record = verdict(as_bytes(basket | {"currency": "USD"}))
        if isinstance(record, Purchase):
            lines = [
                (item.product_id, item.category, item.name, item.quantity, item.unit_price, item.discount)
                for item in record.items
            ]
            said = repr((record.kind, record.store_id, record.channel, record.occurred_ms, lines))
            assert decoded.setdefault(content_of(as_bytes(basket | {"currency": "USD"})), said) == said


def test_records_that_are_no_purchase_have_no_content() -> None:
    records, _ = decode(b"?", as_bytes(a_catalogue()), as_bytes(a_basket(items=[a_line(quantity=0)])))
    assert records.content_hashes.tolist() == [0, 0, 0]
    assert records.refuse(1).content_hashes.tolist() == [0]


def test_a_currency_is_the_service_s_own() -> None:
    euro = Decoder(LedgerSettings.model_validate({"currency": "EUR"}))

    records, refusals = euro.decode([Raw(0, as_bytes(a_basket(currency="EUR")), UNKNOWN_TIME)])
    assert (records.kinds.tolist(), refusals) == ([Kind.PURCHASE], [])
    assert [one.error for one in euro.decode([Raw(0, as_bytes(a_basket()), UNKNOWN_TIME)])[1]] == ["currency"]
