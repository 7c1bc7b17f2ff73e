"""Output events on the hot path: plain values to JSON and headers, without a model in between.

The models of `models.contracts.events` are the contract; a test reads every event of a replay with them and
finds the same bytes. Building them here would cost more than all the rest of a basket.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from models.contracts import cloudevents
from models.contracts.changes import Output
from models.contracts.events import (
    RECOMMENDATION_TYPE,
    RECOMMENDATIONS,
    REPLENISHMENT_ALERT_TYPE,
    REPLENISHMENT_ALERTS,
    SEGMENT_CHANGE_TYPE,
    SEGMENT_CHANGES,
)
from models.contracts.timestamps import instant_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_encode = msgspec.json.Encoder().encode


class Contract(NamedTuple):
    """Where an event goes and what it is called."""

    topic: str
    type_: str


ALERT = Contract(REPLENISHMENT_ALERTS, REPLENISHMENT_ALERT_TYPE)
RECOMMENDATION = Contract(RECOMMENDATIONS, RECOMMENDATION_TYPE)
SEGMENT_CHANGE = Contract(SEGMENT_CHANGES, SEGMENT_CHANGE_TYPE)


@lru_cache(maxsize=1024)
def time_text(milliseconds: int) -> str:
    """An instant (ms since 1970 UTC) as events write it.

    >>> time_text(1_488_711_600_000)
    '2017-03-05T11:00:00Z'
    """
    return text_of(instant_of(milliseconds))


def outputs_of(
    contract: Contract,
    customers: Iterable[bytes],
    identities: Iterable[str],
    values: Iterable[bytes],
    *,
    times: Iterable[int],
    source: str,
) -> list[Output]:
    """The records of events.

    Args:
        contract: Their topic and type.
        customers: Their keys.
        identities: Their `ce_id`s.
        values: Their fields in the contract's order, as JSON.
        times: Their event times, ms since 1970 UTC.
        source: The service's `ce_source`.
    """
    topic, shared = contract.topic, cloudevents.shared(contract.type_, source, cloudevents.JSON)
    return [
        Output(
            topic,
            customer,
            value,
            (*shared, ("ce_id", identity.encode()), ("ce_time", time_text(at).encode())),
            at,
        )
        for customer, identity, value, at in zip(customers, identities, values, times, strict=True)
    ]


def as_json(value: object) -> bytes:
    """A value as JSON has it."""
    return _encode(value)


def numbers_as_json(values: Sequence[float | None]) -> list[str]:
    """Each number as JSON has it, for events that are put together from pieces."""
    return _encode(values)[1:-1].decode().split(",") if values else []


def text_as_json(text: str) -> str:
    """A text as JSON has it, for the same."""
    return _encode(text).decode()


@lru_cache(maxsize=1 << 16)
def quoted(text: str) -> str:
    """The same of a category or product, which come again and again; a customer may be erased."""
    return text_as_json(text)
