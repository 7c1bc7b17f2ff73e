"""Who is too new to be ranked, and what is reported of them; test_segment_changes tells whole stories."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.learning.rfm import SEGMENTS
from models.segments import settling
from models.segments.settling import SETTLED_DAYS, is_new, reportable
from models.settings import LedgerSettings
from models.state.state import State

DAY = 6_000
LABELS = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 9), st.booleans()), min_size=1)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(settling).failed == 0


@given(customers=LABELS)
def test_below_the_minimum_a_segment_is_new_customers_or_a_better_one_that_was_earned(
    customers: list[tuple[int, int, bool]],
) -> None:
    labels, days, new = (np.array(column) for column in zip(*customers, strict=True))
    for (label, bought, recent), found in zip(
        customers, reportable(labels.astype(np.int8), days, new), strict=True
    ):
        name = SEGMENTS[found]
        if recent and bought < 3:
            assert name == "New Customers"
        elif recent:
            assert found == min(label, SEGMENTS.index("New Customers"))
        else:
            assert found == label or (SEGMENTS[label], name) == ("At Risk", "Hibernating")
        assert bought >= 3 or name != "At Risk"


def test_a_customer_is_settled_from_the_boundary_four_weeks_after_the_first_purchase() -> None:
    state = State(LedgerSettings(), 1)
    rows = np.array([state.add(customer) for customer in (b"before", b"then", b"after")])
    state.clock = replace(state.clock, begun=DAY)
    settled = state.calendar.start(DAY + 1 - SETTLED_DAYS)
    state.customers["first_purchase"][rows] = [settled - 1, settled, settled + 1]
    assert is_new(state, rows).tolist() == [False, False, True]
    assert is_new(state, rows[::-1]).tolist() == [True, False, False]
