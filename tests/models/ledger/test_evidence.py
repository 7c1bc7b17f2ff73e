"""Every sentence and number of evidence supports what it stands under, on real purchases and made-up ones."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learning.rfm import SEGMENTS
from models.ledger.ledger import Ledger
from models.recommendations.events import percent
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from streams.sources.complete_journey import TIME_ZONE, CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.ledgers import exact
from tests.support.ledgers.logs import Replay, basket, drive, replay_of, tick

Event = dict[str, Any]

SETTINGS = LedgerSettings(
    segment_minimum_population=2, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
RECENT = re.compile(r"Bought on (\d+) of your last (\d+) trips, last (.+)")
RHYTHM = re.compile(r"Bought on (\d+) days, about every (\d* ?days?), last (.+)")
SHARED = re.compile(r"Bought on (.+) of (all trips|the trips of .+), and by you on (\d+) days?, last (.+)")
PAST = re.compile(r"Bought on (\d+) days?, last (.+)")
KEPT = ("alert_id", "customer_id", "category", "best_date", "hit_probability", "model_version")
"""Fields that the end of an alert repeats of its beginning."""
NEW = re.compile(r"Bought (?:on (.+) of (?:all trips|the trips of .+)|with .+ by (.+) of those who buy .+)")


def item_is_supported(item: Event) -> None:
    reason, evidence = item["reason"], item["evidence"]
    assert item["score"] > 0
    if item["kind"] == "discover":
        found = NEW.fullmatch(reason)
        assert found is not None, reason
        assert (found[1] or found[2]) not in {"0%", "0.0%"}
        assert evidence["share"] > 0 or "less than" in reason
    elif evidence["trips_with"]:
        found = RECENT.fullmatch(reason)
        assert found is not None, reason
        assert 1 <= int(found[1]) == evidence["trips_with"] <= evidence["trips"] == int(found[2])
    else:
        found = RHYTHM.fullmatch(reason) or SHARED.fullmatch(reason) or PAST.fullmatch(reason)
        assert found is not None, reason
        assert "0 of" not in reason
        assert not re.search(r"(?<![\d.])0(\.0)?%", reason)
        assert evidence["purchase_days"] >= 1
        assert (evidence["typical_interval_days"] is None) == (evidence["purchase_days"] == 1)
        assert str(evidence["purchase_days"]) in reason


def alert_is_supported(alert: Event, least: int) -> None:
    assert alert["evidence"]["purchases_seen"] >= least
    assert alert["evidence"]["last_purchase"] < alert["best_date"]
    assert alert["interval_low"] <= alert["interval_high"]
    assert alert["hit_probability"] > 0
    assert alert["probability_7_days"] > 0


def closing_is_supported(closing: Event, alert: Event) -> None:
    assert {name: closing[name] for name in KEPT} == {name: alert[name] for name in KEPT}
    assert closing["occurred_at"] > alert["occurred_at"]


def lists_are_supported(event: Event, listed: dict[str, Event]) -> None:
    if event["state"] == "raised":
        listed[event["list_id"]] = event
        chances = [item["probability_7_days"] for item in event["items"]]
        assert chances == sorted(chances, reverse=True)
        assert 1 <= len(chances) <= 5
        assert min(chances) > 0
        assert all(item["evidence"]["last_purchase"] < event["shopping_day"] for item in event["items"])
        return
    beginning = listed.pop(event["list_id"])
    assert event["customer_id"] == beginning["customer_id"]
    assert event["occurred_at"] > beginning["occurred_at"]
    assert sorted(event["bought"] + event["not_bought"]) == sorted(
        item["category"] for item in beginning["items"]
    )


def lapse_is_supported(event: Event) -> None:
    evidence = event["evidence"]
    assert evidence["purchases_seen"] >= 8
    assert event["days_since"] > evidence["typical_interval_days"]
    last = date.fromisoformat(evidence["last_purchase"])
    told = date.fromisoformat(event["cause"].removeprefix("boundary:"))
    assert (told - last).days == event["days_since"]


def change_is_supported(change: Event) -> None:
    texts, scores = [reason["text"] for reason in change["reasons"]], change["scores"]
    if any("too little history" in text for text in texts):
        assert change["to"] == "New Customers"
    else:
        label = exact.rfm_label(scores["recency"], (scores["frequency"] + scores["monetary"] + 1) // 2)
        few = change["evidence"]["purchase_days"] < 3
        expected = "Hibernating" if few and SEGMENTS[label] == "At Risk" else SEGMENTS[label]
        also = {"New Customers": "Promising"}  # of a settled customer
        assert change["to"] in {expected, also.get(expected, expected)}


def all_is_supported(replay: Replay, chosen: LedgerSettings) -> None:
    for event in cast("list[Event]", replay.values("recommendations")):
        for item in event["items"]:
            item_is_supported(item)
    raised: dict[str, Event] = {}
    listed: dict[str, Event] = {}
    for event in cast("list[Event]", replay.values("replenishment-alerts")):
        if "list_id" in event:
            lists_are_supported(event, listed)
        elif event["state"] == "lapsed":
            lapse_is_supported(event)
        elif event["state"] == "raised":
            raised[event["alert_id"]] = event
            alert_is_supported(event, chosen.alert_minimum_purchases)
        else:
            closing_is_supported(event, raised.pop(event["alert_id"]))
    for change in cast("list[Event]", replay.values("segment-changes")):
        change_is_supported(change)


def test_what_is_said_of_a_month_of_real_purchases_is_supported() -> None:
    chosen = LedgerSettings(time_zone=TIME_ZONE)
    decoder, ledger, replay = Decoder(chosen), Ledger(chosen), Replay()
    feeds = [
        feed
        for feed in with_ticks(CompleteJourney(days=35), chosen)
        if feed.key is None or int(feed.key) % 3 == 0
    ]
    raws = [Raw(at, feed.value, UNKNOWN_TIME) for at, feed in enumerate(feeds)]
    drive(ledger, decoder.decode(raws)[0], replay, finish=True)
    all_is_supported(replay, chosen)
    said = [
        item["evidence"].get("trips_with")
        for event in cast("list[Event]", replay.values("recommendations"))
        for item in event["items"]
    ]
    assert 0 in said


@given(
    visits=st.lists(
        st.tuples(
            st.integers(0, 60), st.sampled_from("abc"), st.sets(st.sampled_from("TUVWXYZ"), min_size=1)
        ),
        max_size=60,
    )
)
@settings(max_examples=25, deadline=None)
def test_what_is_said_of_any_purchases_is_supported(visits: list[tuple[int, str, set[str]]]) -> None:
    log = [tick(-1)]
    for day in range(61):
        for at, (bought_on, customer, names) in enumerate(visits):
            if bought_on == day:
                lines = [(name, "p", 1.0, 1.0) for name in sorted(names)]
                log.append(basket(f"{day}-{at}", customer, day + 0.4 + at / 1_000, *lines))
        log.append(tick(day))
    all_is_supported(replay_of(log, SETTINGS), SETTINGS)


def lately_without(days_before: list[int], *, others: int, trips: int = 14) -> Event:
    """Recommend salt to one who bought it on some days before day 40 and on none of the trips since."""
    log = [tick(-1)]
    for day in range(40 + trips):
        log += [
            basket(f"o{who}-{day}", f"o{who}", day + 0.3, ("SALT", "p", 1.0, 1.0)) for who in range(others)
        ]
        if day in days_before:
            log.append(basket(f"s{day}", "me", day + 0.4, ("SALT", "p", 1.0, 1.0)))
        if day >= 40:
            log.append(basket(f"m{day}", "me", day + 0.5, ("MILK", "p", 1.0, 1.0)))
        log.append(tick(day))
    chosen = SETTINGS.model_copy(update={"segment_minimum_population": 1_000})
    events = cast("list[Event]", replay_of(log, chosen).values("recommendations"))
    newest = [event for event in events if event["customer_id"] == "me"][-1]
    return cast("Event", next(item for item in newest["items"] if item["category"] == "SALT"))


def test_a_slow_rhythm_is_the_reason_for_what_none_of_the_last_trips_has() -> None:
    salt = lately_without([1, 20, 39], others=0)
    assert salt["reason"] == "Bought on 3 days, about every 19 days, last 14 days ago"
    assert (salt["evidence"]["trips_with"], salt["evidence"]["trips"]) == (0, 12)
    assert (salt["evidence"]["purchase_days"], salt["evidence"]["typical_interval_days"]) == (3, 19.0)


def test_where_the_rhythm_has_ended_others_trips_are_told_beside_it() -> None:
    salt = lately_without([30, 32, 34], others=3)
    assert re.fullmatch(
        r"Bought on \d\d% of all trips, and by you on 3 days, last 19 days ago", salt["reason"]
    )
    assert salt["evidence"]["segment"] is None
    assert salt["evidence"]["share"] > 0.5


def test_what_was_bought_once_claims_no_rhythm() -> None:
    salt = lately_without([39], others=1)
    assert re.fullmatch(
        r"Bought on \d\d% of all trips, and by you on 1 day, last 14 days ago", salt["reason"]
    )
    assert salt["evidence"]["typical_interval_days"] is None


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100%"), (0.0099, "1.0%"), (0.001, "0.1%"), (0.0009, "less than 0.1%")]
)
def test_a_share_above_nothing_is_never_written_as_0(share: float, text: str) -> None:
    assert percent(share) == text
