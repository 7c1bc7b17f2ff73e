"""Wrappings in which events arrive by mistake, and what the sender has to do about each."""

from __future__ import annotations

from typing import Final

_MARKS: Final = {
    b"\xef\xbb\xbf": "It begins with a byte order mark: write UTF-8 without one.",
    b"\xff\xfe": "It looks like UTF-16: write UTF-8.",
    b"\x00": "It begins with byte 0, as a schema registry's serializers write: use a plain JSON serializer.",
    b"\x1f\x8b": "It looks like gzip: let the producer compress (`compression.type`), and send JSON.",
}


def mark_of(value: bytes) -> str:
    """Say what the first bytes of a value that is no JSON tell; empty where they tell nothing."""
    return next((said for mark, said in _MARKS.items() if value.startswith(mark)), "")


def wrapping_of(content: object) -> str:
    """Say what a JSON value that is no event seems to be wrapped in; empty where in nothing known."""
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
