"""Two workers with one instance id are noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.membership import FIGHT, TakeOvers

if TYPE_CHECKING:
    import pytest


def test_a_fight_over_one_instance_id_is_said_with_the_setting_that_causes_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    take_overs = TakeOvers("till-1")
    assert [take_overs.assigned(number / 10) for number in range(FIGHT)] == [False] * (FIGHT - 1) + [True]
    assert "CARTPULSE_GROUP_INSTANCE_ID, 'till-1'" in caplog.text


def test_assignments_of_an_ordinary_day_are_no_fight() -> None:
    take_overs = TakeOvers(None)
    assert not any(take_overs.assigned(number * 5.0) for number in range(50))
