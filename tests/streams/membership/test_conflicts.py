"""Two workers with one instance id are noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.membership.conflicts import FIGHT, MOST_REOPENINGS, Reopenings, TakeOvers

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


def test_a_partition_that_is_opened_again_and_again_is_noticed_and_one_now_and_then_is_not() -> None:
    reopenings = Reopenings()
    assert not any(reopenings.too_many(0, 60.0 * number) for number in range(3 * MOST_REOPENINGS))
    assert not any(reopenings.too_many(1, float(number)) for number in range(MOST_REOPENINGS - 1))
    assert not reopenings.too_many(2, 9.0)
    assert reopenings.too_many(1, 9.0)
