"""Habits: what a trip adds to cells and products, and what a full row gives up."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning.intervals import Statistic, observe
from models.settings import LedgerSettings
from models.state import habits
from models.state.columns import CELL, MOST_CELLS, MOST_PRODUCTS
from models.state.habits import TRIP_DECAY, fold_categories, fold_products, statistics_of
from models.state.open_days import bought_on
from models.state.state import State
from tests.support.ledgers.habits import Line, PlainHabits

SETTINGS = LedgerSettings()
TRIPS = st.lists(
    st.tuples(
        st.integers(1, 30),
        st.dictionaries(
            st.tuples(st.sampled_from(["MILK", "BREAD", "EGGS"]), st.sampled_from(["p1", "p2"])),
            st.integers(1, 5_000),
            min_size=1,
        ),
    ),
    min_size=1,
    max_size=8,
)


def customer() -> State:
    state = State(SETTINGS, 1)
    state.add(b"1")
    return state


def trip(state: State, day: int, lines: list[Line]) -> list[str]:
    """Fold one day of customer 0; names of the categories evicted."""
    rows, arena = np.array([0]), state.open_lines[day & 1]
    made = np.zeros(len(lines), arena.records.dtype)
    made["category"] = state.category_names.numbers([category for category, _, _ in lines])
    made["product"] = state.product_names.numbers([product for _, product, _ in lines])
    made["quantity"] = [quantity for _, _, quantity in lines]
    arena.put(0, made)
    state.customers["open_day"][0, day & 1] = day
    bought = bought_on(state, rows, day)
    if len(bought.owners):
        state.customers["trips"][0] += 1
    evicted = fold_categories(state, rows, bought, day)
    fold_products(state, rows, bought, day)
    return [state.category_names.name(int(cell["category"])) for cell in evicted.cells]


def cells(state: State) -> dict[str, Any]:
    return {state.category_names.name(int(cell["category"])): cell for cell in state.cells.run(0)}


def products(state: State) -> dict[str, Any]:
    return {state.product_names.name(int(held["product"])): held for held in state.products.run(0)}


@given(trips=TRIPS)
def test_cells_are_what_observing_their_trips_one_by_one_gives(
    trips: list[tuple[int, dict[tuple[str, str], int]]],
) -> None:
    state, day = customer(), 6_000
    wanted: dict[str, Any] = {}
    for gap, lines in trips:
        day += gap
        assert trip(state, day, [(*key, quantity) for key, quantity in lines.items()]) == []
        for category in {category for category, _ in lines}:
            before = wanted.get(category, np.zeros((1, len(Statistic)), np.float32))
            units = sum(quantity for (name, _), quantity in lines.items() if name == category) / 1000
            wanted[category] = observe(before, float(day), units)
    found = cells(state)
    assert found.keys() == wanted.keys()
    for category, cell in found.items():
        assert statistics_of(np.array([cell], CELL)).tolist() == wanted[category].tolist()


@given(trips=TRIPS)
def test_a_product_s_count_loses_three_in_a_hundred_a_trip(
    trips: list[tuple[int, dict[tuple[str, str], int]]],
) -> None:
    state, day = customer(), 6_000
    bought: list[set[str]] = []
    for gap, lines in trips:
        day += gap
        one_category = {product: quantity for (_, product), quantity in lines.items()}
        trip(state, day, [("MILK", product, quantity) for product, quantity in one_category.items()])
        bought.append(set(one_category))
    for product, held in products(state).items():
        wanted = sum(
            TRIP_DECAY ** (len(bought) - 1 - at) for at, names in enumerate(bought) if product in names
        )
        now = held["count"] * TRIP_DECAY ** (len(bought) - int(held["trip"]))
        assert now == pytest.approx(wanted, rel=1e-5)
    assert products(state).keys() == set.union(*bought)


def test_what_was_returned_in_full_is_no_trip() -> None:
    state = customer()
    trip(state, 6_000, [("MILK", "p1", 1_000), ("MILK", "p2", -1_000), ("EGGS", "p3", 2_000)])
    assert cells(state).keys() == {"EGGS"}
    assert products(state).keys() == {"p3"}


def test_a_full_row_gives_up_the_cell_that_is_least_likely_to_be_bought_again() -> None:
    state = customer()
    trip(state, 6_000, [("OLD", "p", 1_000)])
    names = [f"c{number}" for number in range(MOST_CELLS - 1)]
    for day in range(6_100, 6_106):
        trip(state, day, [(name, "p", 1_000) for name in names[day % 2 :: 2]])
    assert "OLD" in cells(state)
    assert trip(state, 6_110, [("NEW", "p", 1_000)]) == ["OLD"]
    assert "NEW" in cells(state)
    assert len(state.cells.run(0)) == MOST_CELLS


def test_a_newcomer_with_less_than_all_others_is_the_one_that_goes() -> None:
    state = customer()
    for day in range(6_000, 6_004):
        trip(state, day, [(f"c{number}", "p", 1_000) for number in range(day % 2, MOST_CELLS, 2)])
    assert trip(state, 6_004, [("NEW", "p", 1_000)]) == ["NEW"]


def test_products_beyond_the_bound_give_way_to_those_of_late() -> None:
    state = customer()
    trip(state, 6_000, [("MILK", f"old{number}", 1_000) for number in range(60)])
    trip(state, 6_010, [("MILK", f"new{number}", 1_000) for number in range(60)])
    names = products(state).keys()
    assert len(names) == MOST_PRODUCTS
    assert {f"new{number}" for number in range(60)} <= names


def test_the_order_of_the_day_s_lines_shapes_nothing() -> None:
    lines = [(f"c{number % 70}", f"p{number}", 1_000) for number in range(80)]
    one, other = customer(), customer()
    for state in (one, other):  # names keep their numbers, lines their own order
        state.category_names.numbers([category for category, _, _ in lines])
        state.product_names.numbers([product for _, product, _ in lines])
    trip(one, 6_000, lines)
    trip(other, 6_000, lines[::-1])
    assert one.cells.run(0).tobytes() == other.cells.run(0).tobytes()
    assert sorted(products(one)) == sorted(products(other))


CUSTOMERS = 3
LINES = st.dictionaries(
    st.sampled_from([f"p{number}" for number in range(8)]),
    st.sampled_from([-1_000, 0, 1, 500, 2_000]),
    max_size=6,
).map(lambda lines: [(f"c{int(product[1:]) % 6}", product, quantity) for product, quantity in lines.items()])
DAYS = st.lists(
    st.tuples(st.integers(1, 40), st.lists(LINES, min_size=CUSTOMERS, max_size=CUSTOMERS)),
    min_size=1,
    max_size=12,
)


class Shop:
    """Customers beside lists of their habits, folded together."""

    def __init__(self, customers: int, most_categories: int, most_products: int) -> None:
        self.state = State(SETTINGS, 1)
        self.rows = np.array([self.state.add(f"customer {number}".encode()) for number in range(customers)])
        self.plain = [PlainHabits(most_categories, most_products) for _ in range(customers)]

    def fold(self, day: int, lines: list[list[Line]]) -> None:
        """Fold a day of all customers, and see that the same is evicted."""
        state, arena = self.state, self.state.open_lines[day & 1]
        for row, mine in zip(self.rows.tolist(), lines, strict=True):
            made = np.zeros(len(mine), arena.records.dtype)
            made["category"] = state.category_names.numbers([category for category, _, _ in mine])
            made["product"] = state.product_names.numbers([product for _, product, _ in mine])
            made["quantity"] = [quantity for _, _, quantity in mine]
            arena.put(row, made)
            state.customers["open_day"][row, day & 1] = day
        bought = bought_on(state, self.rows, day)
        buyers = self.rows[np.unique(bought.owners)]
        state.customers["trips"][buyers] += 1
        evicted = fold_categories(state, self.rows, bought, day)
        fold_products(state, self.rows, bought, day)
        for row, mine, plain in zip(self.rows.tolist(), lines, self.plain, strict=True):
            gone = evicted.cells["category"][evicted.rows == row].tolist()
            assert {state.category_names.name(number) for number in gone} == plain.fold(day, mine)
        self.check()

    def check(self) -> None:
        """See that all that is kept is the same."""
        state = self.state
        for row, plain in zip(self.rows.tolist(), self.plain, strict=True):
            kept = {state.category_names.name(int(cell["category"])): cell for cell in state.cells.run(row)}
            assert kept.keys() == plain.categories.keys()
            for name, cell in kept.items():
                wanted = plain.categories[name]
                assert (cell["count"], cell["recent"]) == (wanted.count, wanted.recent)
                assert statistics_of(np.array([cell], CELL)).tolist() == wanted.statistics.tolist()
            run = state.products.run(row)
            assert {
                state.product_names.name(int(held["product"])): (
                    state.category_names.name(int(held["category"])),
                    int(held["trip"]),
                    int(held["last_day"]),
                )
                for held in run
            } == {name: (each.category, each.trip, each.last_day) for name, each in plain.products.items()}
            for held in run:
                wanted_count = plain.products[state.product_names.name(int(held["product"]))].count
                assert held["count"] == pytest.approx(wanted_count, rel=1e-5)


@given(days=DAYS)
def test_habits_of_several_customers_are_those_of_each_alone_with_what_a_full_row_gives_up(
    days: list[tuple[int, list[list[Line]]]],
) -> None:
    with mock.patch.multiple(habits, MOST_CELLS=3, MOST_PRODUCTS=4):
        shop, day = Shop(CUSTOMERS, 3, 4), 6_000
        for gap, lines in days:
            day += gap
            shop.fold(day, lines)


@pytest.mark.parametrize(
    ("steady", "late", "last"), [((0, 60, 120), (0, 1, 2, 3, 4), 150), ((0, 40, 80, 120), (0, 30), 121)]
)
def test_a_full_row_keeps_the_habit_that_is_likely_to_go_on_within_a_quarter(
    steady: tuple[int, ...], late: tuple[int, ...], last: int
) -> None:
    shop = Shop(1, MOST_CELLS, MOST_PRODUCTS)
    for day in sorted({*steady, *late}):
        bought = [name for name, days in (("steady", steady), ("late", late)) if day in days]
        shop.fold(6_000 + day, [[(name, name, 1_000) for name in bought]])
    shop.plain[0].most_categories = 1
    with mock.patch.object(habits, "MOST_CELLS", 1):
        shop.fold(6_000 + last, [[("new", "new", 1_000)]])
    assert shop.plain[0].categories.keys() == {"steady"}


def test_long_habits_of_many_customers_keep_their_order_and_their_counts() -> None:
    shop = Shop(20, MOST_CELLS, MOST_PRODUCTS)
    first = [(f"c{number}", f"p{number}", 1_000) for number in range(40)]
    for day in range(6_000, 6_003):
        shop.fold(day, [first[day % 7 + customer :] for customer in range(20)])
    shop.fold(6_003, [[("new", "new", 1_000), *first[::-1]] for _ in range(20)])
    for row in shop.rows.tolist():
        numbers = shop.state.cells.run(row)["last_interval"].tolist()
        assert numbers == sorted(numbers, key=bool, reverse=True), "those held before those that are new"


def test_statistics_are_read_in_the_precision_in_which_they_are_kept() -> None:
    assert statistics_of(np.zeros(2, CELL)).dtype == np.float32
