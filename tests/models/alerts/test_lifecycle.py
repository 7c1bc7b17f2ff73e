"""Alerts from plan to end: the edges of their window, once a cycle, capped, jumped over, withdrawn."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alerts import lifecycle
from models.learning.alert_dates import LATEST, AlertDates
from models.learning.intervals import interval_posterior, renewal_probability
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.calendar import LAST_DAY, day_number
from models.state.columns import MOST_CELLS, MOST_PLANNED_DAYS, NEVER, Cycle
from models.state.habits import statistics_of
from models.state.step import Step
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, erase, records_of, replay_of, tick

if TYPE_CHECKING:
    from models.contracts.changes import Counted
    from models.state.state import State

SETTINGS = LedgerSettings(
    alert_minimum_probability=0.25,
    alert_minimum_lift=0.0,
    alert_policy="dated",
    segment_minimum_population=1_000,
)
"""An alert for every habit that is likely to be bought within eight days at any time of its cycle."""
MILK = ("MILK", "p1", 1.0, 1.0)
NOON = 0.5
RHYTHM = (0, 10, 20)
"""Days of the trips that make a habit."""


def a_year(trips: dict[int, list[bytes]], last: int, *, silent: range = range(0)) -> list[bytes]:
    """Baskets by day with a tick behind every day, but for those of a silence."""
    log = [tick(-1)]
    for day in range(last + 1):
        log += trips.get(day, [])
        if day not in silent:
            log.append(tick(day))
    return log


def milk(*days: float, customer: str = "1") -> dict[int, list[bytes]]:
    return {int(day): [basket(f"m{day}-{customer}", customer, day + NOON, MILK)] for day in days}


def alerts(replay: Replay, *states: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(replay.values("replenishment-alerts"))
    return [alert for alert in found if "alert_id" in alert and (not states or alert["state"] in states)]


def day_of(text: str) -> int:
    """Days since the logs' first."""
    return (dt.date.fromisoformat(text[:10]) - FIRST_DAY.date()).days


@cache
def raised() -> dict[str, Any]:
    """The alert that the rhythm leads to."""
    (alert,) = alerts(replay_of(a_year(milk(*RHYTHM), 60), SETTINGS), "raised")
    return alert


def test_an_alert_is_raised_at_the_boundary_that_opens_the_lead_before_its_best_date() -> None:
    best = day_of(raised()["best_date"])
    closed = best - SETTINGS.alert_lead_days - 1
    assert best > RHYTHM[-1]
    assert raised()["cause"] == f"boundary:{FIRST_DAY.date() + dt.timedelta(days=closed)}"
    assert raised()["occurred_at"] == f"{FIRST_DAY.date() + dt.timedelta(days=closed + 1)}T06:00:00Z"


def test_it_is_valid_until_the_boundary_that_closes_its_last_day_of_grace() -> None:
    end = dt.date.fromisoformat(raised()["best_date"]) + dt.timedelta(days=SETTINGS.alert_grace_days + 1)
    assert raised()["valid_until"] == f"{end}T06:00:00Z"


def test_it_says_what_it_rests_on() -> None:
    assert raised()["evidence"] == {
        "purchases_seen": 3,
        "typical_interval_days": 10.0,
        "last_purchase": "2017-01-21",
        "usual_quantity": 1.0,
    }
    assert [habit["product_id"] for habit in raised()["products"]] == ["p1"]
    assert 0 < raised()["hit_probability"] < 1
    assert 0 < raised()["probability_7_days"] < 1


@pytest.mark.parametrize(
    ("after_best", "end"),
    [
        (-SETTINGS.alert_lead_days, "fulfilled"),
        (0, "fulfilled"),
        (SETTINGS.alert_grace_days, "fulfilled"),
        (SETTINGS.alert_grace_days + 1, "missed"),
    ],
)
def test_a_purchase_up_to_the_last_day_of_grace_fulfils_it_and_one_a_day_later_does_not(
    after_best: int, end: str
) -> None:
    bought = day_of(raised()["best_date"]) + after_best
    replay = replay_of(a_year(milk(*RHYTHM, bought), bought + 1), SETTINGS)
    (closed,) = alerts(replay, "fulfilled", "missed", "withdrawn")
    assert closed["state"] == end
    assert closed["alert_id"] == raised()["alert_id"]
    assert closed["hit_probability"] == raised()["hit_probability"]
    assert closed["best_date"] == raised()["best_date"]
    if end == "fulfilled":
        assert closed["cause"] == f"m{bought}-1"
    else:
        assert closed["cause"] == f"boundary:{FIRST_DAY.date() + dt.timedelta(days=bought - 1)}"


def test_a_purchase_after_the_window_but_before_its_boundary_is_missed_too() -> None:
    last = day_of(raised()["best_date"]) + SETTINGS.alert_grace_days
    night = {last + 1: [basket("night", "1", last + 1 + 1 / 24, MILK)]}
    log = a_year(milk(*RHYTHM) | night, last + 2)
    night_first = [record for record in log if record not in (night[last + 1][0], tick(last))]
    at = night_first.index(tick(last + 1))
    replay = replay_of([*night_first[:at], night[last + 1][0], tick(last), *night_first[at:]], SETTINGS)
    assert [alert["state"] for alert in alerts(replay)][:2] == ["raised", "missed"]


def test_a_purchase_before_it_would_be_raised_begins_another_cycle() -> None:
    early = day_of(raised()["best_date"]) - SETTINGS.alert_lead_days - 2
    replay = replay_of(a_year(milk(*RHYTHM, early), early + 2), SETTINGS)
    assert all(alert["evidence"]["purchases_seen"] == 4 for alert in alerts(replay, "raised"))


def test_a_purchase_in_the_night_before_the_boundary_that_would_raise_it_overtakes_it() -> None:
    opened = day_of(raised()["best_date"]) - SETTINGS.alert_lead_days
    night = {opened: [basket("night", "1", opened + 1 / 24, MILK)]}
    log = a_year(milk(*RHYTHM) | night, opened - 2)
    replay = replay_of([*log, night[opened][0], tick(opened - 1), tick(opened)], SETTINGS)
    assert {alert["evidence"]["purchases_seen"] for alert in alerts(replay)} <= {4}, "those of the next cycle"
    assert replay.counts["alerts_overtaken"] == 1


def test_only_the_alert_of_who_bought_in_the_night_is_overtaken() -> None:
    opened = day_of(raised()["best_date"]) - SETTINGS.alert_lead_days
    both = {day: milk(day)[day] + milk(day, customer="2")[day] for day in RHYTHM}
    night = basket("night", "2", opened + 1 / 24, MILK)
    replay = replay_of([*a_year(both, opened - 2), night, tick(opened - 1), tick(opened)], SETTINGS)
    first = [alert for alert in alerts(replay) if alert["evidence"]["purchases_seen"] == 3]
    assert [alert["customer_id"] for alert in first] == ["1"]
    assert replay.counts["alerts_overtaken"] == 1


def test_a_returned_line_fulfils_nothing() -> None:
    best = day_of(raised()["best_date"])
    back = basket("back", "1", best + NOON, ("MILK", "p1", -1.0, 1.0), kind="return")
    replay = replay_of(a_year(milk(*RHYTHM) | {best: [back]}, best + 10), SETTINGS)
    assert [alert["state"] for alert in alerts(replay)] == ["raised", "missed"]


def test_a_thousandth_of_a_unit_fulfils_it() -> None:
    best = day_of(raised()["best_date"])
    pinch = basket("pinch", "1", best + NOON, ("MILK", "p1", 0.001, 1.0))
    replay = replay_of(a_year(milk(*RHYTHM) | {best: [pinch]}, best), SETTINGS)
    assert [alert["state"] for alert in alerts(replay)][:2] == ["raised", "fulfilled"]


def test_another_category_fulfils_nothing() -> None:
    best = day_of(raised()["best_date"])
    bread = basket("bread", "1", best + NOON, ("BREAD", "p9", 1.0, 1.0))
    replay = replay_of(a_year(milk(*RHYTHM) | {best: [bread]}, best + 10), SETTINGS)
    assert [alert["state"] for alert in alerts(replay)] == ["raised", "missed"]


def test_a_cycle_raises_once_and_a_missed_one_stays_silent_until_the_next_trip() -> None:
    replay = replay_of(a_year(milk(*RHYTHM), 200), SETTINGS)
    assert [alert["state"] for alert in alerts(replay)] == ["raised", "missed"]
    replay = replay_of(a_year(milk(*RHYTHM, 40), 200), SETTINGS)
    assert [alert["state"] for alert in alerts(replay)] == ["raised", "missed"] * 2


def test_two_baskets_of_one_day_fulfil_once() -> None:
    best = day_of(raised()["best_date"])
    twice = [basket("first", "1", best + NOON, MILK), basket("second", "1", best + NOON + 0.1, MILK)]
    replay = replay_of(a_year(milk(*RHYTHM) | {best: twice}, best + 2), SETTINGS)
    assert [alert["cause"] for alert in alerts(replay, "fulfilled")] == ["first"]


def test_a_jump_over_several_boundaries_raises_once_what_is_still_valid() -> None:
    best = day_of(raised()["best_date"])
    replay = replay_of(a_year(milk(*RHYTHM), best + 1, silent=range(21, best + 1)), SETTINGS)
    (alert,) = alerts(replay)
    assert alert["state"] == "raised"
    assert alert["cause"] == f"boundary:{FIRST_DAY.date() + dt.timedelta(days=best + 1)}"
    assert alert["best_date"] == raised()["best_date"]
    assert alert["hit_probability"] < raised()["hit_probability"]


def test_a_jump_beyond_the_window_raises_nothing() -> None:
    closing = day_of(raised()["best_date"]) + SETTINGS.alert_grace_days
    replay = replay_of(a_year(milk(*RHYTHM), closing, silent=range(21, closing)), SETTINGS)
    assert alerts(replay) == []
    assert replay.counts["alerts_overtaken"] == 1


def test_a_jump_over_window_and_all_closes_a_raised_one_as_missed_once() -> None:
    best = day_of(raised()["best_date"])
    replay = replay_of(a_year(milk(*RHYTHM), best + 40, silent=range(best, best + 40)), SETTINGS)
    assert [alert["state"] for alert in alerts(replay)] == ["raised", "missed"]


def test_too_few_purchases_or_too_little_hope_raise_nothing() -> None:
    assert alerts(replay_of(a_year(milk(0, 10), 60), SETTINGS)) == []
    sure = SETTINGS.model_copy(update={"alert_minimum_probability": 0.9})
    assert alerts(replay_of(a_year(milk(*RHYTHM), 60), sure)) == []


@pytest.mark.parametrize("cap", [0, 2])
def test_the_daily_cap_keeps_the_likeliest_and_counts_the_rest(cap: int) -> None:
    lines = [(f"c{number}", f"p{number}", 1.0, 1.0) for number in range(5)]
    trips = {day: [basket(f"b{day}", "1", day + NOON, line)] for day, line in enumerate(lines)}
    trips |= {day: [basket(f"b{day}", "1", day + NOON, *lines)] for day in RHYTHM[1:]}
    every = replay_of(a_year(trips, 60), SETTINGS)
    capped = replay_of(a_year(trips, 60), SETTINGS.model_copy(update={"alert_daily_cap": cap}))
    by_day: dict[str, list[dict[str, Any]]] = {}
    for alert in alerts(every, "raised"):
        by_day.setdefault(alert["cause"], []).append(alert)
    kept = {alert["alert_id"] for alert in alerts(capped, "raised")}
    assert any(len({alert["hit_probability"] for alert in day}) > 2 for day in by_day.values())
    for together in by_day.values():
        chances = sorted((alert["hit_probability"] for alert in together), reverse=True)
        mine = [alert["hit_probability"] for alert in together if alert["alert_id"] in kept]
        assert sorted(mine, reverse=True) == chances[:cap]
    assert capped.counts["alerts_capped"] == len(alerts(every, "raised")) - len(kept) > 0
    assert not every.counts["alerts_capped"]


def test_an_alert_whose_category_a_full_row_drops_is_withdrawn() -> None:
    seldom = milk(0, 300)
    eager = SETTINGS.model_copy(update={"alert_minimum_purchases": 2, "alert_minimum_probability": 0.0})
    (alone,) = alerts(replay_of(a_year(seldom, 600), eager), "raised")
    best = day_of(alone["best_date"])
    crowd = [(f"c{number}", f"q{number}", 1.0, 1.0) for number in range(MOST_CELLS)]
    half = len(crowd) // 2
    parts = {best - 1: crowd[:half], best: crowd[half:]}
    trips = seldom | {day: [basket(f"crowd {day}", "1", day + NOON, *part)] for day, part in parts.items()}
    replay = replay_of(a_year(trips, best + 20), eager)
    mine = [alert for alert in alerts(replay) if alert["category"] == "MILK"]
    assert [alert["state"] for alert in mine] == ["raised", "withdrawn"]
    assert mine[1]["alert_id"] == mine[0]["alert_id"]
    assert mine[1]["hit_probability"] == mine[0]["hit_probability"]
    assert "evidence" not in mine[1]
    assert replay.counts["alerts_withdrawn"] == len(alerts(replay, "withdrawn"))


@pytest.mark.parametrize("end", ["fulfilled", "missed", "withdrawn"])
def test_a_ledger_that_goes_on_from_rows_says_at_the_end_what_was_said_at_the_beginning(end: str) -> None:
    best = day_of(raised()["best_date"])
    ends = {"fulfilled": milk(best)[best], "withdrawn": [erase("1", best + NOON)]}
    begun = a_year(milk(*RHYTHM), best - 1)
    rest = [*ends.get(end, []), *(tick(day) for day in range(best, best + 10))]
    before, after = Replay(), Replay()
    drive(Ledger(SETTINGS), records_of(begun, SETTINGS), before, finish=True)
    restarted = Ledger(SETTINGS)
    restarted.load(before.rows.items())
    drive(restarted, records_of(rest, SETTINGS, first_offset=len(begun)), after, finish=True)
    (alert,) = alerts(before)
    (closed,) = (each for each in alerts(after) if each["alert_id"] == alert["alert_id"])
    assert closed["state"] == end
    for name in ("alert_id", "hit_probability", "best_date"):
        assert closed[name] == alert[name] == raised()[name]


def test_a_quiet_category_is_learnt_and_never_alerted_on_nor_counted_against_the_cap() -> None:
    both = {day: [basket(f"b{day}", "1", day + NOON, MILK, ("EGGS", "e", 1.0, 1.0))] for day in RHYTHM}
    quiet = SETTINGS.model_copy(update={"alert_quiet_categories": ("MILK",), "alert_daily_cap": 1})
    replay = replay_of(a_year(both, 60), quiet)
    assert [alert["category"] for alert in alerts(replay, "raised")] == ["EGGS"]
    assert replay.counts["alerts_quiet"] == 1
    assert replay.counts["alerts_capped"] == 0


def test_categories_that_nobody_runs_out_of_are_never_alerted_on() -> None:
    trips = {day: [basket(f"b{day}", "1", day + NOON, ("FUEL", "p", 1.0, 1.0))] for day in RHYTHM}
    assert alerts(replay_of(a_year(trips, 60), SETTINGS)) == []


WISHES = st.lists(  # per day, of each customer, the categories of a basket
    st.lists(st.sets(st.sampled_from(["MILK", "BREAD", "EGGS"])), min_size=3, max_size=3),
    min_size=6,
    max_size=20,
)
COUNTED: dict[str, Counted] = {
    "raised": "alerts_raised",
    "fulfilled": "alerts_fulfilled",
    "missed": "alerts_missed",
    "withdrawn": "alerts_withdrawn",
}
WATCHED_DAYS = 40
"""Days without baskets at the end, on which alerts are raised and missed."""
EAGER = SETTINGS.model_copy(update={"alert_minimum_purchases": 2, "alert_daily_cap": 50})


@given(wishes=WISHES)
@settings(max_examples=12, deadline=None)
def test_what_becomes_of_each_alert_follows_from_its_customer_s_baskets(wishes: list[list[set[str]]]) -> None:
    bought: dict[tuple[str, str], list[int]] = {}
    trips: dict[int, list[bytes]] = {}
    for day, baskets in enumerate(wishes):
        for customer, categories in enumerate(baskets):
            lines = [(category, f"p {category}", 1.0, 1.0) for category in sorted(categories)]
            if lines:
                name = f"customer {customer}"
                trips.setdefault(day, []).append(basket(f"{name} {day}", name, day + NOON, *lines))
            for category in categories:
                bought.setdefault((f"customer {customer}", category), []).append(day)
    last = len(wishes) + WATCHED_DAYS
    replay = replay_of(a_year(trips, last), EAGER)
    ends = {alert["alert_id"]: alert for alert in alerts(replay, "fulfilled", "missed", "withdrawn")}
    open_or_over = alerts(replay, "raised")
    assert len(ends) == len(alerts(replay)) - len(open_or_over)
    for alert in open_or_over:
        days = bought[alert["customer_id"], alert["category"]]
        best, before = day_of(alert["best_date"]), day_of(alert["evidence"]["last_purchase"])
        raising, over = day_of(alert["occurred_at"]) - 1, best + EAGER.alert_grace_days
        assert raising == max(best - EAGER.alert_lead_days - 1, before)
        assert before == max(day for day in days if day <= raising)
        assert alert["evidence"]["purchases_seen"] == len([day for day in days if day <= raising])
        later = [day for day in days if raising < day <= over]
        if over > last and not later:
            assert alert["alert_id"] not in ends
            continue
        end = ends.pop(alert["alert_id"])
        assert (end["customer_id"], end["category"]) == (alert["customer_id"], alert["category"])
        assert end["hit_probability"] == alert["hit_probability"]
        if later:
            assert (end["state"], end["cause"]) == ("fulfilled", f"{alert['customer_id']} {later[0]}")
            assert end["occurred_at"] == f"{FIRST_DAY.date() + dt.timedelta(days=later[0])}T12:00:00Z"
        else:
            assert (end["state"], day_of(end["occurred_at"])) == ("missed", over + 1)
    assert not ends, "no alert ends that was not raised"
    for state in COUNTED:
        assert replay.counts[COUNTED[state]] == len(alerts(replay, state))
    known = len([1 for days in bought.values() if len(days) >= EAGER.alert_minimum_purchases])
    assert len({(alert["customer_id"], alert["category"]) for alert in open_or_over}) <= known


def test_alerts_of_several_customers_are_withdrawn_with_the_one_who_is_erased_alone() -> None:
    best = day_of(raised()["best_date"])
    both = {day: milk(day)[day] + milk(day, customer="2")[day] for day in RHYTHM}
    replay = replay_of(a_year(both | {best: [erase("2", best + NOON)]}, best + 20), SETTINGS)
    ends = {alert["customer_id"]: alert["state"] for alert in alerts(replay, "missed", "withdrawn")}
    assert ends == {"1": "missed", "2": "withdrawn"}
    assert replay.counts["alerts_withdrawn"] == 1
    (withdrawn,) = alerts(replay, "withdrawn")
    assert withdrawn["occurred_at"] == f"{FIRST_DAY.date() + dt.timedelta(days=best)}T12:00:00Z"


def state_after(log: list[bytes]) -> State:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    return ledger._state


ROWS = np.array([0])


def test_the_first_date_is_planned_whose_chance_is_large_enough() -> None:
    state = state_after(a_year(milk(*RHYTHM), RHYTHM[-1]))
    cells, day = state.cells.run(0), day_number(FIRST_DAY.date()) + RHYTHM[-1]
    posterior = interval_posterior(statistics_of(cells), state.priors.of(cells["category"]))
    dates = lifecycle._dates(SETTINGS.alert_lead_days, SETTINGS.alert_grace_days)
    window = SETTINGS.alert_lead_days + SETTINGS.alert_grace_days + 1
    chances = [float(renewal_probability(posterior, elapsed, window)[0]) for elapsed in range(LATEST)]
    best = int(np.argmax(chances))
    for elapsed in (0, best // 2, best):
        for minimum, planned in (
            (chances[elapsed] - 1e-12, elapsed),
            (chances[best] * 1.0001, None),
        ):
            state.settings = SETTINGS.model_copy(update={"alert_minimum_probability": minimum})
            lifecycle.plan(state, ROWS, day)
            (cell,) = state.cells.run(0)
            if planned is None:
                assert (cell["alert"], cell["best_day"]) == (Cycle.UNPLANNED, NEVER)
            else:
                assert cell["alert"] == Cycle.PLANNED
                assert cell["best_day"] == day + planned + dates.lead_days + 1


def test_a_date_has_to_beat_any_other_days_of_the_pair() -> None:
    state = state_after(a_year(milk(*range(0, 100, 5)), 95))
    day = int(state.cells.run(0)["last_day"][0])
    for lift, planned in ((0.0, True), (1.0, True), (1.2, False)):
        state.settings = SETTINGS.model_copy(
            update={"alert_minimum_probability": 0.5, "alert_minimum_lift": lift}
        )
        lifecycle.plan(state, ROWS, day)
        assert (state.cells.run(0)["alert"][0] == Cycle.PLANNED) == planned, lift


def test_no_date_is_planned_beyond_what_leaves_a_window_its_end() -> None:
    state = state_after(a_year(milk(*RHYTHM), RHYTHM[-1]))
    _, positions = state.cells.positions(ROWS)
    last = LAST_DAY - lifecycle.MOST_GRACE_DAYS
    (cell,) = state.cells.run(0)
    ahead = int(cell["best_day"]) - int(cell["last_day"])
    for day, best in ((last - ahead, last), (last - ahead + 1, NEVER), (last + 1, NEVER)):
        state.cells.records["last_day"][positions] = day
        lifecycle.plan(state, ROWS, day)
        (cell,) = state.cells.run(0)
        assert int(cell["best_day"]) == best
        assert cell["alert"] == (Cycle.UNPLANNED if best == NEVER else Cycle.PLANNED)
        assert max(int(days[0]) for days in lifecycle.expected(state, state.cells.run(0))) <= last


def test_every_date_that_is_planned_fits_the_byte_of_its_row() -> None:
    longest = max(
        field.le for field in LedgerSettings.model_fields["alert_lead_days"].metadata if hasattr(field, "le")
    )
    assert LATEST + longest <= MOST_PLANNED_DAYS


def test_a_cell_tells_of_a_raising_only_while_its_alert_is_raised() -> None:
    best = day_of(raised()["best_date"])
    ends = {best - 3: Cycle.RAISED, best + SETTINGS.alert_grace_days: Cycle.UNPLANNED}
    for last, cycle in ends.items():
        (cell,) = state_after(a_year(milk(*RHYTHM), last)).cells.run(0)
        assert cell["alert"] == cycle
        assert bool(cell["raised_day"]) == bool(cell["chance"]) == (cycle == Cycle.RAISED)
    for days, last in (((*RHYTHM, best), best - 1), ((*RHYTHM, best), best)):
        log = a_year(milk(*days), last)
        log += milk(best)[best] if last < best else []
        (cell,) = state_after(log).cells.run(0)
        assert cell["alert"] in ((Cycle.FULFILLED,) if last < best else (Cycle.PLANNED, Cycle.RAISED))
        assert bool(cell["raised_day"]) == bool(cell["chance"]) == (cell["alert"] == Cycle.RAISED)


def test_what_several_calls_of_a_step_do_is_counted_together() -> None:
    best = day_of(raised()["best_date"])
    closing = day_number(FIRST_DAY.date()) + best + SETTINGS.alert_grace_days
    state = state_after(a_year(milk(*RHYTHM), best - 1))
    cell = state.cells.run(0).copy()
    step = Step(state)
    step.counts.update(dict.fromkeys(COUNTED.values(), 10))
    lifecycle.withdraw(step, ROWS, cell, closing)
    lifecycle.withdraw_all(step, ROWS, cause="erase", occurred_at=0)
    assert step.counts["alerts_withdrawn"] == 12
    lifecycle.close_missed(step, ROWS, closing - 1)
    assert step.counts["alerts_missed"] == 10
    lifecycle.close_missed(step, ROWS, closing)
    assert step.counts["alerts_missed"] == 11
    assert lifecycle.next_due(state, ROWS).tolist() == [NEVER]


def test_the_next_due_boundary_is_the_soonest_of_what_is_planned_and_what_is_raised() -> None:
    both = {day: [basket(f"b{day}", "1", day + NOON, MILK, ("EGGS", "e", 1.0, 1.0))] for day in RHYTHM}
    state = state_after(a_year(both, RHYTHM[-1]))
    _, positions = state.cells.positions(ROWS)
    for cycles, days, due in (
        ((Cycle.PLANNED, Cycle.PLANNED), (100, 90), 90 - SETTINGS.alert_lead_days - 1),
        ((Cycle.PLANNED, Cycle.RAISED), (100, 90), 90 + SETTINGS.alert_grace_days),
        ((Cycle.RAISED, Cycle.PLANNED), (50, 90), 50 + SETTINGS.alert_grace_days),
        ((Cycle.RAISED, Cycle.PLANNED), (90, 50), 50 - SETTINGS.alert_lead_days - 1),
        ((Cycle.UNPLANNED, Cycle.PLANNED), (50, 90), 90 - SETTINGS.alert_lead_days - 1),
        ((Cycle.FULFILLED, Cycle.UNPLANNED), (50, 90), NEVER),
    ):
        state.cells.records["alert"][positions] = cycles
        state.cells.records["best_day"][positions] = days
        assert lifecycle.next_due(state, ROWS).tolist() == [due]


def test_the_cap_is_each_customer_s_own_and_the_name_settles_ties() -> None:
    kept = set()
    for names in (("MILK", "EGGS"), ("EGGS", "MILK")):
        lines = [(name, f"p {name}", 1.0, 1.0) for name in names]
        trips = {
            day: [
                basket(f"{who} {day} {at}", who, day + NOON + at / 100, line)
                for who in "12"
                for at, line in enumerate(lines)
            ]
            for day in RHYTHM
        }
        replay = replay_of(a_year(trips, 40), SETTINGS.model_copy(update={"alert_daily_cap": 1}))
        told = {alert["customer_id"]: alert["category"] for alert in alerts(replay, "raised")}
        assert told.keys() == {"1", "2"}
        kept |= set(told.values())
    assert len(kept) == 1


def test_a_chance_is_said_and_kept_in_ten_thousandths() -> None:
    with mock.patch.object(AlertDates, "hit_given", return_value=np.array([0.9999])):
        (alert,) = alerts(replay_of(a_year(milk(*RHYTHM), 40), SETTINGS), "raised")
    assert alert["hit_probability"] == 0.9999


@pytest.mark.parametrize(
    ("name", "update", "late"),
    [
        ("alerts_raised", {}, 0),
        ("alerts_capped", {"alert_daily_cap": 0}, 0),
        ("alerts_quiet", {"alert_quiet_categories": ("MILK",)}, 0),
        ("alerts_overtaken", {}, 1),
    ],
)
def test_each_due_alert_is_counted_once_by_what_becomes_of_it(
    name: Counted, update: dict[str, object], late: int
) -> None:
    opened = day_of(raised()["best_date"]) - SETTINGS.alert_lead_days
    state = state_after(a_year(milk(*RHYTHM), opened - 2))
    state.settings, step = SETTINGS.model_copy(update=update), Step(state)
    names: tuple[Counted, ...] = ("alerts_raised", "alerts_capped", "alerts_quiet", "alerts_overtaken")
    step.counts.update(dict.fromkeys(names, 10))
    ahead = late * (SETTINGS.alert_lead_days + SETTINGS.alert_grace_days + 1)
    lifecycle.raise_due(step, ROWS, day_number(FIRST_DAY.date()) + opened - 1 + ahead)
    assert {each: step.counts[each] for each in names} == dict.fromkeys(names, 10) | {name: 11}
    assert len(step.blocks) == (name == "alerts_raised")
