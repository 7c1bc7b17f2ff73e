"""End of a day: once for each boundary, and each day in its turn where several close together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.learning.fifths import Limits
from models.learning.rfm import SEGMENTS
from models.ledger.day_end import catch_up
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.columns import MOST_CELLS
from models.state.state import State
from models.state.step import Step
from tests.models.alerts.test_lifecycle import RHYTHM, SETTINGS, a_year, alerts, day_of, milk, raised
from tests.support.ledgers.logs import Replay, basket, drive, records_of, replay_of, tick

ROWS = np.array([0])


def test_who_has_seen_a_boundary_is_not_ranked_again_at_it() -> None:
    for seen, segment in ((5_999, "Hibernating"), (6_000, "Champions")):
        state = State(LedgerSettings(), 1)
        state.add(b"1")
        state.clock = replace(state.clock, begun=6_000)
        state.limits = Limits(0, np.full((3, 3, 4), 9))
        state.customers["frequency"], state.customers["segment"] = 5, SEGMENTS.index("Champions")
        state.customers["boundary"] = seen
        step = Step(state)
        step.touch(ROWS)
        catch_up(step, ROWS)
        assert SEGMENTS[state.customers["segment"][0]] == segment
        assert step.counts["segment_changes"] == (segment == "Hibernating")


def test_an_alert_stays_open_at_the_end_of_the_day_before_its_last() -> None:
    last = day_of(raised()["best_date"]) + SETTINGS.alert_grace_days
    for day in (last - 2, last - 1):
        bread = {day: [basket("bread", "1", day + 0.5, ("BREAD", "p9", 1.0, 1.0))]}
        replay = replay_of(a_year(milk(*RHYTHM, last) | bread, last), SETTINGS)
        assert [alert["state"] for alert in alerts(replay)] == ["raised", "fulfilled"]


def test_an_alert_whose_window_closes_together_with_a_later_trip_is_missed_first() -> None:
    last = day_of(raised()["best_date"]) + SETTINGS.alert_grace_days
    morning = basket("morning", "1", last + 1 + 6.5 / 24, ("MILK", "p1", 1.0, 1.0))
    replay = replay_of([*a_year(milk(*RHYTHM), last - 1), morning, tick(last + 2)], SETTINGS)
    assert [alert["state"] for alert in alerts(replay)][:2] == ["raised", "missed"]
    assert day_of(str(alerts(replay, "missed")[0]["occurred_at"])) == last + 1


def test_evicted_categories_of_all_days_of_a_step_are_counted() -> None:
    crowd = [(f"c{number}", "p", 1.0, 1.0) for number in range(MOST_CELLS)]
    log = [
        tick(-1),
        basket("half", "1", 0.5, *crowd[::2]),
        tick(0),
        basket("full", "1", 1.5, *crowd[1::2]),
        tick(1),
        basket("one", "1", 2.5, ("NEW", "p", 1.0, 1.0)),
        basket("two", "1", 3 + 6.5 / 24, ("NEWER", "p", 1.0, 1.0), ("NEWEST", "p", 1.0, 1.0)),
    ]
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of([*log, tick(5)], SETTINGS), replay, finish=True)
    assert replay.counts["evicted_categories"] == 3
