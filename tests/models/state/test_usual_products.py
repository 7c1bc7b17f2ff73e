"""What is found for many customers and categories at once, held against a look at every row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.settings import LedgerSettings
from models.state.columns import PRODUCT
from models.state.habits import TRIP_DECAY
from models.state.state import State
from models.state.usual_products import Asked

CUSTOMERS, CATEGORIES = 4, 5
HELD = st.lists(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(1, CATEGORIES), st.integers(1, 9), st.integers(1, 7)),
        max_size=8,
        unique_by=lambda product: product[0],
    ),
    min_size=CUSTOMERS,
    max_size=CUSTOMERS,
)
PAIRS = st.lists(
    st.tuples(st.integers(0, CUSTOMERS - 1), st.integers(1, CATEGORIES)), min_size=1, unique=True
)


def state_of(held: list[list[tuple[int, int, int, int]]]) -> State:
    """Customers of seven trips who hold products (number, category, trips with it, the last of them)."""
    state = State(LedgerSettings(), 1)
    state.category_names.numbers([f"category {number}" for number in range(CATEGORIES)])
    for row, products in enumerate(held):
        state.add(b"%d" % row)
        run = np.zeros(len(products), PRODUCT)
        for at, (product, category, count, trip) in enumerate(products):
            run[at] = (product, category, count, trip, trip * 10)
        state.products.put(row, run)
    state.customers["trips"][:CUSTOMERS] = 7
    return state


@given(held=HELD, pairs=PAIRS)
def test_each_pair_gets_its_customers_products_of_its_category(
    held: list[list[tuple[int, int, int, int]]], pairs: list[tuple[int, int]]
) -> None:
    state = state_of(held)
    rows, categories = np.array(pairs, np.int64).T
    found = Asked(state, rows, categories).bought(state)
    columns = (found.asked, found.products, found.counts, found.last_days)
    expected = [
        (pair, product, count * TRIP_DECAY ** float(7 - trip), trip * 10)
        for pair, (row, wanted) in enumerate(pairs)
        for product, category, count, trip in held[row]
        if category == wanted
    ]
    assert sorted(zip(*(column.tolist() for column in columns), strict=True)) == sorted(expected)


@given(pairs=PAIRS)
def test_a_place_is_the_pairs_index_and_of_others_there_is_none(pairs: list[tuple[int, int]]) -> None:
    state = state_of([[]] * CUSTOMERS)
    rows, categories = np.array(pairs, np.int64).T
    asked = Asked(state, rows, categories)
    for owner, row in enumerate(asked.customers.tolist()):
        for category in range(1, CATEGORIES + 1):
            place = int(asked.places(np.array([owner]), np.array([category]))[0])
            assert place == (pairs.index((row, category)) if (row, category) in pairs else -1)
