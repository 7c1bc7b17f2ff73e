"""The output contracts: ids, records, and what the models refuse."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from models.contracts import events
from models.contracts.events import (
    ALERT_CLOSING_TYPE,
    REPLENISHMENT_ALERT_TYPE,
    SEGMENT_CHANGE_TYPE,
    AlertClosing,
    AlertEvidence,
    DeadLetter,
    PurchaseHabit,
    Reason,
    ReplenishmentAlert,
    Scores,
    SegmentChange,
    SegmentEvidence,
    alert_id,
    dead_letter_id,
    event_id,
    output,
)

AT = datetime(2017, 3, 6, 11, 0, 0, 250_000, tzinfo=UTC)


def an_alert(**changes: Any) -> ReplenishmentAlert:
    fields: dict[str, Any] = {
        "alert_id": alert_id(b"900", "FLUID MILK PRODUCTS", "boundary:2017-03-05"),
        "customer_id": "900",
        "category": "FLUID MILK PRODUCTS",
        "state": "raised",
        "products": (PurchaseHabit(product_id="1095275", trips=4.2, last_bought=date(2017, 2, 28)),),
        "best_date": date(2017, 3, 7),
        "interval_low": date(2017, 3, 4),
        "interval_high": date(2017, 3, 15),
        "probability_7_days": 0.71,
        "hit_probability": 0.64,
        "valid_until": datetime(2017, 3, 13, 11, tzinfo=UTC),
        "evidence": AlertEvidence(
            purchases_seen=6, typical_interval_days=7.3, last_purchase=date(2017, 2, 28), usual_quantity=1.5
        ),
        "cause": "boundary:2017-03-05",
        "occurred_at": AT,
        "model_version": "1",
    }
    return ReplenishmentAlert(**fields | changes)


def a_closing(**changes: Any) -> AlertClosing:
    fields: dict[str, Any] = {
        "alert_id": alert_id(b"900", "FLUID MILK PRODUCTS", "boundary:2017-03-05"),
        "customer_id": "900",
        "category": "FLUID MILK PRODUCTS",
        "state": "missed",
        "best_date": date(2017, 3, 7),
        "hit_probability": 0.64,
        "cause": "boundary:2017-03-12",
        "occurred_at": datetime(2017, 3, 13, 11, tzinfo=UTC),
        "model_version": "1",
    }
    return AlertClosing(**fields | changes)


def a_change(**changes: Any) -> SegmentChange:
    fields: dict[str, Any] = {
        "customer_id": "Zoë",
        "from_segment": None,
        "to_segment": "New Customers",
        "reasons": (Reason(text="Bought today", measure="recency", value=0.0, score=5, unit="days"),),
        "scores": Scores(recency=5, frequency=1, monetary=2),
        "evidence": SegmentEvidence(last_purchase=AT, purchase_days=1, spend=12.5),
        "valid_until": None,
        "cause": "31198570044",
        "occurred_at": AT,
        "model_version": "1",
    }
    return SegmentChange(**fields | changes)


def test_an_event_id_is_128_bits_of_sha256_over_the_length_prefixed_parts() -> None:
    parts = (b"type", b"customer", b"", b"cause", b"state")
    joined = b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    assert event_id("type", b"customer", "", "cause", "state") == hashlib.sha256(joined).hexdigest()[:32]


def test_moving_a_letter_from_one_part_to_the_next_makes_another_event_id() -> None:
    assert event_id("t", b"ab", "c", "d", "") != event_id("t", b"a", "bc", "d", "")


def test_the_alert_id_is_the_id_of_the_raised_event_and_stays_when_the_alert_is_closed() -> None:
    raised, missed = output(an_alert()), output(a_closing())

    assert dict(raised.headers)["ce_id"].decode() == json.loads(raised.value)["alert_id"]
    assert json.loads(missed.value)["alert_id"] == json.loads(raised.value)["alert_id"]
    assert dict(missed.headers)["ce_id"] != dict(raised.headers)["ce_id"]


def test_the_id_of_a_closing_is_made_of_its_own_type_and_how_the_alert_ended() -> None:
    for state in ("fulfilled", "missed", "withdrawn"):
        closing = a_closing(state=state)
        parts = b"900", closing.category, closing.cause, state
        assert dict(output(closing).headers)["ce_id"].decode() == event_id(ALERT_CLOSING_TYPE, *parts)


def test_a_closing_goes_where_its_alert_went_and_says_nine_things() -> None:
    record = output(a_closing())

    assert (record.topic, record.key) == ("replenishment-alerts", b"900")
    assert record.timestamp == 1_489_402_800_000
    assert dict(record.headers)["ce_type"].decode() == ALERT_CLOSING_TYPE
    assert AlertClosing.model_validate_json(record.value) == a_closing()
    assert list(json.loads(record.value)) == [
        *("alert_id", "customer_id", "category", "state", "best_date", "hit_probability"),
        *("cause", "occurred_at", "model_version"),
    ]


def test_an_alert_goes_to_its_topic_under_the_customer_at_its_event_time() -> None:
    record = output(an_alert())

    assert (record.topic, record.key) == ("replenishment-alerts", b"900")
    assert record.timestamp == 1_488_798_000_250
    assert dict(record.headers)["ce_type"].decode() == REPLENISHMENT_ALERT_TYPE
    assert ReplenishmentAlert.model_validate_json(record.value) == an_alert()


def test_a_segment_change_says_from_and_to_in_json() -> None:
    record = output(a_change(from_segment="At Risk"))

    assert (record.topic, record.key) == ("segment-changes", "Zoë".encode())
    assert dict(record.headers)["ce_type"].decode() == SEGMENT_CHANGE_TYPE
    content = json.loads(record.value)
    assert (content["from"], content["to"]) == ("At Risk", "New Customers")
    assert SegmentChange.model_validate_json(record.value) == a_change(from_segment="At Risk")


def test_a_first_segment_comes_from_null() -> None:
    assert json.loads(output(a_change()).value)["from"] is None


def test_equal_events_make_byte_equal_records() -> None:
    assert output(an_alert()) == output(an_alert())


def test_events_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        an_alert().category = "MILK"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("probability_7_days", 1.5),
        ("hit_probability", float("nan")),
        ("valid_until", datetime(2017, 3, 13)),  # noqa: DTZ001 - naive on purpose
        ("probability_7_days", None),
        ("hit_probability", None),
        ("state", "closed"),
        ("state", "missed"),
        ("alert_id", "x"),
    ],
)
def test_an_alert_that_cannot_be_true_is_refused(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        an_alert(**{field: wrong})


@pytest.mark.parametrize(
    ("field", "wrong"), [("hit_probability", None), ("hit_probability", 1.01), ("state", "raised")]
)
def test_a_closing_that_cannot_be_true_is_refused(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        a_closing(**{field: wrong})


def test_fields_of_a_later_version_are_ignored() -> None:
    content = json.loads(output(an_alert()).value) | {"store_id": "330"}

    assert ReplenishmentAlert.model_validate_json(json.dumps(content)) == an_alert()


def test_a_dead_letter_reads_back_from_its_headers() -> None:
    letter = DeadLetter(
        topic="purchases",
        partition=2,
        offset=7,
        stage="decode",
        error="range",
        field="items[0].quantity",
        reason="Why.",
    )
    headers = dict(letter.headers())

    assert DeadLetter.from_headers(letter.headers()) == letter
    assert headers["ce_id"].decode() == dead_letter_id("purchases", 2, 7)
    assert headers["content-type"] == b"application/octet-stream"
    assert (headers["topic"], headers["partition"], headers["offset"]) == (b"purchases", b"2", b"7")
    assert "size" not in headers


def test_a_cut_dead_letter_tells_size_and_hash_of_the_whole() -> None:
    letter = DeadLetter(
        topic="purchases",
        partition=0,
        offset=1,
        stage="decode",
        error="too-large",
        reason="Too large.",
        size=3_000_000,
        sha256=hashlib.sha256(b"whole").hexdigest(),
    )

    assert DeadLetter.from_headers(letter.headers()) == letter


def test_headers_that_are_no_dead_letter_are_refused() -> None:
    with pytest.raises(ValueError, match="topic"):
        DeadLetter.from_headers([("ce_id", b"1")])


def test_everything_offered_exists() -> None:
    assert all(hasattr(events, name) for name in events.__all__)
