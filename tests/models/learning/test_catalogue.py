"""The catalogue: what the shop says of its products decides what is recommended, from then on."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learning.catalogue import MOST_NAME_BYTES, MOST_PRODUCTS, Catalogue, Entry
from models.ledger.ledger import Ledger
from models.memory.rows import RowError, catalogue_key, header, partition_row
from models.settings import LedgerSettings
from tests.support.ledgers.logs import Replay, basket, catalogue, drive, records_of, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
AVAILABLE, OUT_OF_STOCK, WITHDRAWN = range(3)
Event = dict[str, Any]


def a_shop(days: int = 8) -> list[bytes]:
    """One who buys milk, twice of `m1` and once of `m2`, bread and tea, day by day."""
    log = [tick(-1)]
    for day in range(days):
        lines = [
            ("MILK", "m2" if day % 3 == 2 else "m1", 1.0, 1.0),
            ("BREAD", "b1", 1.0, 1.0),
            ("TEA", "t1", 1.0, 1.0),
        ]
        log += [basket(f"e{day}", "1", day + 0.5, *lines), tick(day)]
    return log


def last_said(*records: bytes, customer: str = "2") -> Event:
    """The newest recommendation after the shop's days, these records, and somebody's next basket."""
    log = [*a_shop(), *records, basket("next", customer, 8.5, ("SALT", "s1", 1.0, 1.0))]
    events = [event for event in said(log) if event["customer_id"] == customer]
    return events[-1]


def said(log: list[bytes]) -> list[Event]:
    return cast("list[Event]", replay_of(log, SETTINGS).values("recommendations"))


def items(event: Event) -> dict[str, Event]:
    return {item["category"]: item for item in event["items"]}


@pytest.mark.parametrize("customer", ["1", "2"], ids=["bought before", "new"])
@pytest.mark.parametrize("status", ["out-of-stock", "withdrawn"])
def test_a_category_none_of_whose_products_can_be_had_is_not_recommended(status: str, customer: str) -> None:
    gone = catalogue("c", ("m1", "MILK", None, status), ("m2", "MILK", None, status))
    assert {"MILK", "BREAD", "TEA"} <= items(last_said(customer=customer)).keys()
    assert {"BREAD", "TEA", "SALT"} >= items(last_said(gone, customer=customer)).keys() >= {"BREAD", "TEA"}


def test_one_product_that_can_be_had_keeps_its_category() -> None:
    half = catalogue("c", ("m1", "MILK", None, "withdrawn"), ("m2", "MILK", None, "available"))
    assert "MILK" in items(last_said(half))


def test_what_is_back_in_stock_is_recommended_again() -> None:
    gone = catalogue("gone", ("b1", "BREAD", None, "out-of-stock"))
    back = catalogue("back", ("b1", "BREAD", None, "available"))
    assert "BREAD" not in items(last_said(gone))
    assert items(last_said(gone, back)) == items(last_said(back)) == items(last_said())


def test_the_last_word_on_a_product_counts_within_a_record_too() -> None:
    twice = catalogue("c", ("b1", "BREAD", None, "withdrawn"), ("b1", "BREAD", "Rye", "available"))
    assert items(last_said(twice, customer="1"))["BREAD"]["product_name"] == "Rye"


def test_a_product_that_cannot_be_had_gives_way_to_the_next_the_customer_buys() -> None:
    usual = items(last_said(customer="1"))["MILK"]
    assert (usual["product_id"], usual["product_name"]) == ("m1", None)
    other = catalogue("c", ("m1", "MILK", "Whole", "out-of-stock"), ("m2", "MILK", "Skimmed", "available"))
    instead = items(last_said(other, customer="1"))["MILK"]
    assert (instead["product_id"], instead["product_name"]) == ("m2", "Skimmed")
    assert instead["score"] == usual["score"]


def test_a_category_may_be_had_in_products_that_the_customer_never_bought() -> None:
    others = catalogue("c", ("b1", "BREAD", "Rye", "withdrawn"), ("b9", "BREAD", "Oat", "available"))
    item = items(last_said(others, customer="1"))["BREAD"]
    assert (item["product_id"], item["product_name"]) == (None, None)


def test_it_says_nothing_about_what_was_bought_before_it_came() -> None:
    log = [*a_shop(), catalogue("c", ("m1", "TOYS", None, "withdrawn"), ("m2", "TOYS", None, "withdrawn"))]
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(log, SETTINGS), replay, finish=True)
    known = ledger.describe(b"1")
    assert known is not None
    assert {habit["category"] for habit in cast("list[Event]", known["habits"])} == {"MILK", "BREAD", "TEA"}
    assert "MILK" in items(last_said(log[-1]))


def test_it_moves_no_time_and_is_accounted_for() -> None:
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(a_shop(), SETTINGS), replay, finish=True)
    before = ledger.clock
    records = records_of([catalogue("c", ("m1", "MILK", None, "available"))], SETTINGS, first_offset=500)
    changes = ledger.advance(records)
    assert changes.applied == 1
    assert changes.counts == {"listed": 1}
    assert (ledger.clock.offset, ledger.clock.watermark) == (500, before.watermark)
    assert changes.outputs == ()


def test_a_record_changes_the_rows_of_its_own_products_alone() -> None:
    many = [(f"p{number:03}", "MILK", f"Milk {number}", "available") for number in range(300)]
    replay = replay_of([*a_shop(), catalogue("all", *many)], SETTINGS)
    shards = {key for key in replay.rows if key.startswith(b"\0catalogue:")}
    assert shards == {catalogue_key(shard) for shard in range(3)}
    ledger = Ledger(SETTINGS)
    ledger.load(replay.rows.items())
    record = catalogue("one", ("p000", "MILK", "Milk", "withdrawn"))
    changes = ledger.advance(records_of([record], SETTINGS, first_offset=900))
    rows = [row for row in changes.rows if row.key.startswith(b"\0catalogue:")]
    assert [row.key for row in rows] == [catalogue_key(0)]
    assert header(rows[0].value).offset == 900


entries = st.dictionaries(
    st.integers(1, 400),
    st.builds(Entry, st.integers(0, 60), st.integers(0, 2), st.text(max_size=12).map(str.encode)),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(updates=st.lists(entries, min_size=1, max_size=5))
def test_rows_hold_all_that_it_knows(updates: list[dict[int, Entry]]) -> None:
    known = Catalogue()
    for offset, update in enumerate(updates):
        known, left_out = known.updated(update.items(), offset)
        assert left_out == 0
    again = Catalogue.decode({shard: (at, known.encode(shard)) for shard, at in known.offsets.items()})
    last = {product: entry for update in updates for product, entry in update.items()}
    assert len(again) == len(known) == len(last)
    assert again.offsets == known.offsets
    numbers, categories = np.arange(402), np.arange(62)
    lacking = np.array([number in last and last[number].status != AVAILABLE for number in numbers.tolist()])
    of = [[entry.status for entry in last.values() if entry.category == number] for number in categories]
    gone = np.array([number > 0 and bool(all_) and AVAILABLE not in all_ for number, all_ in enumerate(of)])
    for one in (known, again):
        assert (one.lacks(numbers) == lacking).all()
        assert (one.lacks_all_of(categories) == gone).all()
        assert [one.name(number) for number in numbers.tolist()] == [
            last[number].name.decode() or None if number in last else None for number in numbers.tolist()
        ]


def test_names_are_bounded_and_what_finds_no_room_is_counted() -> None:
    long = [(number, Entry(1, AVAILABLE, b"x" * 1024)) for number in range(1, 1_001)]
    full, left_out = Catalogue().updated(long, 0)
    assert left_out == 1_000 - MOST_NAME_BYTES // 1024
    assert len(full) == 1_000
    assert full.name(1) == "x" * 1024
    assert full.name(1_000) is None
    # A shorter word on a product makes room again.
    smaller, _ = full.updated([(1, Entry(1, WITHDRAWN, b""))], 1)
    named, left_out = smaller.updated([(1_000, Entry(1, AVAILABLE, b"x" * 1024))], 2)
    assert left_out == 0
    assert named.name(1_000) == "x" * 1024


def test_products_are_bounded_and_those_known_can_still_change() -> None:
    many = [(number, Entry(1, AVAILABLE, b"")) for number in range(1, MOST_PRODUCTS + 3)]
    full, left_out = Catalogue().updated(many, 0)
    assert (len(full), left_out) == (MOST_PRODUCTS, 2)
    changed, left_out = full.updated([(1, Entry(1, WITHDRAWN, b""))], 1)
    assert left_out == 0
    assert changed.lacks(np.array([1, 2])).tolist() == [True, False]


def test_what_cannot_be_numbered_is_counted_and_not_kept() -> None:
    known, left_out = Catalogue().updated([(0, Entry(1, WITHDRAWN, b"Milk"))], 0)
    assert (len(known), left_out, known.offsets) == (0, 1, {})
    unnamed, _ = Catalogue().updated([(1, Entry(0, WITHDRAWN, b"Milk"))], 0)
    assert not unnamed.lacks_all_of(np.array([0])).any()
    assert unnamed.lacks(np.array([1, 2])).tolist() == [True, False]


@pytest.mark.parametrize("cut", [-1, -8])
def test_a_damaged_shard_is_no_catalogue(cut: int) -> None:
    replay = replay_of([*a_shop(), catalogue("c", ("m1", "MILK", "Whole", "available"))], SETTINGS)
    known, _ = Catalogue().updated([(1, Entry(1, OUT_OF_STOCK, b"Whole"))], 7)
    replay.rows[catalogue_key(0)] = partition_row(known.encode(0)[:cut], offset=7, boundary=0)
    with pytest.raises(RowError, match="cannot be read"):
        Ledger(SETTINGS).load(replay.rows.items())
