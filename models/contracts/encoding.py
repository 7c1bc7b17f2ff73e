"""Encoding of output events on the hot path: plain values to JSON and headers, without a model in between.

The models of `models.contracts.events` are the contract. A test reads every event of a replay with them and
finds the same bytes. Building models here would cost more than the rest of a basket.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from models.contracts import cloudevents
from models.contracts.event_block import EventBlock
from models.contracts.events import (
    ALERT_CLOSING_TYPE,
    CLUSTER_CHANGE_TYPE,
    CLUSTER_CHANGES,
    LAPSED_HABIT_TYPE,
    LIST_CLOSING_TYPE,
    RECOMMENDATION_TYPE,
    RECOMMENDATIONS,
    REPLENISHMENT_ALERT_TYPE,
    REPLENISHMENT_ALERTS,
    REPLENISHMENT_LIST_TYPE,
    SEGMENT_CHANGE_TYPE,
    SEGMENT_CHANGES,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_encode = msgspec.json.Encoder().encode


class Contract(NamedTuple):
    """Topic and type of an output event."""

    topic: str
    type_: str


ALERT = Contract(REPLENISHMENT_ALERTS, REPLENISHMENT_ALERT_TYPE)
CLOSING = Contract(REPLENISHMENT_ALERTS, ALERT_CLOSING_TYPE)
LIST = Contract(REPLENISHMENT_ALERTS, REPLENISHMENT_LIST_TYPE)
LIST_CLOSING = Contract(REPLENISHMENT_ALERTS, LIST_CLOSING_TYPE)
LAPSE = Contract(REPLENISHMENT_ALERTS, LAPSED_HABIT_TYPE)
RECOMMENDATION = Contract(RECOMMENDATIONS, RECOMMENDATION_TYPE)
SEGMENT_CHANGE = Contract(SEGMENT_CHANGES, SEGMENT_CHANGE_TYPE)
CLUSTER_CHANGE = Contract(CLUSTER_CHANGES, CLUSTER_CHANGE_TYPE)


def block_of(
    contract: Contract,
    customers: Sequence[bytes],
    identities: Sequence[str],
    values: Sequence[bytes],
    *,
    times: Sequence[int],
    source: str,
) -> EventBlock:
    """Build the block of events of one kind.

    Args:
        contract: Topic and type of the events.
        customers: Customer ids, which are the records' keys.
        identities: `ce_id` of each event.
        values: Fields of each event as JSON, in the contract's order.
        times: Event time of each event, ms since 1970 UTC.
        source: `ce_source` of the service.
    """
    shared = cloudevents.shared(contract.type_, source, cloudevents.JSON)
    return EventBlock(contract.topic, shared, customers, values, identities, times)


def as_json(value: object) -> bytes:
    """Encode a value as JSON."""
    return _encode(value)


def numbers_as_json(values: Sequence[float | None]) -> list[str]:
    """Encode each number as JSON, for events that are assembled from pieces."""
    return _encode(values)[1:-1].decode().split(",") if values else []


def text_as_json(text: str) -> str:
    """Encode a text as JSON, for events that are assembled from pieces."""
    return _encode(text).decode()


@lru_cache(maxsize=1 << 16)
def quoted(text: str) -> str:
    """Encode a category or product name as JSON. Cached, because names repeat.

    Never pass a customer id: an erased id must not survive in this cache.
    """
    return text_as_json(text)
