"""Output events of the demonstration, as a reader of the topics keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Any

import msgspec

from models.contracts.events import (
    ALERT_CLOSING_TYPE,
    LIST_CLOSING_TYPE,
    REPLENISHMENT_ALERT_TYPE,
    REPLENISHMENT_LIST_TYPE,
)

if TYPE_CHECKING:
    from streams.settings.settings import Settings


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Evidence of an alert, with the fields used here."""

    purchases_seen: int
    typical_interval_days: float
    last_purchase: date


class Alert(msgspec.Struct, frozen=True, gc=False):
    """Raised event of `replenishment-alerts`, with the fields used here."""

    alert_id: str
    customer_id: str
    category: str
    best_date: date
    evidence: Evidence
    occurred_at: datetime


class Closing(msgspec.Struct, frozen=True, gc=False):
    """End of an alert, with the fields used here."""

    alert_id: str
    state: str


class ListClosing(msgspec.Struct, frozen=True, gc=False):
    """End of a replenishment list, with the fields used here."""

    bought: tuple[str, ...]
    not_bought: tuple[str, ...]


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Ground of a segment."""

    text: str


class RecommendedItem(msgspec.Struct, frozen=True, gc=False):
    """Recommended category."""

    category: str


class Recommended(msgspec.Struct, frozen=True, gc=False):
    """Categories recommended to a customer. Small, because a year of recommendations stays in memory."""

    instant: float
    """Event time, seconds since 1970 UTC."""
    categories: tuple[str, ...]
    """Names of categories, the likeliest first; each name is held once in memory."""


class Recommendation(msgspec.Struct, frozen=True, gc=False):
    """Event of `recommendations`, with the fields used here."""

    customer_id: str
    items: tuple[RecommendedItem, ...]
    occurred_at: datetime


class SegmentChange(msgspec.Struct, frozen=True):
    """Event of `segment-changes`, with the fields used here."""

    customer_id: str
    to_segment: str = msgspec.field(name="to")
    from_segment: str | None = msgspec.field(name="from")
    reasons: tuple[Reason, ...]
    cause: str
    occurred_at: datetime


@dataclass
class Received:
    """Outputs read so far. A copy of an event, recognised by its `ce_id`, counts once."""

    alerts: list[Alert] = field(default_factory=list)
    """Raised alerts, in the order of their arrival."""
    closed: dict[str, Closing] = field(default_factory=dict)
    """Alert id -> event that closed the alert."""
    lists: int = 0
    """Replenishment lists raised."""
    listed: int = 0
    """Categories of lists that ended."""
    listed_bought: int = 0
    """Number of those that were bought while their list held."""
    changes: list[SegmentChange] = field(default_factory=list)
    clusters: int = 0
    """Changes of cluster."""
    recommended: dict[str, list[Recommended]] = field(default_factory=dict)
    """Customer -> recommendations, in the order of their arrival."""
    dead_letters: dict[str, int] = field(default_factory=dict)
    """Stage and error, such as `decode/json` -> dead letters."""
    copies: int = 0
    """Events that had arrived before."""
    _names: dict[str, str] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)

    def take(self, settings: Settings, record: Any) -> None:
        """Keep one record of an output topic or of `dead-letters`."""
        headers = dict(record.headers)
        identity = headers.get("ce_id", b"")
        if identity in self._seen:
            self.copies += 1
            return
        self._seen.add(identity)
        if record.topic == settings.dead_letters_topic:
            kind = f"{headers['stage'].decode()}/{headers['error'].decode()}"
            self.dead_letters[kind] = self.dead_letters.get(kind, 0) + 1
        elif record.topic == settings.topic("segment-changes"):
            self.changes.append(_CHANGES.decode(record.value))
        elif record.topic == settings.topic("cluster-changes"):
            self.clusters += 1
        elif record.topic == settings.topic("recommendations"):
            event = _RECOMMENDATIONS.decode(record.value)
            categories = tuple(self._names.setdefault(item.category, item.category) for item in event.items)
            self.recommended.setdefault(event.customer_id, []).append(
                Recommended(event.occurred_at.timestamp(), categories)
            )
        else:
            self._take_replenishment(headers["ce_type"].decode(), record.value)

    def _take_replenishment(self, kind: str, value: bytes) -> None:
        """Keep an alert, a list, or the end of one."""
        if kind == REPLENISHMENT_ALERT_TYPE:
            self.alerts.append(_ALERTS.decode(value))
        elif kind == ALERT_CLOSING_TYPE:
            closing = _CLOSINGS.decode(value)
            self.closed[closing.alert_id] = closing
        elif kind == REPLENISHMENT_LIST_TYPE:
            self.lists += 1
        elif kind == LIST_CLOSING_TYPE:
            ended = _LIST_CLOSINGS.decode(value)
            self.listed += len(ended.bought) + len(ended.not_bought)
            self.listed_bought += len(ended.bought)

    @property
    def recommendations(self) -> int:
        """Number of recommendation events."""
        return sum(map(len, self.recommended.values()))

    def states(self) -> dict[str, int]:
        """Return the number of alerts raised, and the number that ended in each state."""
        ended = dict.fromkeys(("fulfilled", "missed", "withdrawn"), 0)
        for closing in self.closed.values():
            ended[closing.state] += 1
        return {"raised": len(self.alerts), **ended}


_ALERTS = msgspec.json.Decoder(Alert)
_CLOSINGS = msgspec.json.Decoder(Closing)
_LIST_CLOSINGS = msgspec.json.Decoder(ListClosing)
_RECOMMENDATIONS = msgspec.json.Decoder(Recommendation)
_CHANGES = msgspec.json.Decoder(SegmentChange)
