"""Smoothed recency against its recurrence, boundary by boundary, folded or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.segments.recency import BOUNDARIES, SCALE, count_purchase, smoothed
from models.settings import LedgerSettings
from models.state.columns import NEVER
from models.state.state import State

FIRST = 6_000
ROWS = np.array([0])


def averages(days: list[int], last: int) -> dict[int, float]:
    """The average at every boundary from the first purchase on, by its recurrence."""
    found, recency = {FIRST + days[0]: 0.0}, 0
    for boundary in range(FIRST + days[0] + 1, FIRST + last + 1):
        recency = 0 if boundary - FIRST in days else recency + 1
        before = found[boundary - 1]
        found[boundary] = before + (recency - before) / BOUNDARIES
    return found


@given(gaps=st.lists(st.integers(1, 40), min_size=1, max_size=12), quiet=st.integers(0, 150))
def test_it_is_the_average_that_fades_by_a_quarter_at_every_boundary(gaps: list[int], quiet: int) -> None:
    days = np.cumsum(gaps).tolist()
    wanted = averages(days, days[-1] + quiet)
    state = State(LedgerSettings(), 1)
    state.add(b"1")
    for day, following in zip(days, [*days[1:], days[-1] + quiet + 1], strict=True):
        count_purchase(state, ROWS, FIRST + day)
        for boundary in range(FIRST + day, FIRST + following):
            assert smoothed(state, ROWS, boundary)[0] / SCALE == pytest.approx(wanted[boundary], abs=0.1)


@given(gaps=st.lists(st.integers(1, 9), min_size=3, max_size=8))
def test_open_days_count_as_if_they_were_folded_and_later_ones_do_not(gaps: list[int]) -> None:
    days = [FIRST + day for day in np.cumsum(gaps).tolist()]
    folded, waiting = State(LedgerSettings(), 1), State(LedgerSettings(), 1)
    for state in (folded, waiting):
        state.add(b"1")
        for day in days[:-2]:
            count_purchase(state, ROWS, day)
    slots = {day & 1: day for day in days[-2:]}
    for slot, day in slots.items():
        waiting.customers["open_day"][0, slot] = day
        waiting.customers["open_purchase"][0, slot] = 1
    for boundary in range(days[-3], days[-1] + 3):
        for day in sorted(slots.values()):
            if day == boundary:
                count_purchase(folded, ROWS, day)
        assert smoothed(waiting, ROWS, boundary) == smoothed(folded, ROWS, boundary)


def test_a_return_is_no_purchase_and_who_never_bought_has_none() -> None:
    state = State(LedgerSettings(), 1)
    state.add(b"1")
    state.customers["open_day"][0, 0] = FIRST
    assert smoothed(state, ROWS, FIRST + 9).tolist() == [0]
    assert state.customers["smoothed_day"][0] == NEVER


def test_years_of_silence_stay_in_order() -> None:
    state = State(LedgerSettings(), 1)
    state.add(b"1")
    count_purchase(state, ROWS, FIRST)
    quiet = [int(smoothed(state, ROWS, FIRST + days)[0]) for days in range(0, 5_000, 7)]
    assert quiet == sorted(set(quiet))
    count_purchase(state, ROWS, FIRST + 5_000)
    assert state.customers["smoothed"][0] == np.iinfo(np.uint16).max
