"""One dead letter, whole."""

from __future__ import annotations

import json
from typing import Any

from cartpulse.commands.outputs.letter_page import as_json, page
from models.contracts.events import DeadLetterReplayed
from streams.operations.dead_letters import Letter
from tests.support.data.letters import WRITTEN, letter

REPLAYED = DeadLetterReplayed(
    letter_id="0" * 32, repaired=True, topic="purchases", partition=1, offset=9, occurred_at=WRITTEN
)


def read(value: bytes | None, **other: Any) -> Letter:
    found = Letter.of(letter(value, **other))
    assert found is not None
    return found


def test_text_is_shown_as_text_line_by_line() -> None:
    shown = page(read(b'{"a": 1,\n "b": "\x1b[2J"}'), None).splitlines()
    assert shown[0].startswith("Dead letter ")
    assert "  source    purchases[2]@41" in shown
    assert "  refused   decode/type at items[0].quantity" in shown
    assert "  written   2017-03-05 11:00:00 UTC, at 2@7" in shown
    assert "  replayed  no" in shown
    assert shown[-2:] == ['{"a": 1,', ' "b": "\\x1b[2J"}']


def test_bytes_that_are_no_text_are_shown_in_hexadecimal() -> None:
    (line,) = page(read(b"\xff\x1bMILK"), None).splitlines()[-1:]
    assert line.split() == ["00000000", "ff", "1b", "4d", "49", "4c", "4b", "..MILK"]
    assert json.loads(as_json(read(b"\xff"), None))["value_hex"] == "ff"


def test_of_a_letter_that_was_cut_the_whole_is_named() -> None:
    shown = page(read(b"xxxx", size=3_000_000, sha256="e" * 64), None)
    assert f"4, the first of 3,000,000; SHA-256 of the whole {'e' * 64}" in shown


def test_a_letter_that_was_sent_back_says_where_to() -> None:
    assert "2017-03-05 11:00:00 UTC, repaired, to purchases[1]@9" in page(read(None), REPLAYED)
    told = json.loads(as_json(read(b"{}"), REPLAYED))
    assert (told["value"], told["replayed"]["offset"], told["field"]) == ("{}", 9, "items[0].quantity")
