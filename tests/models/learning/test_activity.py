"""Chance of a purchase within 90 days, beside a fit of all landmarks at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.learning.activity import LEAST_SEEN, Activity, columns_of


def landmarks(seed: int, count: int = 40) -> tuple[Any, Any]:
    """Columns of customers, and whether each bought: the longer ago and the fewer trips, the less likely."""
    random = np.random.default_rng(seed)
    elapsed, trips = random.integers(0, 120, count), random.gamma(2, 3, count)
    columns = columns_of(elapsed, random.integers(120, 400, count), trips, random.gamma(2, 2, count))
    chance = 1 / (1 + np.exp(-(3 - 1.2 * np.log(elapsed + 1) + np.log(trips + 0.01))))
    return columns, random.random(count) < chance


def after(boundaries: int) -> Activity:
    model = Activity()
    for seed in range(boundaries):
        model = model.learnt(*landmarks(seed), days=1.0)
    return model


def test_what_is_learnt_one_boundary_at_a_time_is_what_a_fit_of_all_at_once_finds() -> None:
    everything = [landmarks(seed) for seed in range(200)]
    columns, active = (np.concatenate(each) for each in zip(*everything, strict=True))
    design = np.column_stack([np.ones(len(columns)), columns / 1024 - [3, 5, 1, 0]])

    def loss(weights: Any) -> float:
        score = design @ weights
        return float(np.sum(np.logaddexp(0, score) - active * score) + weights @ weights / 2)

    best = 1 / (1 + np.exp(-design @ minimize(loss, np.zeros(5)).x))
    said = after(200).of(columns)
    assert said is not None
    assert np.abs(said - best).mean() < 0.02
    assert said.mean() == pytest.approx(active.mean(), abs=0.01)


def test_nothing_is_said_before_enough_is_known() -> None:
    columns = landmarks(0)[0]
    assert after(int(LEAST_SEEN) // 40).of(columns) is None
    assert after(int(LEAST_SEEN) // 40 + 1).of(columns) is not None
    always = Activity()
    for seed in range(20):
        always = always.learnt(landmarks(seed)[0], np.ones(40, bool), days=1.0)
    assert always.of(columns) is None, "no customer has ever stayed away"


def test_without_landmarks_what_is_known_fades_and_the_chances_stay() -> None:
    columns, model = landmarks(0)[0], after(20)
    later = model.learnt(columns[:0], np.zeros(0, bool), days=364.0)
    assert later.seen == model.seen / 2
    np.testing.assert_array_equal(later.of(columns), model.of(columns))


@given(order=st.permutations(range(40)))
def test_the_order_of_landmarks_plays_no_part(order: list[int]) -> None:
    (columns, active), model = landmarks(9), after(8)
    some = model.learnt(columns[order], active[order], days=1.0)
    assert some.encode() == model.learnt(columns, active, days=1.0).encode()


def test_a_model_goes_on_from_its_bytes() -> None:
    model = after(9)
    again = Activity.decode(model.encode())
    assert again.learnt(*landmarks(9), days=3.0).encode() == model.learnt(*landmarks(9), days=3.0).encode()


@pytest.mark.parametrize("data", [b"", after(3).encode()[:-1], after(3).encode()[:-8] + b"\xff" * 8])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="model of activity"):
        Activity.decode(data)
