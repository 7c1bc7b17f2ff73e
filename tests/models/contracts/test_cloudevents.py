"""The CloudEvents headers, read by the `cloudevents` package's own Kafka reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from cloudevents.v1 import kafka as cloudevents_v1

from models.contracts import cloudevents
from models.contracts.events import DeadLetter, output
from tests.models.contracts.test_events import a_change, an_alert


def test_the_package_reads_an_alert() -> None:
    record = output(an_alert(), source=cloudevents.source_of("shop one"))

    event = from_binary_event(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value))

    assert event.get_specversion() == "1.0"
    assert event.get_type() == "io.cartpulse.replenishment-alert.v1"
    assert event.get_source() == "/cartpulse/shop%20one"
    assert event.get_id() == an_alert().alert_id
    assert event.get_time() == an_alert().occurred_at
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("partitionkey") == "900"
    assert event.get_data() == json.loads(record.value)


def test_the_package_s_older_reader_reads_a_segment_change() -> None:
    record = output(a_change())

    event = cloudevents_v1.from_binary(
        cloudevents_v1.KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value)
    )

    assert event["type"] == "io.cartpulse.segment-change.v1"
    assert event["source"] == "/cartpulse/cartpulse"
    assert event.get_data() == json.loads(record.value)


def test_the_package_reads_a_dead_letter_s_bytes_untouched() -> None:
    letter = DeadLetter(
        topic="purchases", partition=0, offset=3, stage="decode", error="json", reason="No JSON."
    )

    event = from_binary_event(KafkaMessage(headers=dict(letter.headers()), key=b"900", value=b"\xff{"))

    assert event.get_type() == "io.cartpulse.dead-letter.v1"
    assert event.get_id() == letter.identity
    assert event.get_data() == b"\xff{"


def test_no_header_stands_twice() -> None:
    letter = DeadLetter(
        topic="purchases", partition=0, offset=3, stage="apply", error="apply", reason="Raised."
    )

    for headers in (output(an_alert()).headers, output(a_change()).headers, letter.headers()):
        assert len({name for name, _ in headers}) == len(headers)


def test_a_time_of_another_offset_is_written_in_utc() -> None:
    at = datetime(2017, 3, 6, 6, 30, tzinfo=timezone(-timedelta(hours=5)))

    headers = dict(cloudevents.headers(type_="t", identity="1", source="/s", time=at))

    assert headers["ce_time"] == b"2017-03-06T11:30:00Z"
    assert datetime.fromisoformat(headers["ce_time"].decode()) == at.astimezone(UTC)


def test_an_unknown_time_is_left_out() -> None:
    assert "ce_time" not in dict(cloudevents.headers(type_="t", identity="1", source="/s", time=None))
