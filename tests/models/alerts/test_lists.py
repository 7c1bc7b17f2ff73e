"""Replenishment lists: on the eve of the usual day, once a week, closed with what was bought."""

from __future__ import annotations

import doctest
from collections import Counter
from datetime import date
from typing import Any

import numpy as np
import pytest

from models.alerts import lists
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.columns import NEVER
from models.state.state import State
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, erase, records_of, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
WEEKLY = [("EGGS", "e1", 1.0, 1.0), ("TEA", "t1", 1.0, 1.0)]
BREAD = ("BREAD", "b1", 1.0, 1.0)


def a_log(weeks: int, *, without: tuple[int, ...] = ()) -> list[bytes]:
    """Bread on Sundays and Wednesdays, and every other Sunday the eggs and the tea."""
    log = [tick(-1)]
    for day in range(7 * weeks):
        if not day % 7:
            lines = [BREAD] if day % 14 or day in without else [BREAD, *WEEKLY]
            log.append(basket(f"a{day}", "1", day + 0.5, *lines))
        if day % 7 == 3:
            log.append(basket(f"b{day}", "1", day + 0.5, BREAD))
        log.append(tick(day))
    return log


def lists_of(replay: Replay, state: str) -> list[dict[str, Any]]:
    found: list[Any] = replay.values("replenishment-alerts")
    return [event for event in found if "list_id" in event and event["state"] == state]


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(lists).failed == 0


def test_a_list_comes_on_the_eve_of_the_usual_day_and_names_what_is_not_bought_all_the_time() -> None:
    replay = replay_of(a_log(20), SETTINGS)
    raised = lists_of(replay, "raised")
    assert raised
    wednesday = 2
    for event in raised:
        at = event["shopping_day"]
        assert np.datetime64(at).astype("datetime64[D]").item().weekday() == wednesday
        assert {item["category"] for item in event["items"]} <= {"EGGS", "TEA"}
        chances = [item["probability_7_days"] for item in event["items"]]
        assert chances == sorted(chances, reverse=True)
        assert min(chances) >= lists.LEAST_CHANCE
        assert all(item["evidence"]["purchases_seen"] >= 3 for item in event["items"])
    days = [np.datetime64(event["shopping_day"]) for event in raised]
    assert min(np.diff(days)) >= np.timedelta64(7, "D")
    assert replay.counts["lists_raised"] == len(raised)


def test_every_list_is_closed_once_with_what_was_bought_in_its_days() -> None:
    without = (84, 126)
    replay = replay_of(a_log(24, without=without), SETTINGS)
    raised = {event["list_id"]: event for event in lists_of(replay, "raised")}
    closed = {event["list_id"]: event for event in lists_of(replay, "closed")}
    assert len(closed) == len(lists_of(replay, "closed")) == replay.counts["lists_closed"]
    still_open = raised.keys() - closed.keys()
    assert len(still_open) <= 1
    bought = Counter[bool]()
    for identity, event in closed.items():
        items = [item["category"] for item in raised[identity]["items"]]
        assert sorted(event["bought"] + event["not_bought"]) == sorted(items)
        day = (date.fromisoformat(raised[identity]["shopping_day"]) - FIRST_DAY.date()).days
        sunday = day + 4
        assert bool(event["bought"]) == (not sunday % 14 and sunday not in without)
        bought[bool(event["bought"])] += 1
    assert bought[True] > 3
    assert bought[False]


@pytest.mark.parametrize(("policy", "dated", "listed"), [("both", 1, 1), ("dated", 1, 0), ("list", 0, 1)])
def test_the_policy_says_what_is_sent(policy: str, dated: int, listed: int) -> None:
    update = {"alert_policy": policy, "alert_minimum_probability": 0.2, "alert_minimum_lift": 0.0}
    replay = replay_of(a_log(20), SETTINGS.model_copy(update=update))
    alerts = [event for event in replay.values("replenishment-alerts") if "alert_id" in event]
    assert bool(alerts) == bool(dated)
    assert bool(lists_of(replay, "raised")) == bool(listed)


def test_quiet_categories_are_on_no_list() -> None:
    quiet = SETTINGS.model_copy(update={"alert_quiet_categories": ("TEA",)})
    named = {
        item["category"]
        for event in lists_of(replay_of(a_log(20), quiet), "raised")
        for item in event["items"]
    }
    assert named == {"EGGS"}


def open_list(log: list[bytes]) -> tuple[Ledger, Replay, list[bytes]]:
    """Run a log to the moment at which a list is open."""
    for end in range(len(log), 0, -1):
        ledger, replay = Ledger(SETTINGS), Replay()
        drive(ledger, records_of(log[:end], SETTINGS), replay, finish=True)
        if ledger._state.customers["list_day"][0] != NEVER:
            return ledger, replay, log[:end]
    raise AssertionError("no list is ever open")


def test_an_erasure_withdraws_the_open_list() -> None:
    ledger, replay, log = open_list(a_log(20))
    records = records_of([erase("1", 141)], SETTINGS, first_offset=len(log))
    drive(ledger, records, replay)
    (withdrawn,) = lists_of(replay, "withdrawn")
    assert withdrawn["list_id"] == lists_of(replay, "raised")[-1]["list_id"]


def test_who_stays_away_for_a_quarter_gets_no_list_and_costs_no_sweep() -> None:
    log = a_log(20)
    log += [tick(day) for day in range(140, 400)]
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(log, SETTINGS), replay, finish=True)
    last = max(np.datetime64(event["shopping_day"]) for event in lists_of(replay, "raised"))
    assert last <= np.datetime64(FIRST_DAY.date()) + 138 + lists.QUIET_DAYS
    state = ledger._state
    assert state.customers["due"][0] == NEVER


def test_an_open_list_is_told_until_it_ends() -> None:
    ledger, replay, _ = open_list(a_log(20))
    told: Any = ledger.describe(b"1")
    raised = lists_of(replay, "raised")[-1]
    assert told["open_list"]["list_id"] == raised["list_id"]
    assert told["open_list"]["shopping_day"] == raised["shopping_day"]
    assert told["open_list"]["categories"] == [item["category"] for item in raised["items"]]


def test_a_new_habit_outgrows_the_old_usual_day() -> None:
    state = State(SETTINGS, 1)
    rows = np.array([state.add(b"1")])
    for day in range(7, 7 * 200, 7):
        lists.count_weekday(state, rows, day)
    before = state.customers["weekdays"][0].copy()
    assert before.max() < lists.MOST_OF_A_WEEKDAY
    for day in range(7 * 200 + 1, 7 * 260, 7):
        lists.count_weekday(state, rows, day)
    assert state.customers["weekdays"][0].argmax() == lists.weekday(1)
