"""Who is too new to be ranked, and what is reported of them; test_segment_changes tells whole stories."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.learning.fifths import Limits
from models.learning.rfm import SEGMENTS
from models.segments import settling
from models.segments.settling import SETTLED_DAYS, Tenure, reportable, tenure_of
from models.settings import LedgerSettings
from models.state.state import State

DAY = 6_000
LABELS = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 9), st.sampled_from(Tenure)), min_size=1)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(settling).failed == 0


@given(customers=LABELS)
def test_below_the_minimum_a_segment_is_new_customers_or_a_better_one_that_was_earned(
    customers: list[tuple[int, int, Tenure]],
) -> None:
    labels, days, tenures = (np.array(column) for column in zip(*customers, strict=True))
    for (label, bought, tenure), found in zip(
        customers, reportable(labels.astype(np.int8), days, tenures.astype(np.int8)), strict=True
    ):
        name = SEGMENTS[found]
        if tenure == Tenure.NEW or (tenure == Tenure.YOUNG and bought < 3):
            assert name == "New Customers"
        elif tenure == Tenure.YOUNG:
            assert found == min(label, SEGMENTS.index("New Customers"))
        else:
            changed = {("At Risk", "Hibernating"), ("New Customers", "Promising")}
            assert found == label or (SEGMENTS[label], name) in changed
            assert name != "New Customers"
        assert bought >= 3 or name != "At Risk"


def test_a_customer_is_settled_from_the_boundary_four_weeks_after_the_first_purchase() -> None:
    state = State(LedgerSettings(), 1)
    rows = np.array([state.add(customer) for customer in (b"before", b"then", b"after")])
    state.clock = replace(state.clock, begun=DAY)
    settled = state.calendar.start(DAY + 1 - SETTLED_DAYS)
    state.customers["first_purchase"][rows] = [settled - 1, settled, settled + 1]
    assert tenure_of(state, rows).tolist() == [Tenure.SETTLED, Tenure.SETTLED, Tenure.YOUNG]
    assert tenure_of(state, rows[::-1]).tolist() == [Tenure.YOUNG, Tenure.SETTLED, Tenure.SETTLED]


def test_who_was_not_seen_in_ninety_days_of_the_log_is_new_for_ninety_days() -> None:
    state = State(LedgerSettings(), 1)
    began = DAY - 120
    state.limits = Limits(began, np.zeros((3, 3, 4), np.int64))
    first = [state.calendar.start(began + days) for days in (0, 89, 90, 119)]
    rows = np.array([state.add(str(number).encode()) for number in range(len(first))])
    state.customers["first_purchase"][rows] = first
    for begun, wanted in (
        (began + 100, [Tenure.SETTLED, Tenure.YOUNG, Tenure.NEW, Tenure.NEW]),
        (began + 150, [Tenure.SETTLED, Tenure.SETTLED, Tenure.NEW, Tenure.NEW]),
        (began + 178, [Tenure.SETTLED, Tenure.SETTLED, Tenure.NEW, Tenure.NEW]),
        (began + 179, [Tenure.SETTLED, Tenure.SETTLED, Tenure.SETTLED, Tenure.NEW]),
    ):
        state.clock = replace(state.clock, begun=begun)
        assert tenure_of(state, rows).tolist() == wanted
