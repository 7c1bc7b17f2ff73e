"""Dead letters for tests, as records of their topic."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

from models.contracts.events import DeadLetter

WRITTEN = datetime(2017, 3, 5, 11, tzinfo=UTC)


def told(offset: int = 41, **other: object) -> DeadLetter:
    """What is said of a record that had a number in quotes."""
    fields = {
        "topic": "purchases",
        "partition": 2,
        "offset": offset,
        "stage": "decode",
        "error": "type",
        "field": "items[0].quantity",
        "reason": "must be a number",
    }
    return DeadLetter.model_validate(fields | other)


def letter(value: bytes | None, key: bytes | None = b"900", **other: object) -> SimpleNamespace:
    """A record of the dead letters' topic."""
    return SimpleNamespace(
        key=key,
        value=value,
        headers=told(**other).headers(),  # type: ignore[arg-type]
        partition=2,
        offset=7,
        timestamp=int(WRITTEN.timestamp() * 1000),
    )
