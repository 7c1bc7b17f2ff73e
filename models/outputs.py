"""Output events on the hot path: plain values to JSON and headers, without a model in between.

The models of `models.events` are the contract; a test reads every event of a replay with them and finds the
same bytes. Building them here would cost more than all the rest of a basket.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from models import cloudevents
from models.calendar import instant_of
from models.changes import Output
from models.events import (
    RECOMMENDATION_TYPE,
    RECOMMENDATIONS,
    REPLENISHMENT_ALERT_TYPE,
    REPLENISHMENT_ALERTS,
    SEGMENT_CHANGE_TYPE,
    SEGMENT_CHANGES,
)
from models.timestamps import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def output_of(
    contract: Contract,
    customer: bytes,
    identity: str,
    value: Mapping[str, object],
    *,
    occurred_at: int,
    source: str,
) -> Output:
    """The record of an event.

    Args:
        contract: Its topic and type.
        customer: Its key.
        identity: Its `ce_id`.
        value: Its fields in the contract's order, dates and times as text.
        occurred_at: Its event time, ms since 1970 UTC.
        source: The service's `ce_source`.
    """
    return encoded_output(
        contract, customer, identity, _encode(value), occurred_at=occurred_at, source=source
    )


def encoded_output(
    contract: Contract, customer: bytes, identity: str, value: bytes, *, occurred_at: int, source: str
) -> Output:
    """The same of a value that is JSON already."""
    headers = (
        *cloudevents.shared(contract.type_, source, cloudevents.JSON),
        ("ce_id", identity.encode()),
        ("ce_time", time_text(occurred_at).encode()),
    )
    return Output(contract.topic, customer, value, headers, occurred_at)


def as_json(value: str | float | None) -> str:
    """A text or number as JSON has it, for events that are put together from pieces."""
    return _encode(value).decode()


@lru_cache(maxsize=1 << 16)
def quoted(text: str) -> str:
    """The same of a category or product, which come again and again."""
    return as_json(text)
