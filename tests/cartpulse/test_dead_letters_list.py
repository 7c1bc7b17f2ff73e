"""A dead letter is shown with its place, the reason and its first bytes, whatever bytes they are."""

from __future__ import annotations

from types import SimpleNamespace

from cartpulse.dead_letters import FIRST_BYTES, describe, sentence


def letter(value: bytes, key: bytes | None = b"900") -> SimpleNamespace:
    headers = {
        "topic": "purchases",
        "partition": "2",
        "offset": "41",
        "stage": "decode",
        "error": "type",
        "field": "items[0].quantity",
        "reason": "must be a number",
    }
    return SimpleNamespace(
        key=key, value=value, headers=[(name, text.encode()) for name, text in headers.items()]
    )


def test_a_letter_is_described_by_its_headers() -> None:
    assert describe(letter(b'{"quantity": "3"}')) == {
        "topic": "purchases",
        "partition": 2,
        "offset": 41,
        "key": "900",
        "stage": "decode",
        "error": "type",
        "field": "items[0].quantity",
        "reason": "must be a number",
        "bytes": 17,
        "first_bytes": '{"quantity": "3"}',
    }


def test_bytes_that_are_no_text_are_shown_too() -> None:
    described = describe(letter(b"\xff\x00" + b"x" * 1000, key=b"\xfe"))
    assert described["bytes"] == 1002
    assert described["first_bytes"].startswith("\\xff\x00x")
    assert len(described["first_bytes"]) == FIRST_BYTES + 3
    assert described["key"] == "\\xfe"


def test_for_people_a_letter_is_two_lines() -> None:
    assert sentence(describe(letter(b"{}"))) == (
        "purchases[2]@41  decode/type: items[0].quantity: must be a number\n    {}"
    )
