"""An output event as one line for people, and whether somebody wants to see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from cartpulse.terminal import moment, printable
from models.contracts.events import DEAD_LETTER_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_BYTES = 80
"""How much is shown of a value that is no event."""
LEAST_TOLD_CHANCE = 0.005
"""Smaller ones round to 0 %."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A record of an output topic, decoded as far as it can be."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    raw: bytes
    value: dict[str, Any] | None
    """The event; None where the value is no JSON object, and of a dead letter, whose value is no event."""

    @classmethod
    def of(cls, record: Any) -> Self:
        """The same of an aiokafka record."""
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
        """`replenishment-alert` of `io.cartpulse.replenishment-alert.v1`; empty where there is no type."""
        name = self.headers.get("ce_type", "")
        return name.removeprefix("io.cartpulse.").rpartition(".v")[0] or name

    def as_json(self) -> str:
        """One line for programs: place, key, headers and value; a value that is no JSON as text."""
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
    """Which events are shown: those that pass every filter that names something."""

    customers: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    """An event passes that names one of them, as the old segment or the new one."""
    kinds: frozenset[str] = frozenset()
    """Types, whole or short, and states of alerts."""

    def __contains__(self, seen: Seen) -> bool:
        value = seen.value or {}
        customers = _texts(value.get("customer_id"), seen.key)
        segments = _texts(*(value.get(name) for name in ("from", "to", "segment")))
        kinds = _texts(seen.kind, seen.headers.get("ce_type"), value.get("state"))
        return (
            (not self.customers or not self.customers.isdisjoint(customers))
            and (not self.segments or not self.segments.isdisjoint(segments))
            and (not self.kinds or not self.kinds.isdisjoint(kinds))
        )


def line(seen: Seen) -> str:
    """The event in one line: when, what, whose, and the rest."""
    value = seen.value or {}
    if seen.kind == "dead-letter" or seen.value is None:
        when, what, rest = "", "dead letter" if seen.kind else seen.topic, _letter(seen)
    else:
        at = value.get("occurred_at")
        when = moment(at if isinstance(at, str) else seen.headers.get("ce_time"))
        what, tell = _KINDS.get(seen.kind, (seen.kind or seen.topic, _fields))
        what = f"{what} {value['state']}" if isinstance(value.get("state"), str) else what
        rest = tell(value)
    whose = seen.key if seen.key is not None else "-"
    return printable(f"{when:<20}  {what:<16}  {whose:<10}  {rest}".strip())


def _alert(value: dict[str, Any]) -> str:
    chance = value.get("probability_7_days")
    # A long lead (CARTPULSE_ALERT_LEAD_DAYS) looks beyond a week, and "0%" would speak against the date.
    known = isinstance(chance, int | float) and chance >= LEAST_TOLD_CHANCE
    soon = f", {chance:.0%} within 7 days" if known else ""
    return f"{value.get('category')}, expected {value.get('best_date')}{soon}"


def _change(value: dict[str, Any]) -> str:
    reasons = value.get("reasons") or [{}]
    return f"{value.get('from') or 'new'} -> {value.get('to')}: {reasons[0].get('text', '')}"


def _items(value: dict[str, Any]) -> str:
    """What a recommendation holds, by name."""
    items = [item for item in value.get("items") or () if isinstance(item, dict)]
    names = [str(item.get("product_name") or item.get("category", "?")) for item in items]
    return f"{len(names)} items: {', '.join(names)}"


def _replayed(value: dict[str, Any]) -> str:
    place = f"{value.get('topic')}[{value.get('partition')}]@{value.get('offset')}"
    return f"letter {value.get('letter_id')} as {place}"


def _fields(value: dict[str, Any]) -> str:
    """Of an event that this release does not know: its own JSON."""
    return json.dumps({name: value[name] for name in value if name not in ("customer_id", "occurred_at")})


def _letter(seen: Seen) -> str:
    told = seen.headers
    if "stage" not in told:
        return seen.raw[:FIRST_BYTES].decode(errors="backslashreplace")
    place = f"{told.get('topic')}[{told.get('partition')}]@{told.get('offset')}"
    field = f" {told['field']}:" if told.get("field") else ""
    return f"{place} {told['stage']}/{told.get('error')}:{field} {told.get('reason')}"


_KINDS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "replenishment-alert": ("alert", _alert),
    "segment-change": ("segment", _change),
    "recommendation": ("recommended", _items),
    "recommendations": ("recommended", _items),
    "dead-letter-replayed": ("replayed", _replayed),
}


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _texts(*values: object) -> set[str]:
    return {value for value in values if isinstance(value, str)}
