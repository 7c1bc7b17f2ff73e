"""Two Kafka requests that aiokafka does not make: the release of a broker, and the rights of our login.

Both are ordinary requests over aiokafka's own connection, in the format of the Kafka protocol guide. The
answer to `ApiVersions` 3 names the features that a broker supports. The answer to `Metadata` 8 holds the
operations that the login may do on each topic. A broker without these versions is not asked.
"""

from __future__ import annotations

from enum import IntEnum
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.client import AIOKafkaClient

METADATA_VERSION: Final = "metadata.version"
"""Feature whose highest level identifies the release of a broker of Apache Kafka in KRaft mode."""

RELEASES: Final = ((34, "4.5 or later"), (31, "4.4"), (30, "4.3"), (28, "4.2"), (26, "4.1"), (22, "4.0"))
"""Pairs of the lowest level of `metadata.version` and the release of Apache Kafka that supports it."""

_SUPPORTED_FEATURES: Final = 0
"""Tag of the answer's field that lists the supported features."""

_UNKNOWN: Final = -(1 << 31)
"""Value in the answer of a broker that does not report operations."""


class Operation(IntEnum):
    """Operations of a login on a topic, by the number of their bit."""

    READ = 3
    WRITE = 4
    DESCRIBE_CONFIGS = 10


class _FeaturesResponse(Response):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_versions",
            CompactArray(
                ("api_key", Int16), ("min_version", Int16), ("max_version", Int16), ("tags", TaggedFields)
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _FeaturesStruct(RequestStruct):  # type: ignore[misc] # aiokafka has no types
    # The answer to this request has the old header format, although the request has the new one. So the new
    # header's tags are put before the request's fields here.
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = _FeaturesResponse
    SCHEMA = Schema(
        ("header_tags", TaggedFields),
        ("client_software_name", CompactString("utf-8")),
        ("client_software_version", CompactString("utf-8")),
        ("tags", TaggedFields),
    )


class _Features(Request[_FeaturesStruct]):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 18

    def build(self, request_struct_class: type[_FeaturesStruct]) -> _FeaturesStruct:
        return request_struct_class({}, "cartpulse", "1", {})


_FEATURE = Schema(("name", CompactString("utf-8")), ("min", Int16), ("max", Int16), ("tags", TaggedFields))


ASKED: Final = (False, False, True)
"""Request flags: make no topic, report no rights on the cluster, and report the rights on each topic."""


class _RightsResponse(Response):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _RightsStruct(RequestStruct):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _RightsResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Rights(Request[_RightsStruct]):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_RightsStruct]) -> _RightsStruct:
        return request_struct_class(self._topics, *ASKED)


async def metadata_level(client: AIOKafkaClient, node: int) -> int | None:
    """Return the highest level of `metadata.version` that a broker supports; None if it reports none.

    Args:
        client: Bootstrapped client.
        node: Id of the broker.

    Raises:
        KafkaError: The broker does not answer.
    """
    try:
        answer = await client.send(node, _Features())
    except NotImplementedError:  # the broker does not support this version of the request
        return None
    return dict(_supported(answer.tags.get(_SUPPORTED_FEATURES, b""))).get(METADATA_VERSION)


def _supported(field: bytes) -> list[tuple[str, int]]:
    if not field:
        return []
    features: Any = CompactArray(_FEATURE).decode(BytesIO(field))
    return [(name, highest) for name, _, highest, _ in features]


def release_of(level: int | None) -> str | None:
    """Return the release of Apache Kafka that supports `metadata.version` up to a level; None for older ones.

    >>> release_of(29), release_of(30)
    ('4.2', '4.3')
    """
    return next((release for first, release in RELEASES if level is not None and level >= first), None)


async def operations(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, set[Operation] | None]:
    """Return the login's operations on each existing topic; None where the broker does not report them.

    Raises:
        KafkaError: The broker does not answer.
    """
    try:
        answer = await client.send(client.get_random_node(), _Rights(topics))
    except NotImplementedError:  # the broker does not support this version of the request
        return dict.fromkeys(topics)
    return {
        name: None if allowed == _UNKNOWN else {each for each in Operation if allowed >> each & 1}
        for error, name, _, _, allowed in answer.topics
        if not error
    }
