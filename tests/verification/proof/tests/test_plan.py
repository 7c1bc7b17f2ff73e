"""What a run writes: the same for the same seed, and everything that goes wrong is in it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from models.records.columns import UNKNOWN_TIME, Kind
from models.records.decoder import Decoder, Raw
from models.records.partitioner import partition_of
from streams.settings.settings import Settings
from tests.support.ledgers.failing_worker import POISON
from tests.verification.proof.plan import Event, Plan

SETTINGS = Settings(partitions=4)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Of one plan."""
    return list(Plan(SETTINGS, seed="1", events=6_000, days=6))


def test_one_seed_gives_one_plan_and_another_seed_another(events: list[Event]) -> None:
    assert list(Plan(SETTINGS, seed="1", events=6_000, days=6)) == events
    assert list(Plan(SETTINGS, seed="2", events=6_000, days=6)) != events


def test_there_are_about_as_many_events_as_were_asked_for(events: list[Event]) -> None:
    assert 6_000 <= len(events) < 6_600


def test_a_tenth_is_malformed_and_the_rest_is_purchases_and_ticks(events: list[Event]) -> None:
    raws = [Raw(at, event.value, UNKNOWN_TIME) for at, event in enumerate(events)]
    records, refusals = Decoder(SETTINGS.ledger).decode(raws)
    assert 0.08 < len(refusals) / len(events) < 0.13
    assert len({refusal.error for refusal in refusals}) > 8
    kinds = Counter(records.kinds.tolist())
    assert kinds[int(Kind.TICK)] >= 4 * 6
    assert kinds[int(Kind.PURCHASE)] > 4_500
    assert kinds[int(Kind.ERASE)] > 10
    assert kinds[int(Kind.CATALOGUE)] > 10


def test_events_come_twice_from_one_producer_and_from_two(events: list[Event]) -> None:
    seen = Counter(event.value for event in events if event.key not in (None, b"") and not event.twin)
    assert sum(times > 1 for times in seen.values()) > 60
    twins = [event for event in events if event.twin]
    assert len(twins) > 200
    first = {event.value for event in events if not event.twin}
    assert sum(event.value in first for event in twins) > 0.9 * len(twins)


def test_some_come_again_with_other_content(events: list[Event]) -> None:
    contents: dict[tuple[object, ...], set[str]] = {}
    for event in events:
        told = purchase_of(event)
        customer = told.get("customer_id")
        if isinstance(customer, str) and customer[-2:-1] == "-" and told["kind"] == "purchase":
            name = (told["event_id"], customer, told["occurred_at"])
            contents.setdefault(name, set()).add(json.dumps(told))
    assert sum(len(different) > 1 for different in contents.values()) > 20


def test_some_come_to_a_wrong_partition_and_some_with_no_key(events: list[Event]) -> None:
    wrong = keyless = 0
    for event in events:
        customer = purchase_of(event).get("customer_id")
        if isinstance(customer, str) and customer[-2:-1] == "-":
            wrong += partition_of(customer.encode(), 4, "murmur2") != event.partition
            keyless += event.key is None
    assert wrong > 30
    assert keyless > 5


def test_some_come_days_late(events: list[Event]) -> None:
    latest, late = "", 0
    for event in events:
        purchase = purchase_of(event)
        moment = str(purchase.get("occurred_at", ""))
        if purchase.get("kind") == "purchase" and moment[:5] == "2017-" and "items" in purchase:
            late += moment[:10] < latest[:10]
            latest = max(latest, moment)
    assert late > 60


def test_one_has_900_kilobytes_and_some_make_a_model_raise(events: list[Event]) -> None:
    bulky = [event for event in events if event.key == b"bulky"]
    assert [len(event.value or b"") > 900_000 for event in bulky] == [True]
    assert not Decoder(SETTINGS.ledger).decode([Raw(0, bulky[0].value, UNKNOWN_TIME)])[1]
    raising = [event for event in events if POISON in str(purchase_of(event).get("items"))]
    assert len(raising) == 4


def purchase_of(event: Event) -> dict[str, object]:
    """What an event says; nothing if it is malformed."""
    try:
        content = json.loads(event.value or b"")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
