"""Documents of the contracts: one JSON Schema per contract, and one AsyncAPI 3 document of all channels.

The documents are generated from the models and committed under `docs/contracts/`. `make docs`
writes them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from models.contracts import cloudevents
from models.contracts.events import (
    ALERT_CLOSING_TYPE,
    CLUSTER_CHANGE_TYPE,
    CLUSTER_CHANGES,
    DEAD_LETTER_REPLAYED_TYPE,
    DEAD_LETTER_TYPE,
    DEAD_LETTERS,
    EXPOSURES,
    LAPSED_HABIT_TYPE,
    LIST_CLOSING_TYPE,
    PURCHASES,
    RECOMMENDATION_TYPE,
    RECOMMENDATIONS,
    REPLENISHMENT_ALERT_TYPE,
    REPLENISHMENT_ALERTS,
    REPLENISHMENT_LIST_TYPE,
    SEGMENT_CHANGE_TYPE,
    SEGMENT_CHANGES,
    AlertClosing,
    CatalogueUpdate,
    ClusterChange,
    DeadLetter,
    DeadLetterReplayed,
    Erasure,
    LapsedHabit,
    ListClosing,
    Purchase,
    Recommendation,
    ReplenishmentAlert,
    ReplenishmentList,
    SegmentChange,
    Signal,
)

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode

VERSION: Final = "1.0.0"
"""Version of all contracts together. The minor number grows with each added field."""
ASYNCAPI: Final = "asyncapi.json"
_KAFKA_BINDING: Final = "0.5.0"


class _Schema(GenerateJsonSchema):
    """Schema generator that gives titles to models only: titles of fields would repeat their names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's hook
        return False


class _Message(NamedTuple):
    """Kind of record in a channel."""

    name: str
    """Name of the message, and of its file before the version."""
    model: type[BaseModel]
    mode: JsonSchemaMode
    channel: str
    type: str | None = None
    """`ce_type`; None for input, which needs no headers."""

    @property
    def is_output(self) -> bool:
        """True if the message is about a customer, and is therefore withheld for hold-out customers."""
        return self.type is not None and self.channel != DEAD_LETTERS

    @property
    def file(self) -> str:
        return f"{self.name}.v1.json"


_MESSAGES: Final = (
    _Message("purchase", Purchase, "validation", PURCHASES),
    _Message("signal", Signal, "validation", PURCHASES),
    _Message("erasure", Erasure, "validation", PURCHASES),
    _Message("catalogue-update", CatalogueUpdate, "validation", PURCHASES),
    _Message(
        "replenishment-alert",
        ReplenishmentAlert,
        "serialization",
        REPLENISHMENT_ALERTS,
        REPLENISHMENT_ALERT_TYPE,
    ),
    _Message("alert-closing", AlertClosing, "serialization", REPLENISHMENT_ALERTS, ALERT_CLOSING_TYPE),
    _Message(
        "replenishment-list",
        ReplenishmentList,
        "serialization",
        REPLENISHMENT_ALERTS,
        REPLENISHMENT_LIST_TYPE,
    ),
    _Message("list-closing", ListClosing, "serialization", REPLENISHMENT_ALERTS, LIST_CLOSING_TYPE),
    _Message("lapsed-habit", LapsedHabit, "serialization", REPLENISHMENT_ALERTS, LAPSED_HABIT_TYPE),
    _Message("recommendation", Recommendation, "serialization", RECOMMENDATIONS, RECOMMENDATION_TYPE),
    _Message("segment-change", SegmentChange, "serialization", SEGMENT_CHANGES, SEGMENT_CHANGE_TYPE),
    _Message("cluster-change", ClusterChange, "serialization", CLUSTER_CHANGES, CLUSTER_CHANGE_TYPE),
    _Message("dead-letter", DeadLetter, "serialization", DEAD_LETTERS, DEAD_LETTER_TYPE),
    _Message(
        "dead-letter-replayed",
        DeadLetterReplayed,
        "serialization",
        DEAD_LETTERS,
        DEAD_LETTER_REPLAYED_TYPE,
    ),
)
_CHANNELS: Final[dict[str, tuple[Literal["receive", "send"], str]]] = {
    PURCHASES: ("receive", "Baskets in, and the records that the service writes for itself."),
    REPLENISHMENT_ALERTS: ("send", "Who is about to need what, and how it ended."),
    RECOMMENDATIONS: ("send", "What a customer is likely to buy on the next trip, and why."),
    SEGMENT_CHANGES: ("send", "Who moved from one segment to another, and why."),
    CLUSTER_CHANGES: ("send", "Who shops in another way than before, and how."),
    EXPOSURES: (
        "send",
        "All outputs of the customers held out, as they would have gone to their own topics.",
    ),
    DEAD_LETTERS: (
        "send",
        "What was refused: the original bytes; where from and why, in the headers. And what was sent back.",
    ),
}


def documents() -> dict[str, str]:
    """Return the text of every document by file name."""
    contents: dict[str, Any] = {message.file: _json_schema(message) for message in _MESSAGES}
    contents[ASYNCAPI] = _asyncapi()
    return {
        name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in contents.items()
    }


def _json_schema(message: _Message) -> dict[str, Any]:
    if message.model is DeadLetter:
        about = {
            "title": DeadLetter.__name__,
            "description": f"The headers of a record of {DEAD_LETTERS}, as texts.",
        }
        schema = about | _headers(DEAD_LETTER_TYPE, cloudevents.BYTES, DeadLetter)
    else:
        schema = message.model.model_json_schema(mode=message.mode, schema_generator=_Schema)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:cartpulse:{message.name}:v1",
        **schema,
    }


def _asyncapi() -> dict[str, Any]:
    _, shared = models_json_schema(
        [(message.model, message.mode) for message in _MESSAGES if message.model is not DeadLetter],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schema,
    )
    return {
        "asyncapi": "3.0.0",
        "id": "urn:cartpulse",
        "info": {
            "title": "Cartpulse",
            "version": VERSION,
            "description": "Purchases go in; replenishment alerts, recommendations, segment and cluster "
            "changes come out. "
            "Topic names may carry a prefix; every topic has as many partitions as purchases, "
            "and the record's key is the customer id in UTF-8.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": cloudevents.JSON,
        "channels": {name: _channel(name, about) for name, (_, about) in _CHANNELS.items()},
        "operations": {
            f"{action}-{name}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": about,
            }
            for name, (action, about) in _CHANNELS.items()
        },
        "components": {
            "messages": {message.name: _message(message) for message in _MESSAGES},
            "schemas": shared["$defs"],
        },
    }


def _channel(name: str, about: str) -> dict[str, Any]:
    return {
        "address": name,
        "description": about,
        "messages": {
            message.name: {"$ref": f"#/components/messages/{message.name}"}
            for message in _MESSAGES
            if message.channel == name or (name == EXPOSURES and message.is_output)
        },
        "bindings": {"kafka": {"topic": name, "bindingVersion": _KAFKA_BINDING}},
    }


def _message(message: _Message) -> dict[str, Any]:
    dead = message.model is DeadLetter
    model = {"$ref": f"#/components/schemas/{message.model.__name__}"}
    about: dict[str, Any] = {
        "name": message.name,
        "title": message.model.__name__,
        "summary": (message.model.__doc__ or "").partition("\n")[0],
        "contentType": cloudevents.BYTES if dead else cloudevents.JSON,
        "payload": {"description": "The original bytes, untouched."} if dead else model,
    }
    if message.type is not None:
        about["headers"] = _headers(message.type, about["contentType"], DeadLetter if dead else None)
    key = "The key of the source record." if message.channel == DEAD_LETTERS else "The customer id in UTF-8."
    if message.model not in (Signal, Erasure, CatalogueUpdate):
        about["bindings"] = {
            "kafka": {"key": {"type": "string", "description": key}, "bindingVersion": _KAFKA_BINDING}
        }
    return about


def _headers(type_: str, content_type: str, model: type[BaseModel] | None) -> dict[str, Any]:
    """Describe a message's headers. All headers are texts in UTF-8, numbers too."""
    texts: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "Copies of an event share it.",
        },
        "ce_type": {"type": "string", "const": type_},
        "ce_source": {"type": "string", "format": "uri-reference", "description": "/cartpulse/<application>"},
        "content-type": {"type": "string", "const": content_type},
    }
    if model is None:
        texts["ce_time"] = {"type": "string", "format": "date-time", "description": "Event time, in UTC."}
        return {"type": "object", "properties": texts, "required": list(texts)}
    required = list(texts)
    for name, field in model.model_fields.items():
        texts[name] = {"type": "string", "description": field.description}
        if field.default is not None:
            required.append(name)
    return {"type": "object", "properties": texts, "required": required}
