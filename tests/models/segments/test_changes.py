"""The reported segment: first from nothing, up at a purchase, down when the last boundaries agree."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

from models.learning.rfm import SEGMENTS
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers import exact
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, records_of, replay_of, tick

if TYPE_CHECKING:
    import pytest

SETTINGS = LedgerSettings(segment_minimum_population=10, segment_patience=3)
CROWD = 20
SETTLED = (0, *range(22, 28))
"""Days on which one buys who is settled when the last of them is over."""


def visit(day: int, customer: str, spend: float = 1.0) -> bytes:
    return basket(f"{customer}-{day}", customer, day + 0.5, ("MILK", "p1", 1.0, spend))


def crowd(day: int) -> list[bytes]:
    """Some of the others come every day, in turn."""
    return [visit(day, f"c{number:02d}", 5.0) for number in range(CROWD) if number % 4 == day % 4]


def log(days: int, me: dict[int, float], *, joined: int = 0) -> list[bytes]:
    """The crowd, and one customer `me` with spend by day."""
    values = [tick(-1)]
    for day in range(days):
        values += crowd(day) if day >= joined else []
        if day in me:
            values.append(visit(day, "me", me[day]))
        values.append(tick(day))
    return values


def changes(replay: Replay, customer: str = "me") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(replay.values("segment-changes"))
    return [change for change in found if change["customer_id"] == customer]


def rank(change: dict[str, Any], end: str) -> int:
    return SEGMENTS.index(change[end])


def labels_at_boundaries(values: list[bytes]) -> list[str]:
    """`me`'s label after each tick of a log."""
    ledger, found = Ledger(SETTINGS), []
    records = records_of(values, SETTINGS)
    for at in range(len(records)):
        drive(ledger, records.slice(at, at + 1), Replay(), finish=True)
        known = ledger.describe(b"me")
        if values[at].startswith(b'{"kind":"tick"') and known is not None:
            found.append(str(known["label"]))
    return found


def test_nobody_is_ranked_among_too_few() -> None:
    few = [value for value in log(10, {0: 1.0}) if b'"c' not in value]
    assert replay_of(few, SETTINGS).values("segment-changes") == []


def test_the_first_segment_comes_from_null_at_the_boundary_that_first_ranks() -> None:
    first = changes(replay_of(log(8, {0: 1.0}), SETTINGS))[0]
    assert first["from"] is None
    assert first["to"] in SEGMENTS
    assert first["cause"].startswith("boundary:")


def test_a_newcomer_gets_a_first_segment_with_the_first_purchase() -> None:
    first = changes(replay_of(log(12, {9: 1.0}), SETTINGS))[0]
    assert (first["from"], first["cause"]) == (None, "me-9")


def test_a_purchase_that_earns_a_better_label_moves_up_at_once() -> None:
    me = dict.fromkeys((0, 10, 11, 12, 13), 50.0)
    found = changes(replay_of(log(15, me), SETTINGS))
    ups = [
        change for change in found if change["from"] is not None and rank(change, "to") < rank(change, "from")
    ]
    assert ups
    assert all(change["cause"].startswith("me-") for change in ups)
    assert all(change["occurred_at"].endswith("T12:00:00Z") for change in ups)


def test_who_stays_away_falls_only_when_three_boundaries_agree_and_to_the_best_of_them() -> None:
    me = dict.fromkeys(SETTLED, 50.0)
    values = log(58, me)
    found = changes(replay_of(values, SETTINGS))
    downs = [change for change in found if change["from"] and rank(change, "to") > rank(change, "from")]
    assert len(downs) >= 2
    labels = labels_at_boundaries(values)
    for change in downs:
        day = int(change["occurred_at"][8:10]) - 2 + 31 * (int(change["occurred_at"][5:7]) - 1)
        last_three = [SEGMENTS.index(label) for label in labels[day - 2 : day + 1]]
        assert min(last_three) > rank(change, "from")
        assert rank(change, "to") == min(last_three)
    assert all(change["cause"].startswith("boundary:") for change in downs)


def test_customers_ranked_in_portions_fall_as_those_ranked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log(5, days=40, customers=24)
    together = replay_of(log, SETTINGS).events
    monkeypatch.setattr("models.segments.changes._RANKED_AT_ONCE", 3)
    assert replay_of(log, SETTINGS).events == together


def test_a_weekly_customer_who_falls_and_rises_every_week_without_patience_stays_with_it() -> None:
    values = log(60, dict.fromkeys(range(0, 60, 7), 50.0))
    impatient = changes(replay_of(values, SETTINGS))
    patient = changes(replay_of(values, SETTINGS.model_copy(update={"segment_patience": 14})))
    assert len(impatient) > 10
    assert len(patient) <= 3


def test_a_customer_who_falls_is_noticed_after_as_many_boundaries_as_patience_says() -> None:
    values = log(60, dict.fromkeys(SETTLED, 50.0))
    fallen = []
    for patience in (3, 14):
        settings = SETTINGS.model_copy(update={"segment_patience": patience})
        found = changes(replay_of(values, settings))
        fallen.append(
            next(change for change in found if change["from"] and rank(change, "to") > rank(change, "from"))
        )
    first, later = (change["occurred_at"] for change in fallen)
    assert (datetime.fromisoformat(later) - datetime.fromisoformat(first)).days == 11


def test_each_change_begins_where_the_last_one_ended() -> None:
    replay = replay_of(log(40, dict.fromkeys((*range(6), 20, 21, 22, 30), 50.0)), SETTINGS)
    for customer in ("me", *(f"c{number:02d}" for number in range(CROWD))):
        found = changes(replay, customer)
        assert found[0]["from"] is None
        assert [change["from"] for change in found[1:]] == [change["to"] for change in found[:-1]]
        assert all(change["from"] != change["to"] for change in found)


def test_reasons_say_in_words_and_numbers_what_the_scores_say() -> None:
    change = changes(replay_of(log(12, {9: 7.5}), SETTINGS))[0]
    scores = change["scores"]
    assert [(reason["measure"], reason["score"]) for reason in change["reasons"]] == list(scores.items())
    recency, frequency, monetary = change["reasons"]
    assert recency["value"] == 0.0
    assert (frequency["value"], frequency["unit"]) == (1.0, "purchase days")
    assert frequency["text"].startswith("Bought on 1 day:")
    assert (monetary["value"], monetary["unit"]) == (7.5, "USD")
    assert change["evidence"] == {
        "last_purchase": "2017-01-10T12:00:00Z",
        "purchase_days": 1,
        "spend": 7.5,
    }


def test_purchases_of_the_last_day_that_an_event_may_carry_are_applied() -> None:
    last = (date(2100, 12, 31) - FIRST_DAY.date()).days
    values = [tick(last - 4)]
    for day in range(last - 3, last):
        values += [*crowd(day), tick(day)]
    replay = replay_of([*values, *crowd(last), visit(last, "me", 99.0)], SETTINGS)
    assert replay.counts["applied"] == 21
    (change,) = changes(replay)
    assert change["valid_until"] == "2101-01-03T06:00:00Z"


def test_a_return_moves_nobody_up() -> None:
    back = basket("back", "me", 9.5, ("MILK", "p1", -1.0, 50.0), kind="return")
    values = [*log(9, {0: 50.0}), back, tick(9)]
    assert not [change for change in changes(replay_of(values, SETTINGS)) if change["cause"] == "back"]


def test_a_customer_of_one_day_is_new_and_neither_lost_nor_a_champion_on_a_young_log() -> None:
    for joined in (0, 9):
        for day in range(10):
            found = changes(replay_of(log(28, {day: 500.0}, joined=joined), SETTINGS))
            assert [(change["from"], change["to"]) for change in found] == [(None, "New Customers")]


def test_nobody_falls_before_the_first_purchase_is_four_weeks_ago_and_many_do_then() -> None:
    found = changes(replay_of(log(28, dict.fromkeys(range(6), 50.0)), SETTINGS))
    assert rank(found[-1], "to") < SEGMENTS.index("New Customers")
    (*_, last) = changes(replay_of(log(40, dict.fromkeys(range(6), 50.0)), SETTINGS))
    assert rank(last, "to") > rank(last, "from")
    assert last["occurred_at"] == "2017-01-30T06:00:00Z"


def test_a_third_purchase_day_makes_a_new_customer_what_the_label_says() -> None:
    found = changes(replay_of(log(20, dict.fromkeys((14, 16, 18), 50.0)), SETTINGS))
    assert [(change["to"], change["cause"]) for change in found] == [
        ("New Customers", "me-14"),
        (found[1]["to"], "me-18"),
    ]
    assert rank(found[1], "to") < SEGMENTS.index("New Customers")


def test_who_bought_on_fewer_than_three_days_had_no_habit_to_be_at_risk() -> None:
    spent_much = changes(replay_of(log(60, {0: 5_000.0, 3: 5_000.0}), SETTINGS))
    assert [change["to"] for change in spent_much] == ["New Customers", "Hibernating"]
    a_habit = changes(replay_of(log(60, {0: 5_000.0, 3: 5_000.0, 6: 5_000.0}), SETTINGS))
    assert a_habit[-1]["to"] == "At Risk"


def test_a_reason_names_a_fifth_only_where_the_segment_rests_on_it() -> None:
    replay = replay_of(log(58, dict.fromkeys(SETTLED, 50.0)), SETTINGS)
    told = {"ranked": 0, "earlier": 0, "unranked": 0}
    for change in replay.values("segment-changes"):
        texts = [reason["text"] for reason in cast("list[dict[str, Any]]", change["reasons"])]
        scores = cast("dict[str, int]", change["scores"])
        value = (scores["frequency"] + scores["monetary"] + 1) // 2
        if texts[0].endswith("too little history to rank"):
            assert change["to"] == "New Customers"
            assert all(text.endswith("too little history to rank") for text in texts)
            told["unranked"] += 1
        elif any(f"when last ranked {change['to']}" in text for text in texts):
            told["earlier"] += 1
        else:
            label = exact.rfm_label(scores["recency"], value)
            assert SEGMENTS[label] == change["to"]
            told["ranked"] += 1
    assert all(told.values())
