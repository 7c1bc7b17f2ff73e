"""Open days: exact sums per customer, day, category and product, bounded."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.ledger.ledger import Ledger
from models.memory.dictionary import UNTRACKED
from models.settings import LedgerSettings
from models.state.calendar import day_number
from models.state.columns import MOST_OPEN_LINES
from models.state.open_days import bought_on, consumed_categories, lines_of
from models.state.state import State
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, records_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
DAY = day_number(FIRST_DAY.date())
NAMES = st.sampled_from(["MILK", "BREAD", "EGGS"])
LINES = st.lists(
    st.tuples(
        NAMES,
        st.sampled_from(["p1", "p2"]),
        st.sampled_from([-2.0, -1.0, 0.001, 0.125, 1.0, 3.0]),
        st.just(1.0),
    ),
    min_size=1,
    max_size=5,
)
BASKETS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.5, 1.05]), LINES), max_size=10)


def state_after(log: list[bytes]) -> State:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    return ledger._state


@given(baskets=BASKETS)
def test_what_is_bought_on_a_day_is_the_net_of_all_its_lines(
    baskets: list[tuple[int, float, list[tuple[str, str, float, float]]]],
) -> None:
    wanted: Counter[tuple[int, int, str]] = Counter()
    log = [tick(-1)]
    ordered = sorted(baskets, key=lambda each: each[1])
    for at, (customer, moment, lines) in enumerate(ordered):
        log.append(basket(f"e{at}", str(customer), moment + at / 10_000, *lines))
        for category, _, quantity, _ in lines:
            wanted[customer, int(moment), category] += round(quantity * 1000)
    state = state_after(log)
    customers = [number for number in range(3) if str(number).encode() in state.rows]
    rows = np.array([state.rows[str(number).encode()] for number in customers], np.int64)
    found = {}
    for day in (0, 1):
        bought = bought_on(state, rows, DAY + day)
        assert bought.quantities.dtype == np.int64, "sums are exact"
        for owner, category, net in zip(*(column.tolist() for column in bought), strict=True):
            found[customers[owner], day, state.category_names.name(category)] = net
    assert found == {key: net for key, net in wanted.items() if net > 0}


def test_a_thousandth_of_a_unit_is_bought() -> None:
    state = state_after([tick(-1), basket("a", "1", 0.5, ("MILK", "p", 0.001, 1.0))])
    assert bought_on(state, np.array([0]), DAY).quantities.tolist() == [1]


def test_two_days_are_open_at_once_and_the_boundary_folds_the_first() -> None:
    night = [
        tick(-1),
        basket("a", "1", 0.9, ("MILK", "p", 1.0, 1.0)),
        basket("b", "1", 1.1, ("EGGS", "p", 2.0, 1.0)),
    ]
    rows = np.array([0])
    state = state_after(night)
    assert bought_on(state, rows, DAY).quantities.tolist() == [1000]
    assert bought_on(state, rows, DAY + 1).quantities.tolist() == [2000]
    state = state_after([*night, tick(0)])
    assert bought_on(state, rows, DAY).quantities.tolist() == []
    assert bought_on(state, rows, DAY + 1).quantities.tolist() == [2000]
    assert [state.category_names.name(int(cell["category"])) for cell in state.cells.run(0)] == ["MILK"]


def test_a_basket_of_a_closed_day_adds_to_no_open_day_and_counts_for_spend() -> None:
    state = state_after([tick(-1), tick(0), tick(1), basket("late", "1", 0.5, ("MILK", "p", 1.0, 2.5))])
    assert state.customers["open_day"][0].tolist() == [0, 0]
    assert state.customers["spend"][0] == 25_000
    assert len(state.open_lines[0].run(0)) == len(state.open_lines[1].run(0)) == 0


def test_what_nobody_runs_out_of_is_spent_on_and_not_kept() -> None:
    state = state_after([tick(-1), basket("a", "1", 0.5, ("FUEL", "p", 1.0, 9.0), ("MILK", "p", 1.0, 1.0))])
    assert state.customers["spend"][0] == 100_000
    assert [
        state.category_names.name(int(line["category"])) for line in state.open_lines[DAY & 1].run(0)
    ] == ["MILK"]


def test_numbers_of_excluded_categories_are_untracked() -> None:
    state = State(SETTINGS, 1)
    first, fuel, again = consumed_categories(state, ["MILK", "FUEL", "MILK"]).tolist()
    assert (fuel, first) == (UNTRACKED, again)
    assert first != UNTRACKED


def test_lines_of_records_are_found_in_order() -> None:
    log = [
        basket(f"e{n}", "1", 0.5, *[("MILK", f"p{n}{m}", 1.0, 1.0) for m in range(n + 1)]) for n in range(4)
    ]
    records = records_of(log, SETTINGS)
    owners, lines = lines_of(records, np.array([3, 1]))
    assert owners.tolist() == [0, 0, 0, 0, 1, 1]
    assert [records.products[line] for line in lines] == ["p30", "p31", "p32", "p33", "p10", "p11"]
    assert lines_of(records, np.zeros(0, np.int64))[1].tolist() == []


def lines_kept(state: State, customer: bytes) -> set[tuple[str, str]]:
    return {
        (state.category_names.name(int(line["category"])), state.product_names.name(int(line["product"])))
        for line in state.open_lines[DAY & 1].run(state.rows[customer])
    }


def test_crowded_days_of_several_customers_are_cut_each_for_itself() -> None:
    few = [("MILK", f"p{number}", 1.0, 1.0) for number in range(100)]
    many = [(f"c{number % 50}", f"q{number}", 1.0, 1.0) for number in range(100)]
    log = {
        "1": [*few, *(("EGGS", f"e{number}", 1.0, 1.0) for number in range(100))],
        "2": [*many, *(("MILK", f"p{number}", 1.0, 1.0) for number in range(100))],
        "3": few,
    }
    baskets = {
        customer: [
            basket(f"{customer}{at}", customer, 0.5, *lines[at : at + 50]) for at in range(0, len(lines), 50)
        ]
        for customer, lines in log.items()
    }
    turns = [one for turn in zip_longest(*baskets.values()) for one in turn if one is not None]
    together = state_after([tick(-1), *turns])
    for customer, alone in baskets.items():
        mine = lines_kept(together, customer.encode())
        assert mine == lines_kept(state_after([tick(-1), *alone]), customer.encode())
        assert len(mine) == min(len(log[customer]), MOST_OPEN_LINES)


@given(order=st.permutations(range(6)))
def test_a_crowded_day_keeps_every_category_and_the_same_lines_in_any_order(order: list[int]) -> None:
    crowd = [
        basket(f"e{part}", "1", 0.5, *[(f"c{n % 9}", f"p{part}-{n}", 1.0, 1.0) for n in range(40)])
        for part in range(6)
    ]
    state = state_after([tick(-1), *(crowd[part] for part in order)])
    run = state.open_lines[DAY & 1].run(0)
    kept = {
        (state.category_names.name(int(line["category"])), state.product_names.name(int(line["product"])))
        for line in run
    }
    assert len(run) == len(kept) == MOST_OPEN_LINES
    assert {category for category, _ in kept} == {f"c{n}" for n in range(9)}
    assert kept == KEPT.setdefault("first", kept)


KEPT: dict[str, set[tuple[str, str]]] = {}
"""What the first order kept."""
