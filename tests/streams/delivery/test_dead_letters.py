"""Dead letters: the original bytes, and where they came from."""

from __future__ import annotations

import hashlib

import pytest

from models.contracts.changes import Refusal
from models.contracts.events import DeadLetter
from streams.delivery.dead_letters import KEPT, LARGEST_VALUE, dead_letter
from tests.support.kafka.fake_kafka import Record

REFUSAL = Refusal(7, "decode", "json", "items[3].quantity", "It is no JSON: \udcff.")


def record(value: bytes | None, key: bytes | None = b"\xff900") -> Record:
    return Record("purchases", 3, 7, key, value, (("h", b"1"),), 1_483_271_606_000)


@pytest.mark.parametrize("value", [b"{bad", b"\x00\xff", b"", None, b"x" * LARGEST_VALUE])
def test_key_and_value_are_the_original_bytes(value: bytes | None) -> None:
    letter = dead_letter(record(value), REFUSAL._replace(reason="It is no JSON."), source="/cartpulse/shop")
    assert (letter.key, letter.value) == (b"\xff900", value)


def test_the_headers_say_where_it_came_from_and_why() -> None:
    headers = dead_letter(
        record(b"{bad"), REFUSAL._replace(reason="No JSON."), source="/cartpulse/shop"
    ).headers
    described = DeadLetter.from_headers(headers)
    assert (described.topic, described.partition, described.offset) == ("purchases", 3, 7)
    assert (described.stage, described.error, described.field) == ("decode", "json", "items[3].quantity")
    assert described.reason == "No JSON."
    assert dict(headers)["ce_source"] == b"/cartpulse/shop"


def test_a_second_refusal_of_the_same_record_has_the_same_id() -> None:
    letters = [dead_letter(record(b"{bad"), REFUSAL._replace(reason="x"), source="/a") for _ in range(2)]
    assert letters[0] == letters[1]


def test_a_value_beyond_twice_the_message_size_is_cut_and_its_hash_is_kept() -> None:
    value = bytes(range(256)) * (LARGEST_VALUE // 256) + b"!"
    letter = dead_letter(record(value), REFUSAL._replace(reason="Too large."), source="/a")
    described = DeadLetter.from_headers(letter.headers)
    assert letter.value == value[:KEPT]
    assert described.size == len(value)
    assert described.sha256 == hashlib.sha256(value).hexdigest()


def test_a_key_beyond_all_measure_is_cut() -> None:
    letter = dead_letter(record(b"{bad", key=b"k" * 20_000_000), REFUSAL._replace(reason="x"), source="/a")
    assert letter.key == b"k" * KEPT
    assert letter.value == b"{bad"


def test_a_reason_that_quotes_broken_text_is_written_all_the_same() -> None:
    letter = dead_letter(record(b"{bad"), REFUSAL, source="/a")
    assert dict(letter.headers)["reason"].startswith(b"It is no JSON")
