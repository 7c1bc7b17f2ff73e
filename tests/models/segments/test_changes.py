"""The reported segment: first from nothing, up at a purchase, down when the last boundaries agree."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from models.contracts.encoding import SEGMENT_CHANGE
from models.contracts.events import event_ids
from models.learning.rfm import DAY_MS, SEGMENTS, Thresholds
from models.ledger.ledger import Ledger
from models.segments.changes import UNRANKED, falling, reasons, reconsider
from models.settings import LedgerSettings
from models.state.state import State
from models.state.step import Step
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers import exact
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, moment, records_of, replay_of, tick

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


def test_reasons_are_those_of_the_contract_word_for_word() -> None:
    told = reasons((1, 2, 3), DAY_MS, 1, 7.5, "EUR", grounds=(1, 4, 3), segment="At Risk")
    assert told == [
        {
            "text": "Last bought 1 day ago: the lowest fifth by recency",
            "measure": "recency",
            "value": 1.0,
            "score": 1,
            "unit": "days",
        },
        {
            "text": "Bought on 1 day: the second lowest fifth by frequency, "
            "the second highest when last ranked At Risk",
            "measure": "frequency",
            "value": 1.0,
            "score": 2,
            "unit": "purchase days",
        },
        {
            "text": "Spent 7.50 EUR: the middle fifth by monetary",
            "measure": "monetary",
            "value": 7.5,
            "score": 3,
            "unit": "EUR",
        },
    ]


def test_reasons_round_time_to_tenths_and_know_no_time_before_now() -> None:
    for quiet, text, value in (
        (round(2.26 * DAY_MS), "Last bought 2.3 days ago", 2.3),
        (0, "Last bought 0 days ago", 0.0),
        (-DAY_MS, "Last bought 0 days ago", 0.0),
        (1, "Last bought 0 days ago", 0.0),
    ):
        (recency, *_) = reasons((5, 4, 5), quiet, 12, 0.0, "EUR", grounds=(5, 4, 5), segment="Champions")
        assert recency["text"] == f"{text}: the highest fifth by recency"
        assert recency["value"] == value
    (_, frequency, monetary) = reasons((5, 4, 5), 0, 12, 0.0, "EUR", grounds=(5, 4, 5), segment="Champions")
    assert frequency["text"] == "Bought on 12 days: the second highest fifth by frequency"
    assert monetary["text"] == "Spent 0.00 EUR: the highest fifth by monetary"


def test_a_segment_that_rests_on_no_score_says_so() -> None:
    told = reasons((5, 1, 1), 0, 2, 1.0, "EUR", grounds=(UNRANKED,) * 3, segment="New Customers")
    assert [str(reason["text"]).partition(": ")[2] for reason in told] == ["too little history to rank"] * 3
    assert [reason["score"] for reason in told] == [5, 1, 1]


STORY = (
    # from, to, cause, moment, end of validity, scores, and the fifths that the segment rests on
    (None, "New Customers", "boundary:2017-01-02", "2017-01-03T06", "2017-01-04T06", (2, 3, 5), None),
    ("New Customers", "Potential Loyalists", "me-23", "2017-01-24T12", "2017-01-27T06", (5, 1, 5), (5, 1, 5)),
    ("Potential Loyalists", "Champions", "me-26", "2017-01-27T12", "2017-01-30T06", (5, 2, 5), (5, 2, 5)),
    (
        "Champions",
        "Loyal Customers",
        "boundary:2017-01-31",
        "2017-02-01T06",
        "2017-02-02T06",
        (1, 1, 5),
        (4, 2, 5),
    ),
    (
        "Loyal Customers",
        "At Risk",
        "boundary:2017-02-01",
        "2017-02-02T06",
        "2017-02-03T06",
        (1, 1, 5),
        (1, 1, 5),
    ),
)
FIFTHS = ("lowest", "second lowest", "middle", "second highest", "highest")


def test_the_story_of_a_customer_who_comes_rises_and_stays_away_is_told_word_for_word() -> None:
    replay = replay_of(log(58, dict.fromkeys(SETTLED, 50.0)), SETTINGS)
    told = changes(replay)
    assert len(told) == len(STORY)
    for change, (before, after, cause, at, until, scores, grounds) in zip(told, STORY, strict=True):
        texts = [reason["text"].partition(": ")[2] for reason in change.pop("reasons")]
        for text, measure, score, ground in zip(
            texts, change["scores"], scores, grounds or scores, strict=True
        ):
            now = f"the {FIFTHS[score - 1]} fifth by {measure}"
            earlier = "" if score == ground else f", the {FIFTHS[ground - 1]} when last ranked {after}"
            assert text == (now + earlier if grounds else "too little history to rank")
        evidence = change.pop("evidence")
        trips = [day for day in SETTLED if moment(day + 0.5) <= f"{at}:00:00Z"]
        assert evidence == {
            "last_purchase": moment(trips[-1] + 0.5),
            "purchase_days": len(trips),
            "spend": 50.0 * len(trips),
        }
        assert change == {
            "customer_id": "me",
            "from": before,
            "to": after,
            "scores": dict(zip(("recency", "frequency", "monetary"), scores, strict=True)),
            "valid_until": f"{until}:00:00Z",
            "cause": cause,
            "occurred_at": f"{at}:00:00Z",
            "model_version": "rfm-2",
        }
    assert replay.counts["segment_changes"] == len(replay.values("segment-changes"))


def test_who_only_returned_has_no_segment_and_who_bought_then_gets_one() -> None:
    back = [
        basket(f"back {day}", "me", day + 0.5, ("MILK", "p1", -1.0, 1.0), kind="return") for day in (3, 5)
    ]
    values = log(8, {})
    values[values.index(tick(3)) : values.index(tick(3))] = [back[0]]
    values[values.index(tick(5)) : values.index(tick(5))] = [back[1]]
    assert changes(replay_of(values, SETTINGS)) == []
    (first, *_) = changes(replay_of([*values, visit(8, "me")], SETTINGS))
    assert (first["from"], first["cause"]) == (None, "me-8")


def test_a_late_purchase_of_a_newcomer_is_no_purchase_day_and_earns_no_segment() -> None:
    assert changes(replay_of([*log(8, {}), visit(3, "me", 500.0)], SETTINGS)) == []
    (first,) = changes(replay_of([*log(8, {}), visit(3, "me", 500.0), visit(8, "me")], SETTINGS))
    assert first["cause"] == "me-8"


def test_an_id_follows_from_the_customer_and_the_cause_alone() -> None:
    replay = replay_of(log(12, {9: 7.5}), SETTINGS)
    for output in replay.outputs:
        if output.topic == "segment-changes":
            change = json.loads(output.value)
            (wanted,) = event_ids(
                SEGMENT_CHANGE.type_, [change["customer_id"].encode()], [""], [change["cause"]], ""
            )
            assert dict(output.headers)["ce_id"].decode() == wanted


CUSTOMER = st.tuples(st.integers(-1, len(SEGMENTS) - 1), st.booleans(), st.booleans())
"""Segment reported, whether the customer comes often and spends much, and whether the customer is new."""


@given(
    recency=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    customers=st.lists(CUSTOMER, min_size=1, max_size=4),
)
@example(recency=[1, 5, 1], customers=[(0, True, False), (1, True, False), (0, False, False)])
@example(recency=[1, 3, 1], customers=[(0, True, False)] * 2)
@example(recency=[5, 1, 1], customers=[(0, True, False)])
@example(recency=[1, 1, 3], customers=[(0, True, False)])
def test_a_segment_falls_to_the_best_of_the_last_labels_if_all_are_worse(
    recency: list[int], customers: list[tuple[int, bool, bool]]
) -> None:
    state, begun = State(SETTINGS, 1), 6_000
    rows = np.array([state.add(f"customer {number}".encode()) for number in range(len(customers))])
    state.clock = replace(state.clock, begun=begun)
    last = state.calendar.start(begun)
    segments, often, new = (np.array(column) for column in zip(*customers, strict=True))
    state.customers["segment"][rows] = segments
    state.customers["last_purchase"][rows] = last
    state.customers["first_purchase"][rows] = np.where(new, last, last - 90 * DAY_MS)
    state.customers["frequency"][rows] = np.where(often, 10, 3)
    state.customers["spend"][rows] = np.where(often, 10, 3)
    state.thresholds = tuple(
        Thresholds(tuple(sorted(last + (cut >= score) for cut in range(1, 5))), (4, 5, 6, 7), (4, 5, 6, 7))
        for score in recency
    )
    wanted = []
    for segment, much, young in customers:
        labels = [exact.rfm_label(score, 5 if much else 1) for score in recency]
        if young:
            labels = [min(label, SEGMENTS.index("New Customers")) for label in labels]
        falls = len(labels) == SETTINGS.segment_patience and not young and min(labels) > segment
        wanted.append(labels[-1] if segment < 0 else min(labels) if falls else segment)
    assert falling(state).tolist() == [
        after != before for after, before in zip(wanted, segments, strict=True)
    ]
    reconsider(Step(state), rows, begun)
    assert state.customers["segment"][rows].tolist() == wanted
