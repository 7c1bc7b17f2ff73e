"""Dead letters as they are read, chosen and listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from cartpulse.commands.outputs.dead_letters import FIRST_BYTES, describe, sentence
from models.contracts.events import dead_letter_id
from streams.operations.dead_letters import Letter, Selection, instant
from tests.support.data.letters import WRITTEN, letter

IDENTITY = dead_letter_id("purchases", 2, 41)


def read(value: bytes, key: bytes | None = b"900", **other: object) -> Letter:
    found = Letter.of(letter(value, key, **other))
    assert found is not None
    return found


def test_a_letter_is_described_by_its_headers() -> None:
    assert describe(read(b'{"quantity": "3"}')) == {
        "id": IDENTITY,
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
    described = describe(read(b"\xff\x00" + b"x" * 1000, key=b"\xfe"))
    assert described["bytes"] == 1002
    assert described["first_bytes"].startswith("\\xff\x00x")
    assert len(described["first_bytes"]) == FIRST_BYTES + 3
    assert described["key"] == "\\xfe"


def test_for_people_a_letter_is_two_lines_that_cannot_steer_a_terminal() -> None:
    assert sentence(describe(read(b"{\x1b[2J\n}"))) == (
        f"{IDENTITY}  purchases[2]@41  decode/type: items[0].quantity: must be a number\n    {{\\x1b[2J\\n}}"
    )


def test_a_record_that_is_no_letter_is_none() -> None:
    assert Letter.of(SimpleNamespace(headers=[("stage", b"decode")])) is None


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(), True),
        (Selection(ids=frozenset({IDENTITY[:6], "x"})), True),
        (Selection(ids=frozenset({"x"})), False),
        (Selection(errors=frozenset({"type", "json"})), True),
        (Selection(errors=frozenset({"json"})), False),
        (Selection(stages=frozenset({"decode"}), since=WRITTEN), True),
        (Selection(stages=frozenset({"time"})), False),
        (Selection(since=WRITTEN + timedelta(seconds=1)), False),
    ],
)
def test_a_letter_is_chosen_that_passes_every_filter(selection: Selection, chosen: bool) -> None:  # noqa: FBT001
    assert (read(b"{}") in selection) is chosen


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("12h", datetime(2017, 3, 4, 23, tzinfo=UTC)),
        ("7d", datetime(2017, 2, 26, 11, tzinfo=UTC)),
        ("2017-03-05", datetime(2017, 3, 5, tzinfo=UTC)),
        ("2017-03-05T12:00:00+02:00", datetime(2017, 3, 5, 10, tzinfo=UTC)),
    ],
)
def test_since_is_a_time_or_an_age(text: str, at: datetime) -> None:
    assert instant(text, WRITTEN) == at


def test_since_is_not_before_all_time() -> None:
    with pytest.raises(ValueError, match="before all time"):
        instant("999999d", WRITTEN)


@pytest.mark.parametrize("text", ["yesterday", "h", "12 h", ""])
def test_since_is_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="neither a time"):
        instant(text, WRITTEN)
