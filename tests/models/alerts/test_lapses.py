"""Lapsed habits: told once, of customers who still come, by the habit's own intervals."""

from __future__ import annotations

from datetime import date
from typing import Any

from models.alerts import lapses
from models.settings import LedgerSettings
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
BREAD = ("BREAD", "b1", 1.0, 1.0)
MILK = ("MILK", "m1", 1.0, 1.0)


def a_log(milk: set[int], *, last: int, bread: bool = True) -> list[bytes]:
    """Bread every fourth day, and milk on some days."""
    log = [tick(-1)]
    for day in range(last + 1):
        lines = [BREAD] * (bread and not day % 4) + [MILK] * (day in milk)
        if lines:
            log.append(basket(f"e{day}", "1", day + 0.5, *lines))
        log.append(tick(day))
    return log


def lapsed(replay: Replay) -> list[dict[str, Any]]:
    found: list[Any] = replay.values("replenishment-alerts")
    return [event for event in found if event["state"] == "lapsed"]


WEEKLY = set(range(0, 70, 7))


def test_a_habit_that_stays_away_is_told_once() -> None:
    replay = replay_of(a_log(WEEKLY, last=200), SETTINGS)
    (event,) = lapsed(replay)
    assert event["category"] == "MILK"
    assert event["evidence"]["purchases_seen"] == len(WEEKLY)
    assert event["evidence"]["typical_interval_days"] == 7
    assert 7 < event["days_since"] < 14
    assert event["products"][0]["product_id"] == "m1"
    day = (date.fromisoformat(event["occurred_at"][:10]) - FIRST_DAY.date()).days
    assert day - 1 - 63 == event["days_since"]
    assert replay.counts["habits_lapsed"] == 1


def test_a_habit_that_comes_back_may_lapse_again() -> None:
    again = set(range(120, 190, 7))
    assert len(lapsed(replay_of(a_log(WEEKLY | again, last=300), SETTINGS))) == 2


def test_of_who_stays_away_altogether_nothing_is_told_until_the_return() -> None:
    slow = set(range(0, 400, 40))
    log = a_log(slow, last=400, bread=False)
    assert lapsed(replay_of([*log, *map(tick, range(401, 700))], SETTINGS)) == []
    for day in range(401, 700):
        log += [basket(f"back{day}", "1", day + 0.5, BREAD)] if day >= 500 and not day % 4 else []
        log.append(tick(day))
    (event,) = lapsed(replay_of(log, SETTINGS))
    assert event["category"] == "MILK"
    assert event["days_since"] >= 500 - 360


def test_too_short_a_habit_and_a_quiet_one_lapse_in_silence() -> None:
    short = set(range(0, 7 * (lapses.LEAST_PURCHASES - 1), 7))
    assert lapsed(replay_of(a_log(short, last=200), SETTINGS)) == []
    quiet = SETTINGS.model_copy(update={"alert_quiet_categories": ("MILK",)})
    assert lapsed(replay_of(a_log(WEEKLY, last=200), quiet)) == []
