"""Dead letters: records for `dead-letters`, one for each refused record."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from models.contracts.changes import Refusal
from models.contracts.events import DeadLetter
from streams.kafka.log.batches import BrokenBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH: Final = "batch"
"""Error code of a dead letter that holds a whole record batch."""

LARGEST_VALUE = 2 * 1024 * 1024
"""Largest value, in bytes, that is kept whole: twice the limit for an event of the contract. A larger value
is cut, so that the letter fits the topic."""

KEPT = 64 * 1024
"""Bytes kept of a larger value, beside its size and SHA-256; the letter's position says where the whole value
can be read. The same limit holds for a key: a customer id has at most 256 bytes, and a compressed record with
megabytes of key would fit no topic."""


class LetterRecord(NamedTuple):
    """Record for `dead-letters`."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int


def dead_letter(raw: Any, refusal: Refusal, *, source: str) -> LetterRecord:
    """Make a dead letter: key and value are the original bytes; the origin and the reason are in the headers.

    Args:
        raw: Record as aiokafka's consumer returned it.
        refusal: Reason for the refusal.
        source: CloudEvents source (`ce_source`) of the application.
    """
    value = raw.value
    broken = isinstance(raw, BrokenBatch)
    cut = value is not None and len(value) > LARGEST_VALUE
    described = DeadLetter(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.first_offset if broken else raw.offset,
        last_offset=raw.offset if broken else None,
        stage=cast("Literal['decode', 'time', 'duplicate', 'apply']", refusal.stage),
        error=refusal.error,
        field=_encodable(refusal.field),
        reason=_encodable(refusal.reason),
        size=len(value) if cut else None,
        sha256=hashlib.sha256(value).hexdigest() if cut else None,
    )
    key = raw.key if raw.key is None else raw.key[:KEPT]
    return LetterRecord(key, value[:KEPT] if cut else value, described.headers(source=source), raw.timestamp)


def refusal_of(broken: BrokenBatch) -> Refusal:
    """Refuse a whole batch, by its last offset: that offset says how far the source is accounted for."""
    count = broken.offset - broken.first_offset + 1
    reason = (
        f"The record batch of {count} offset{'s' if count > 1 else ''}, {broken.first_offset} to "
        f"{broken.offset}, cannot be decoded: {broken.reason}. Send what it held again."
    )
    return Refusal(broken.offset, "decode", BATCH, "", reason)


def _encodable(text: str) -> str:
    """Return the text with lone surrogates replaced; a message may quote them from broken input."""
    return text.encode(errors="replace").decode()
