"""The replay in memory: the events of a service, from whatever holds a purchase."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from models.contracts.events import (
    OUTPUT_EVENTS,
    AlertClosing,
    Recommendation,
    ReplenishmentAlert,
    SegmentChange,
)
from models.contracts.purchases import Erasure, Purchase, Signal
from models.learning import clusters
from models.replay.replay import AT_ONCE, EventRefusedError, replay
from models.settings import LedgerSettings
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.ledgers.logs import basket, edited, moment, replay_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.contracts.changes import Refusal
    from models.contracts.events import OutputEvent
    from models.replay.replay import InputEvent

SETTINGS = LedgerSettings(
    segment_minimum_population=2, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
MODELS = {type_: model for model, (_, type_) in OUTPUT_EVENTS.items()}


def weekly(weeks: int = 6) -> list[bytes]:
    """Two customers who buy milk every week."""
    return [
        basket(f"{customer}{week}", customer, week * 7 + 0.5, ("MILK", "p1", 1.0, price))
        for week in range(weeks)
        for customer, price in (("a", 1.0), ("b", 9.0))
    ]


def counted(events: Iterable[OutputEvent]) -> Counter[tuple[str, str]]:
    """Each event's kind and content, whatever their order."""
    return Counter((type(event).__name__, event.model_dump_json()) for event in events)


def test_a_fortnight_of_real_purchases_gives_the_events_of_the_log_with_its_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "LEAST_MEMBERS", 5)
    settings = LedgerSettings(time_zone="America/New_York", segment_minimum_population=20)
    feeds = [feed for feed in CompleteJourney(days=40) if int(feed.key or b"0") % 12 == 0]
    assert len(feeds) > AT_ONCE
    log = [feed.value for feed in with_ticks(feeds, settings)]
    wanted = [
        MODELS[dict(output.headers)["ce_type"].decode()].model_validate_json(output.value)
        for output in replay_of(log, settings).outputs
    ]
    found = list(replay((feed.value for feed in feeds), settings))
    assert counted(found) == counted(wanted)
    assert {type(event) for event in found} == set(MODELS.values())


def test_models_mappings_and_bytes_are_one_and_the_same() -> None:
    written = weekly()
    by_bytes = list(replay(written, SETTINGS))
    assert any(isinstance(event, ReplenishmentAlert) for event in by_bytes)
    assert list(replay(map(Purchase.model_validate_json, written), SETTINGS)) == by_bytes
    assert list(replay(map(msgspec.json.decode, written), SETTINGS)) == by_bytes


def test_what_a_data_frame_holds_is_taken_as_json_has_it() -> None:
    mapping = msgspec.json.decode(weekly()[0])
    mapping["occurred_at"] = datetime(2017, 1, 1, 12, tzinfo=UTC)
    mapping["items"][0]["quantity"] = np.float32(1)
    assert list(replay([mapping], SETTINGS)) == list(replay(weekly()[:1], SETTINGS))
    with pytest.raises(TypeError, match="cannot hold object"):
        list(replay([mapping | {"items": object()}], SETTINGS))


def test_the_latest_purchase_s_own_day_closes_at_the_end() -> None:
    raised = [event for event in replay(weekly(), SETTINGS) if isinstance(event, ReplenishmentAlert)]
    whole = list(replay([*weekly(), basket("z", "z", 60.5, ("MILK", "p1", 1.0, 1.0))], SETTINGS))
    assert raised
    assert whole[: len(raised)] != []
    assert max(event.occurred_at for event in raised) <= datetime(2017, 2, 6, 6, tzinfo=UTC)
    missed = [event for event in whole if isinstance(event, AlertClosing) and event.state == "missed"]
    assert len(missed) >= 2


def test_the_setting_of_the_clock_plays_no_part() -> None:
    wall, log = (SETTINGS.model_copy(update={"clock": clock}) for clock in ("wall", "log"))
    assert list(replay(weekly(), wall)) == list(replay(weekly(), log)) != []


def test_a_refused_event_raises_behind_the_events_before_it() -> None:
    mapping: dict[str, Any] = msgspec.json.decode(weekly()[2])
    stream = replay([*weekly()[:2], mapping | {"currency": "EUR"}, *weekly()[2:]], SETTINGS)
    assert isinstance(next(stream), Recommendation | SegmentChange)
    with pytest.raises(EventRefusedError, match=r"Event 2 is refused, decode currency \(currency\)") as told:
        list(stream)
    assert (told.value.refusal.offset, told.value.refusal.error) == (2, "currency")
    assert told.value.event == mapping | {"currency": "EUR"}


@pytest.mark.parametrize("before", [0, AT_ONCE - 2, AT_ONCE, 3 * AT_ONCE + 1])
def test_refused_events_are_handed_on_with_their_place_and_the_rest_goes_on(before: int) -> None:
    many = [basket(f"n{n}", f"n{n % 9}", n / 40, ("EGGS", "p2", 1.0, 1.0)) for n in range(before)]
    last = basket("last", "a", before / 40 + 1, ("MILK", "p1", 1.0, 1.0))
    wrong: list[tuple[InputEvent, Refusal]] = []
    found = list(
        replay(
            [*many, b"{", last, edited(last)], SETTINGS, refused=lambda event, why: wrong.append((event, why))
        )
    )
    assert counted(found) == counted(replay([*many, last], SETTINGS))
    assert [(event, why.offset, why.stage, why.error) for event, why in wrong] == [
        (b"{", before, "decode", "json"),
        (edited(last), before + 2, "duplicate", "changed"),
    ]


def test_customers_held_out_are_learnt_from_and_not_told() -> None:
    half = SETTINGS.model_copy(update={"holdout_share": 0.5})
    every, told = counted(replay(weekly(), SETTINGS)), counted(replay(weekly(), half))
    customers = {msgspec.json.decode(content)["customer_id"] for _, content in told}
    assert len(customers) == 1
    assert told == Counter(
        event for event in every.elements() if msgspec.json.decode(event[1])["customer_id"] in customers
    )


def test_history_ends_at_a_live_record() -> None:
    live = Signal(event_id="live", kind="live", occurred_at=moment(30))
    found = list(replay([live, *map(Purchase.model_validate_json, weekly())], SETTINGS))
    assert counted(found) == counted(
        event for event in replay(weekly(), SETTINGS) if event.occurred_at > datetime(2017, 1, 31, tzinfo=UTC)
    )
    assert found


def test_an_erasure_acts_as_in_a_service() -> None:
    other = basket("late", "b", 42.6, ("MILK", "p1", 1.0, 9.0))
    erasure = Erasure(event_id="erase", kind="erase", customer_id="a", occurred_at=moment(42.7))
    states = [
        event.state
        for event in replay([*weekly(), other, erasure], SETTINGS)
        if isinstance(event, ReplenishmentAlert | AlertClosing) and event.customer_id == "a"
    ]
    assert states[-2:] == ["raised", "withdrawn"]


def test_every_end_of_an_alert_says_the_chance_that_its_beginning_said() -> None:
    late = basket("z", "z", 60.5, ("MILK", "p1", 1.0, 1.0))
    events = list(replay([*weekly(), late], SETTINGS))
    raised = {event.alert_id: event for event in events if isinstance(event, ReplenishmentAlert)}
    closings = [event for event in events if isinstance(event, AlertClosing)]
    assert {event.state for event in closings} == {"fulfilled", "missed"}
    for event in closings:
        alert = raised[event.alert_id]
        assert (event.hit_probability, event.best_date) == (alert.hit_probability, alert.best_date)


def test_nothing_gives_nothing() -> None:
    assert list(replay([])) == []
