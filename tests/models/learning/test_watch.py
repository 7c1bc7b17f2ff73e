"""Watch over the models: River's own test beside ours, and what goes off and what does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import drift

from models.learning.watch import LEAST_BOUNDARIES, SLACK, THRESHOLD, PageHinkley, Watch, Watches

NUMBERS = st.lists(st.floats(-9, 9), max_size=60)


@given(numbers=NUMBERS)
def test_it_is_river_s_number_for_number(numbers: list[float]) -> None:
    ours = PageHinkley()
    river = drift.PageHinkley(min_instances=LEAST_BOUNDARIES, delta=SLACK, threshold=THRESHOLD)
    for number in numbers:
        ours = ours.after(number)
        river.update(number)  # type: ignore[no-untyped-call] # River has no types here
        assert ours.alarm == river.drift_detected


def outcomes(seed: int, *, true: float = 0.0, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Chances said, and what came of them if they are off by `true`."""
    random = np.random.default_rng(seed)
    said = random.uniform(0.2, 0.8, count)
    return said, random.random(count) < said + true


def alarms(days: int, change: int, true: float) -> list[int]:
    """Boundaries at which the watch goes off, where chances are off by `true` from one on."""
    watch, found = Watch(), []
    for day in range(days):
        watch = watch.after(*outcomes(day, true=true if day >= change else 0.0))
        if watch.alarm:
            found.append(day)
    return found


def test_chances_that_hold_hardly_ever_go_off_and_those_that_leave_the_outcomes_soon() -> None:
    assert len(alarms(300, 300, 0.0)) <= 12
    for true in (0.15, -0.15):
        assert next(day for day in alarms(60, 40, true) if day >= 40) <= 44


def test_chances_that_are_sure_of_themselves_and_wrong_raise_the_loss() -> None:
    random, watch, found = np.random.default_rng(1), Watch(), []
    for day in range(60):
        said = random.choice([0.1, 0.9], 200)
        came = random.random(200) < (said if day < 40 else 0.5)
        watch = watch.after(said, came)
        found.append(watch.loss.alarm)
    assert sum(found[:40]) <= 2
    assert any(found[40:45])


def test_few_outcomes_are_not_judged_and_an_alarm_is_told_once() -> None:
    watch = Watch()
    assert watch.after(*outcomes(0, count=9)) == watch
    for day in range(60):
        watch = watch.after(*outcomes(day, true=0.2 if day > 40 else 0.0))
        if watch.alarm and day > 40:
            break
    assert watch.alarm
    assert not watch.after(*outcomes(0, count=0)).alarm


@given(seed=st.integers(0, 50))
def test_the_order_of_outcomes_plays_no_part(seed: int) -> None:
    said, came = outcomes(seed)
    order = np.random.default_rng(seed).permutation(len(said))
    assert Watch().after(said, came) == Watch().after(said[order], came[order])


def test_watches_go_on_from_their_bytes() -> None:
    watches = Watches()
    for day in range(5):
        watches = watches._replace(alerts=watches.alerts.after(*outcomes(day)))
    again = Watches.decode(watches.encode())
    assert again == watches
    assert again.alerts.after(*outcomes(9)) == watches.alerts.after(*outcomes(9))


@pytest.mark.parametrize("data", [b"", Watches().encode()[:-1], b"\xff" * len(Watches().encode())])
def test_bytes_that_are_no_watches_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="watches"):
        Watches.decode(data)
