"""CloudEvents 1.0 attributes as Kafka headers, in the binary mode of the Kafka protocol binding.

References:
    CloudEvents 1.0.2, Kafka Protocol Binding, section 3.2 (binary content mode).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from models.contracts.timestamps import text_of

if TYPE_CHECKING:
    from datetime import datetime

Headers = tuple[tuple[str, bytes], ...]

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"


def source_of(application: str) -> str:
    """Return the `ce_source` of an application. Two applications never share a source.

    >>> source_of("cartpulse")
    '/cartpulse/cartpulse'
    """
    return "/cartpulse/" + quote(application, safe="")


SOURCE: Final = source_of("cartpulse")
"""`ce_source` of an application with the default name."""


def headers(
    *, type_: str, identity: str, source: str, time: datetime | None, content_type: str = JSON
) -> Headers:
    """Build the headers of one event.

    Args:
        type_: `ce_type`, which names the contract and its version.
        identity: `ce_id`. Equal ids of one source mean the same event.
        source: `ce_source`, a URI reference.
        time: `ce_time`, with a time zone; None leaves the attribute out, for an unknown time.
        content_type: Media type of the record's value.
    """
    attributes = (*shared(type_, source, content_type), ("ce_id", identity.encode()))
    return attributes if time is None else (*attributes, ("ce_time", text_of(time).encode()))


@lru_cache(maxsize=64)
def shared(type_: str, source: str, content_type: str) -> Headers:
    """Return the headers that all events of a kind share."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", type_.encode()),
        ("ce_source", source.encode()),
        ("content-type", content_type.encode()),
    )
