"""What a service on the wall clock waits for, in sentences."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cartpulse.commands.service.outlook import outlook
from models.state.clock_row import UNTIL_LIVE_MS
from streams.operations.log_clock import LogClock
from streams.settings.settings import Settings
from tests.support.kafka.fake_kafka import FakeClock

SETTINGS = Settings(time_zone="Europe/Berlin")
LIVE = int(datetime(2026, 11, 30, 11, 3, tzinfo=UTC).timestamp() * 1_000)
OLD = [LIVE - day * 86_400_000 for day in range(7)]


def said(found: LogClock, times: list[int], *, hour: int = 13) -> str:
    clock = FakeClock()
    clock.at = datetime(2026, 11, 30, hour, tzinfo=UTC).timestamp()
    return " ".join(outlook(SETTINGS, found, times, clock=clock))


def test_purchases_older_than_go_live_are_counted_and_what_comes_next_is_told() -> None:
    assert said(LogClock(wall=True, live_at=LIVE), [*OLD, LIVE + 1]) == (
        "7 purchases are older than go-live, 30 Nov 2026 12:03, and count as history. "
        "Next: a recommendation at the next purchase, alerts at the boundary, tomorrow 06:00 in "
        "Europe/Berlin (known 60 minutes later)."
    )
    assert "today 06:00" in said(LogClock(wall=True, live_at=LIVE - 86_400_000), OLD, hour=4)
    assert said(LogClock(wall=True, live_at=LIVE), OLD[:1]).startswith("1 purchase is older than go-live")


@pytest.mark.parametrize(
    ("live_at", "told"),
    [
        (None, "7 purchases count as history: the log holds no `live` record, so nothing is sent."),
        (UNTIL_LIVE_MS, "7 purchases count as history: nothing is sent before go-live."),
        (LIVE + 86_400_000, "nothing is sent before go-live, set for 1 Dec 2026 12:03."),
    ],
)
def test_before_go_live_all_is_history_and_the_command_is_named(live_at: int | None, told: str) -> None:
    sentence = said(LogClock(wall=True, live_at=live_at), OLD)
    assert told in sentence
    assert "`cartpulse go-live` ends history." in sentence


def test_nothing_is_said_where_nothing_is_held_back() -> None:
    assert said(LogClock(wall=False), OLD) == ""
    assert said(LogClock(wall=True, live_at=LIVE), []) == ""
    assert said(LogClock(wall=True, live_at=LIVE), [LIVE + 1]) == ""
