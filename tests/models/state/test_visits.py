"""Stores and channel of purchases: what a row keeps of them, however the log is cut."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ledger.export import Export
from models.ledger.ledger import Ledger
from models.ledger.snapshot import tables_of
from models.memory.dictionary import UNTRACKED
from models.settings import LedgerSettings
from models.state.columns import CUSTOMER
from models.state.state import State
from models.state.visits import count, numbered, usual_stores
from tests.support.ledgers.logs import Replay, basket, drive, erase, live, records_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1)
MILK = ("MILK", "p1", 1.0, 2.0)


def bought(number: int, customer: str, day: float, **where: str) -> bytes:
    return basket(f"e{number}", customer, day, MILK, **where)


def seen(values: list[bytes], customer: str = "900", *, step: int = 600) -> tuple[object, object]:
    """Usual store and last channel after a log, which is applied in runs of `step` records."""
    ledger, records = Ledger(SETTINGS), records_of(values, SETTINGS)
    for start in range(0, len(values), step):
        drive(ledger, records.slice(start, min(start + step, len(values))), Replay(), finish=True)
    told = ledger.describe(customer.encode())
    assert told is not None
    return told["usual_store"], told["last_channel"]


def test_the_usual_store_has_most_visits_and_the_last_channel_is_of_the_latest_purchase_that_names_one() -> (
    None
):
    log = [
        bought(1, "900", 1.3, store_id="south", channel="till"),
        bought(2, "900", 1.5, store_id="north", channel="web"),
        bought(3, "900", 1.4, store_id="north", channel="phone"),
        bought(4, "900", 1.6),
    ]
    for step in (1, 2, 4):
        assert seen(log, step=step) == ("north", "web")
    assert seen([bought(1, "900", 1.3)]) == (None, None)


def test_returns_duplicates_and_history_are_no_further_visits_and_history_is_one() -> None:
    first = bought(1, "900", 1.3, store_id="south", channel="till")
    back = basket("e2", "900", 1.4, ("MILK", "p1", -1.0, 2.0), kind="return", store_id="north", channel="web")
    again = [bought(3, "900", 1.5, store_id="north")] * 3
    log = [live(5), first, back, bought(4, "900", 1.6, store_id="south"), *again]
    assert seen(log) == ("south", "till")


@pytest.mark.parametrize("field", ["store_id", "channel"])
def test_an_event_that_comes_again_with_another_store_or_channel_was_edited(field: str) -> None:
    ledger, replay = Ledger(SETTINGS), Replay()
    log = [bought(1, "900", 1.3, **{field: "a"}), bought(1, "900", 1.3, **{field: "b"})]
    drive(ledger, records_of(log, SETTINGS), replay)
    assert [refusal.error for refusal in replay.refusals] == ["changed"]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60))
def test_a_store_of_more_than_a_quarter_of_the_visits_is_kept_and_never_counted_too_high(
    stores: list[int],
) -> None:
    customer: Any = np.zeros(1, CUSTOMER)
    for store in stores:
        count(customer, np.array([[store, -1]]), np.array([True]))
    true = Counter(stores)
    places = list(zip(customer["stores"][0].tolist(), customer["store_visits"][0].tolist(), strict=True))
    kept = {store: visits for store, visits in places if visits}
    assert {store for store, visits in true.items() if visits > len(stores) / 4} <= kept.keys()
    assert all(visits <= true[store] for store, visits in kept.items())
    assert [store > 0 for store, _ in places] == [visits > 0 for _, visits in places]
    assert places == sorted(places, key=lambda place: not place[1])
    if kept:
        most = max(kept.values())
        assert usual_stores(customer)[0] == min(store for store, visits in kept.items() if visits == most)


def test_what_a_record_does_not_name_has_a_number_of_its_own() -> None:
    records = records_of([bought(1, "900", 1.3), bought(2, "900", 1.4, store_id="s", channel="c")], SETTINGS)
    numbers = numbered(State(SETTINGS, 1), records, [0, 1])
    assert numbers.tolist() == [[-1, -1], [1, 1]]
    assert numbers.dtype == np.int64


def test_a_store_without_a_number_is_not_counted_and_a_channel_without_one_is_unknown() -> None:
    customer: Any = np.zeros(1, CUSTOMER)
    count(customer, np.array([[3, 4]]), np.array([True]))
    count(customer, np.array([[UNTRACKED, UNTRACKED]]), np.array([True]))
    assert customer["stores"].tolist() == [[3, 0, 0]]
    assert customer["store_visits"].tolist() == [[1, 0, 0]]
    assert customer["channel"].tolist() == [UNTRACKED]


def test_the_first_channel_of_a_partition_is_kept() -> None:
    customer: Any = np.zeros(1, CUSTOMER)
    for channel, newest, kept in ((1, True, 1), (2, False, 1), (-1, True, 1), (2, True, 2)):
        count(customer, np.array([[-1, channel]]), np.array([newest]))
        assert customer["channel"].tolist() == [kept]


def test_a_store_visited_once_does_not_replace_the_usual_one() -> None:
    visited = ["home"] * 6 + [f"away {number}" for number in range(15)]
    log = [bought(at, "900", 1.3 + at / 100, store_id=store) for at, store in enumerate(visited)]
    assert seen(log) == ("home", None)


def test_a_count_stops_at_the_most_that_its_bits_hold() -> None:
    customer: Any = np.zeros(1, CUSTOMER)
    customer["stores"][0, 0], customer["store_visits"][0, 0] = 5, 65_534
    for _ in range(3):
        count(customer, np.array([[5, -1]]), np.array([False]))
    assert customer["store_visits"].tolist() == [[65_535, 0, 0]]


def test_profile_export_and_snapshot_name_the_same_and_rows_read_back_hold_it() -> None:
    log = [tick(0)]
    log += [bought(n, "900", 1 + n / 50, store_id=f"s{n % 2}", channel="web") for n in range(5)]
    log += [bought(10, "901", 1.9), tick(1)]
    replay, ledger = Replay(), Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), replay, finish=True)
    again = Ledger(SETTINGS)
    again.load(replay.rows.items())
    told = again.describe(b"900")
    assert told is not None
    assert (told["usual_store"], told["last_channel"]) == ("s0", "web")
    export = Export(replay.rows.items())
    columns = export.of(b"900")
    assert columns is not None
    assert columns["stores"] == [
        {"store": "s0", "purchases_at_least": 3},
        {"store": "s1", "purchases_at_least": 2},
    ]
    assert columns["channel"] == "web"
    assert dict(export.rows(b"900", columns))[b"900"] == replay.rows[b"900"]
    tables = tables_of(replay.rows.items())
    assert tables is not None
    for name, said in (("usual_store", ["s0", None]), ("last_channel", ["web", None])):
        column = tables.customers[name]
        assert column.known is not None
        texts = [
            column.texts[place] if known else None
            for place, known in zip(column.values, column.known, strict=True)
        ]
        assert texts == said


def test_names_beyond_the_room_of_the_dictionary_leave_the_store_unknown_and_lose_no_purchase() -> None:
    long = "s" * 250
    log = [bought(n, f"{n}", 1.2, store_id=f"{long}{n:04d}", channel=f"{long}{n:04d}") for n in range(260)]
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay())
    first, last = ledger.describe(b"0"), ledger.describe(b"259")
    assert first is not None
    assert last is not None
    assert (first["usual_store"], first["last_channel"]) == (f"{long}0000", f"{long}0000")
    assert (last["usual_store"], last["last_channel"], last["baskets"]) == (None, None, 1)


def test_an_erased_customer_leaves_no_store_behind() -> None:
    ledger, replay = Ledger(SETTINGS), Replay()
    log = [bought(1, "900", 1.3, store_id="south", channel="till"), erase("900", 1.4), bought(2, "900", 1.5)]
    drive(ledger, records_of(log, SETTINGS), replay)
    told = ledger.describe(b"900")
    assert told is not None
    assert (told["usual_store"], told["last_channel"], told["baskets"]) == (None, None, 1)
