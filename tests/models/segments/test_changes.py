"""The reported segment: first from nothing, another one when ranks pass a margin."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from itertools import pairwise, product
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.encoding import SEGMENT_CHANGE
from models.contracts.events import event_ids
from models.learning.fifths import Limits, cuts_of
from models.learning.rfm import DAY_MS, SEGMENTS
from models.ledger.ledger import Ledger
from models.segments.changes import moving, reasons, reconsider
from models.settings import LedgerSettings
from models.state.state import State
from models.state.step import Step
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers import exact
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, moment, records_of, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=10)
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


def test_who_has_a_segment_moves_at_boundaries_alone_and_up_and_down() -> None:
    me = dict.fromkeys((*range(6), 20, 21, 22, 30), 50.0)
    events: list[dict[str, Any]] = list(replay_of(log(60, me), SETTINGS).values("segment-changes"))
    found = [change for change in events if change["from"]]
    assert all(change["cause"].startswith("boundary:") for change in found)
    assert {rank(change, "to") < rank(change, "from") for change in found} == {True, False}


@pytest.mark.parametrize("days", [7, 2])
def test_a_regular_customer_stays_and_the_label_goes_up_and_down_with_every_trip(days: int) -> None:
    values = log(90, dict.fromkeys(range(0, 90, days), 50.0))
    ledger, labels = Ledger(SETTINGS), []
    records = records_of(values, SETTINGS)
    for at in range(len(records)):
        drive(ledger, records.slice(at, at + 1), Replay(), finish=True)
        known: Any = ledger.describe(b"me")
        labels.append(None if known is None else known["label"])
    late = [change for change in changes(replay_of(values, SETTINGS)) if change["occurred_at"] > moment(45)]
    moved = sum(before != after for before, after in pairwise(labels[len(labels) // 2 :]))
    assert moved > 10
    assert len(late) <= 2


def test_the_wider_the_margin_the_fewer_the_changes() -> None:
    values = a_log(5, days=60, customers=24)
    counts = [
        replay_of(values, SETTINGS.model_copy(update={"segment_margin": margin})).counts["segment_changes"]
        for margin in (0.0, 0.1, 0.3)
    ]
    assert counts[0] > counts[1] > counts[2]


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
    assert change["valid_until"] == "2101-01-01T06:00:00Z"


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
    assert all(rank(change, "to") < rank(change, "from") for change in found if change["from"])
    assert rank(found[-1], "to") < SEGMENTS.index("New Customers")
    (*_, last) = changes(replay_of(log(40, dict.fromkeys(range(6), 50.0)), SETTINGS))
    assert rank(last, "to") > rank(last, "from")


def test_who_comes_late_to_a_log_is_new_for_ninety_days_and_ranked_then() -> None:
    values = log(220, dict.fromkeys(range(100, 220, 2), 50.0))
    (first, second, *_) = changes(replay_of(values, SETTINGS))
    assert (first["to"], first["cause"]) == ("New Customers", "me-100")
    assert second["from"] == "New Customers"
    assert second["cause"] == f"boundary:{moment(100 + 90)[:10]}"
    assert all("fifth by" in reason["text"] for reason in second["reasons"])


def test_who_bought_on_fewer_than_three_days_had_no_habit_to_be_at_risk() -> None:
    spent_much = changes(replay_of(log(60, {0: 5_000.0, 3: 5_000.0}), SETTINGS))
    assert [change["to"] for change in spent_much] == ["New Customers", "Hibernating"]
    a_habit = changes(replay_of(log(60, {0: 5_000.0, 3: 5_000.0, 6: 5_000.0}), SETTINGS))
    assert a_habit[-1]["to"] == "At Risk"


def test_a_reason_names_a_fifth_only_where_the_segment_rests_on_it() -> None:
    replay = replay_of(log(58, dict.fromkeys(SETTLED, 50.0)), SETTINGS)
    told = {"ranked": 0, "unranked": 0}
    for change in replay.values("segment-changes"):
        texts = [reason["text"] for reason in cast("list[dict[str, Any]]", change["reasons"])]
        scores = cast("dict[str, int]", change["scores"])
        value = (scores["frequency"] + scores["monetary"] + 1) // 2
        if texts[0].endswith("too little history to rank"):
            assert change["to"] == "New Customers"
            assert all(text.endswith("too little history to rank") for text in texts)
            told["unranked"] += 1
        else:
            label = exact.rfm_label(scores["recency"], value)
            assert {"New Customers": "Promising"}.get(SEGMENTS[label], SEGMENTS[label]) == change["to"]
            told["ranked"] += 1
    assert all(told.values())


def test_reasons_are_those_of_the_contract_word_for_word() -> None:
    told = reasons((1, 2, 3), DAY_MS, 1, 7.5, "EUR", average=4.26)
    assert told == [
        {
            "text": "Last bought 1 day ago, 4.3 days on average of late: the lowest fifth by recency",
            "measure": "recency",
            "value": 1.0,
            "score": 1,
            "unit": "days",
        },
        {
            "text": "Bought on 1 day: the second lowest fifth by frequency",
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
        (recency, *_) = reasons((5, 4, 5), quiet, 12, 0.0, "EUR")
        assert recency["text"] == f"{text}: the highest fifth by recency"
        assert recency["value"] == value
    (_, frequency, monetary) = reasons((5, 4, 5), 0, 12, 0.0, "EUR")
    assert frequency["text"] == "Bought on 12 days: the second highest fifth by frequency"
    assert monetary["text"] == "Spent 0.00 EUR: the highest fifth by monetary"


def test_a_segment_that_rests_on_no_score_says_so() -> None:
    told = reasons((5, 1, 1), 0, 2, 1.0, "EUR", unranked=True)
    assert [str(reason["text"]).partition(": ")[2] for reason in told] == ["too little history to rank"] * 3
    assert [reason["score"] for reason in told] == [5, 1, 1]


STORY = (
    # from, to, cause, moment, end of validity, scores, average recency in days, and whether it rests on ranks
    (None, "New Customers", "boundary:2017-01-02", "2017-01-03", "2017-01-04", (2, 3, 5), "0.2", False),
    (
        "New Customers",
        "At Risk",
        "boundary:2017-01-29",
        "2017-01-30",
        "2017-01-31",
        (1, 5, 5),
        "2.4",
        True,
    ),
    (
        "At Risk",
        "Loyal Customers",
        "boundary:2017-01-31",
        "2017-02-01",
        "2017-02-02",
        (4, 5, 5),
        "1.3",
        True,
    ),
    (
        "Loyal Customers",
        "Champions",
        "boundary:2017-02-01",
        "2017-02-02",
        "2017-02-03",
        (5, 5, 5),
        "1",
        True,
    ),
    ("Champions", "At Risk", "boundary:2017-02-14", "2017-02-15", "2017-02-16", (1, 5, 5), "2", True),
)
FIFTHS = ("lowest", "second lowest", "middle", "second highest", "highest")


def test_the_story_of_a_customer_who_comes_rises_and_stays_away_is_told_word_for_word() -> None:
    days = (0, *range(22, 41))
    replay = replay_of(log(70, dict.fromkeys(days, 50.0)), SETTINGS)
    told = changes(replay)
    assert len(told) == len(STORY)
    for change, (before, after, cause, at, until, scores, average, ranked) in zip(told, STORY, strict=True):
        texts = [reason["text"].partition(": ") for reason in change.pop("reasons")]
        assert f" ago, {average} day" in texts[0][0]
        for (_, _, text), measure, score in zip(texts, change["scores"], scores, strict=True):
            assert text == (
                f"the {FIFTHS[score - 1]} fifth by {measure}" if ranked else "too little history to rank"
            )
        evidence = change.pop("evidence")
        assert (change.pop("cluster"), change.pop("active_90_days")) == (None, None)
        expected, age = change.pop("expected_spend_90_days"), (date.fromisoformat(at) - FIRST_DAY.date()).days
        assert expected is None if age < 28 else 0 <= expected <= 50.0 * 90
        trips = [day for day in days if moment(day + 0.5) <= f"{at}T06:00:00Z"]
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
            "valid_until": f"{until}T06:00:00Z",
            "cause": cause,
            "occurred_at": f"{at}T06:00:00Z",
            "model_version": "rfm-3",
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


CUSTOMER = st.tuples(
    st.integers(-1, len(SEGMENTS) - 1),
    st.tuples(*[st.integers(0, 99)] * 3),
    st.integers(1, 9),
    st.sampled_from([5, 60, 200]),
)
"""Segment reported, ranks of 100 by recency, frequency and spend, purchase days, days since the first."""


@given(customers=st.lists(CUSTOMER, min_size=1, max_size=6), margin=st.sampled_from([0.0, 0.11, 0.3]))
def test_a_segment_stays_while_ranks_within_the_margin_give_it(
    customers: list[tuple[int, tuple[int, int, int], int, int]], margin: float
) -> None:
    state, begun = State(SETTINGS.model_copy(update={"new_customer_days": 90}), 1), 6_000
    rows = np.array([state.add(f"customer {number}".encode()) for number in range(len(customers))])
    state.clock = replace(state.clock, begun=begun)
    opened = state.calendar.start(begun + 1)
    everybody = np.arange(100)
    # Frequency is ranked by cuts of its own, so that purchase days can be few in any rank.
    for number, (segment, (recency, _, spend), bought, tenure) in enumerate(customers):
        state.customers["segment"][number] = segment
        state.customers["smoothed"][number], state.customers["smoothed_day"][number] = 99 - recency, begun
        state.customers["frequency"][number], state.customers["spend"][number] = bought, spend
        state.customers["first_purchase"][number] = opened - tenure * DAY_MS + 1
    often = np.repeat(np.arange(1, 10), 11)
    cuts = [
        cuts_of(values, width)
        for values, width in ((everybody - 99, margin), (often, 0.05), (everybody, 0.05))
    ]
    state.limits = Limits(begun - 20, np.stack(cuts))

    def fifth(rank_of: float, shift: float) -> int:
        return int(np.clip(np.floor(5 * (rank_of + shift) + 1e-9), 0, 4)) + 1

    def segment_of(ranks: tuple[float, ...], shifts: tuple[float, ...], bought: int, tenure: int) -> int:
        scores = [fifth(at, shift) for at, shift in zip(ranks, shifts, strict=True)]
        found = SEGMENTS[exact.rfm_label(scores[0], (scores[1] + scores[2] + 1) // 2)]
        if bought < 3 and found == "At Risk":
            found = "Hibernating"
        if tenure < 28:
            worse = SEGMENTS.index(found) > SEGMENTS.index("New Customers")
            return SEGMENTS.index("New Customers" if worse or bought < 3 else found)
        return SEGMENTS.index("Promising" if found == "New Customers" else found)

    wanted = []
    for segment, (recency, _, spend), bought, tenure in customers:
        ranks = ((recency + 0.5) / 100, (bought - 0.5) / 9, (spend + 0.5) / 100)
        now = segment_of(ranks, (0, 0, 0), bought, tenure)
        near = {
            segment_of(ranks, shifts, bought, tenure)
            for shifts in product((-margin, 0, margin), (-0.05, 0, 0.05), (-0.05, 0, 0.05))
        }
        stays = segment in near or (tenure < 28 and 0 <= segment < now)
        wanted.append(segment if stays else now)
    assert moving(state).tolist() == [
        after != before for after, (before, *_) in zip(wanted, customers, strict=True)
    ]
    reconsider(Step(state), rows, begun)
    assert state.customers["segment"][rows].tolist() == wanted
