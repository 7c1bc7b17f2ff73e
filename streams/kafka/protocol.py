"""Two questions that Kafka answers and aiokafka does not ask: which release a broker is, and what we may do.

Both are ordinary requests over aiokafka's own connection, in the format that the Kafka protocol guide gives:
`ApiVersions` 3, whose answer names the features that a broker supports, and `Metadata` 8, whose answer holds
the operations that the login may do on each topic. A broker that does not know them is not asked.
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
"""The feature whose highest level tells the release of a broker of Apache Kafka in KRaft mode."""

RELEASES: Final = ((34, "4.5 or later"), (31, "4.4"), (30, "4.3"), (28, "4.2"), (26, "4.1"), (22, "4.0"))
"""From which level of `metadata.version` a broker supports on it is of which release of Apache Kafka."""

_SUPPORTED_FEATURES: Final = 0
"""Tag of the field of the answer that lists them."""

_UNKNOWN: Final = -(1 << 31)
"""What a broker says that does not tell the operations."""


class Operation(IntEnum):
    """What a login may do with a topic, by the number of its bit."""

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
    # The answer to this one request has the old header, so the tags of the new one of the question are put
    # before its fields here.
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
"""Make no topic, tell nothing of rights on the cluster, and tell those on each topic."""


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
    """The highest level of `metadata.version` that a broker supports; None from one that does not tell.

    Args:
        client: bootstrapped.
        node: the broker's id.

    Raises:
        KafkaError: the broker does not answer.
    """
    try:
        answer = await client.send(node, _Features())
    except NotImplementedError:  # it knows no such version of the question
        return None
    return dict(_supported(answer.tags.get(_SUPPORTED_FEATURES, b""))).get(METADATA_VERSION)


def _supported(field: bytes) -> list[tuple[str, int]]:
    if not field:
        return []
    features: Any = CompactArray(_FEATURE).decode(BytesIO(field))
    return [(name, highest) for name, _, highest, _ in features]


def release_of(level: int | None) -> str | None:
    """The release of Apache Kafka that supports `metadata.version` up to a level; None for older ones.

    >>> release_of(29), release_of(30)
    ('4.2', '4.3')
    """
    return next((release for first, release in RELEASES if level is not None and level >= first), None)


async def operations(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, set[Operation] | None]:
    """What the login may do with each topic that is there; None where the broker does not tell.

    Raises:
        KafkaError: the broker does not answer.
    """
    try:
        answer = await client.send(client.get_random_node(), _Rights(topics))
    except NotImplementedError:
        return dict.fromkeys(topics)
    return {
        name: None if allowed == _UNKNOWN else {each for each in Operation if allowed >> each & 1}
        for error, name, _, _, allowed in answer.topics
        if not error
    }
