"""Decayed sums of how a customer shops, against sums made day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.shopping import HALF_LIVES, Sum, shopping_of
from tests.support.ledgers.logs import Replay, basket, drive, records_of, tick

if TYPE_CHECKING:
    from models.state.state import State

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
DAYS = st.lists(
    st.tuples(
        st.integers(1, 40),  # days since the one before
        st.lists(st.tuples(st.integers(1, 900), st.booleans()), min_size=1, max_size=3),  # cents, bought
    ),
    min_size=1,
    max_size=8,
)


def run(days: list[tuple[int, list[tuple[int, bool]]]], *, close: bool) -> tuple[State, int]:
    """A ledger after some days of baskets and returns, and the last day, closed or not."""
    values, day = [tick(-1)], 0
    for number, (gap, amounts) in enumerate(days):
        day += gap
        for place, (cents, bought) in enumerate(amounts):
            line = ("MILK", "m", 1.0 if bought else -1.0, cents / 100)
            kind = "purchase" if bought else "return"
            values.append(basket(f"{number}-{place}", "1", day + 0.4 + place / 100, line, kind=kind))
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of([*values, *([tick(day)] if close else [])], SETTINGS), Replay(), finish=True)
    state = ledger._state
    return state, state.calendar.days(np.array([1483228800000 + day * 86_400_000]))[0]


@given(days=DAYS)
@settings(max_examples=60, deadline=None)
def test_sums_are_those_of_all_days_faded_to_the_boundary(
    days: list[tuple[int, list[tuple[int, bool]]]],
) -> None:
    state, last = run(days, close=True)
    found = shopping_of(state, np.array([0]), int(last))
    expected, before, day, first = np.zeros(7), None, 0, None
    for gap, amounts in days:
        day += gap
        bought = any(each for _, each in amounts)
        first = day if first is None and bought else first
        if bought or before is not None:
            left = np.array([0.5 ** ((int(sum(gap for gap, _ in days)) - day) / each) for each in HALF_LIVES])
            net = sum(cents if each else -cents for cents, each in amounts) / 100
            told = np.zeros(7)
            told[[Sum.SPEND, Sum.SPEND_30, Sum.SPEND_90]] = net
            told[Sum.TRIPS], told[Sum.ITEMS] = bought, sum(each for _, each in amounts)
            told[Sum.GAPS] = day - before if bought and before is not None else 0
            expected += told * left
        before = day if bought else before
    np.testing.assert_allclose(found.sums[0], expected, rtol=1e-5, atol=1e-4)
    assert found.elapsed[0] == (0 if before is None else day - before)
    if first is not None:
        assert found.age[0] == day - first + 1


@given(days=DAYS)
@settings(max_examples=40, deadline=None)
def test_an_open_day_counts_as_it_will_once_it_is_folded(
    days: list[tuple[int, list[tuple[int, bool]]]],
) -> None:
    opened, last = run(days, close=False)
    closed, _ = run(days, close=True)
    before, after = (shopping_of(state, np.array([0]), int(last)) for state in (opened, closed))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_rate_is_by_the_days_that_could_be_seen() -> None:
    state, last = run([(7, [(700, True)]) for _ in range(8)], close=True)
    found = shopping_of(state, np.array([0]), int(last))
    assert found.rate(Sum.SPEND_30)[0] == pytest.approx(1.0, rel=0.15)
    assert found.rate(Sum.SPEND_90)[0] == pytest.approx(1.0, rel=0.15)
