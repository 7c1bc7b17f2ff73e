"""Wrappings in which events arrive by mistake, each with advice to the sender."""

from __future__ import annotations

from typing import Final

_MARKS: Final = {
    b"\xef\xbb\xbf": "It begins with a byte order mark: write UTF-8 without one.",
    b"\xff\xfe": "It looks like UTF-16: write UTF-8.",
    b"\x00": "It begins with byte 0, as a schema registry's serializers write: use a plain JSON serializer.",
    b"\x1f\x8b": "It looks like gzip: let the producer compress (`compression.type`), and send JSON.",
}


def mark_of(value: bytes) -> str:
    """Explain the first bytes of a value that is not JSON; empty for unknown bytes."""
    return next((said for mark, said in _MARKS.items() if value.startswith(mark)), "")


def wrapping_of(content: object) -> str:
    """Explain the wrapping of a JSON value that is not an event; empty for an unknown wrapping."""
    if isinstance(content, str):
        return "It is JSON inside of a JSON text: encode the event once."
    if isinstance(content, list):
        return "Send one event a record."
    if isinstance(content, dict):
        if {"specversion", "data"} <= content.keys():
            return "It looks like a CloudEvent in structured mode: send what is in `data` alone."
        if {"before", "after", "op"} <= content.keys():
            return "It looks like a change of a database table: send what is in `after` alone."
        if {"schema", "payload"} == content.keys():
            return "It looks like Kafka Connect's envelope: set value.converter.schemas.enable=false."
    return ""
