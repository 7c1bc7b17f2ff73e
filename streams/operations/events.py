"""Output events as a reader of the topics sees them: decoded as far as possible, and filtered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from models.contracts.events import DEAD_LETTER_TYPE


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """Record of an output topic, decoded as far as possible."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    raw: bytes
    value: dict[str, Any] | None
    """Event; None for a dead letter, whose value is no event, and where the value is no JSON object."""

    @classmethod
    def of(cls, record: Any) -> Self:
        """Decode an aiokafka record."""
        headers = {name: content.decode(errors="backslashreplace") for name, content in record.headers}
        raw = record.value or b""
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=None if record.key is None else record.key.decode(errors="backslashreplace"),
            headers=headers,
            raw=raw,
            value=None if headers.get("ce_type") == DEAD_LETTER_TYPE else _object(raw),
        )

    @property
    def kind(self) -> str:
        """Short type, `replenishment-alert` of `io.cartpulse.replenishment-alert.v1`; empty without one."""
        name = self.headers.get("ce_type", "")
        return name.removeprefix("io.cartpulse.").rpartition(".v")[0] or name

    def as_json(self) -> str:
        """Return one JSON line for programs: place, key, headers and value.

        A value that is no JSON becomes text.
        """
        value = self.value if self.value is not None else self.raw.decode(errors="backslashreplace")
        told = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": self.key,
            "headers": self.headers,
            "value": value,
        }
        return json.dumps(told)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of events. An event is shown if it passes every filter that is not empty."""

    customers: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    """Segments; an event passes if one of them is its old or its new segment."""
    kinds: frozenset[str] = frozenset()
    """Event types, in full or short, and states of alerts."""

    def __contains__(self, seen: OutputEvent) -> bool:
        value = seen.value or {}
        customers = _texts(value.get("customer_id"), seen.key)
        segments = _texts(*(value.get(name) for name in ("from", "to", "segment")))
        kinds = _texts(seen.kind, seen.headers.get("ce_type"), value.get("state"))
        return (
            (not self.customers or not self.customers.isdisjoint(customers))
            and (not self.segments or not self.segments.isdisjoint(segments))
            and (not self.kinds or not self.kinds.isdisjoint(kinds))
        )


def printable(text: str) -> str:
    r"""Escape every character that is not printable. Data must not control a terminal.

    >>> printable("Zoë\x1b[2J")
    'Zoë\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", errors="surrogatepass").decode("ascii")


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _texts(*values: object) -> set[str]:
    return {value for value in values if isinstance(value, str)}
