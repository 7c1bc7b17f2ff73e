"""The documents made from the models, and samples of version 1 that must be understood for ever."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from models.contracts import documents as contracts
from models.contracts.events import (
    ALERT_CLOSING_TYPE,
    DEAD_LETTER_REPLAYED_TYPE,
    DEAD_LETTER_TYPE,
    OUTPUT_EVENTS,
    RECOMMENDATION_TYPE,
    REPLENISHMENT_ALERT_TYPE,
    SEGMENT_CHANGE_TYPE,
    DeadLetter,
    DeadLetterReplayed,
    Purchase,
    alert_id,
    output,
)
from models.contracts.purchases import CatalogueUpdate, ContractError, Erasure, ErrorCode, Signal, read
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from tests.support.data.malformed import REFUSED, mutated_baskets
from tests.support.paths import ROOT

COMMITTED = ROOT / "docs" / "contracts"
SAMPLES = ROOT / "tests" / "samples" / "v1"
DECODER = Decoder(LedgerSettings.model_validate({}))


MODELS = {
    type_.removeprefix("io.cartpulse.").removesuffix(".v1"): model
    for model, (_, type_) in OUTPUT_EVENTS.items()
}


@cache
def validator(name: str) -> Draft202012Validator:
    """The committed schema's: what a stranger would check with."""
    schema = json.loads((COMMITTED / f"{name}.v1.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def sample(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def names(prefix: str) -> list[str]:
    return sorted(path.stem for path in SAMPLES.glob(f"{prefix}*.json"))


@pytest.mark.parametrize("name", [name for name in contracts.documents() if name != contracts.ASYNCAPI])
def test_every_schema_is_one_of_draft_2020_12_and_says_what_each_field_is(name: str) -> None:
    schema = json.loads(contracts.documents()[name])

    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:cartpulse:{name.removesuffix('.v1.json')}:v1"
    for model in (schema, *schema.get("$defs", {}).values()):
        for field, about in model["properties"].items():
            described = "description" in about or "$ref" in about or "const" in about
            assert described, f"{name}: {field} has no description"


def test_the_page_for_people_lists_every_error_code_and_every_type() -> None:
    page = (COMMITTED.parent / "contracts.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `([a-z-]+)` \| (?:is|has|lacks) ", page, flags=re.MULTILINE)
    assert rows == [code.value for code in ErrorCode]
    types = (
        REPLENISHMENT_ALERT_TYPE,
        ALERT_CLOSING_TYPE,
        RECOMMENDATION_TYPE,
        SEGMENT_CHANGE_TYPE,
        DEAD_LETTER_TYPE,
        DEAD_LETTER_REPLAYED_TYPE,
    )
    for type_ in types:
        assert f"| `{type_}` |" in page


def test_the_example_on_the_page_for_people_is_a_purchase() -> None:
    page = (COMMITTED.parent / "contracts.md").read_text(encoding="utf-8")
    example = page.partition("```json\n")[2].partition("```")[0]

    assert isinstance(read(example.encode()), Purchase)


def references(content: object) -> list[str]:
    if isinstance(content, dict):
        own = [content["$ref"]] if isinstance(content.get("$ref"), str) else []
        return own + [one for inner in content.values() for one in references(inner)]
    if isinstance(content, list):
        return [one for inner in content for one in references(inner)]
    return []


def test_the_asyncapi_document_follows_the_rules_of_version_3() -> None:
    document = json.loads(contracts.documents()[contracts.ASYNCAPI])

    assert document["asyncapi"] == "3.0.0"
    assert set(document) <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"
    }  # fmt: skip
    assert {"title", "version"} <= set(document["info"])
    for channel in document["channels"].values():
        assert set(channel) <= {"address", "messages", "title", "summary", "description", "bindings"}
        for reference in references(channel["messages"]):
            assert reference.startswith("#/components/messages/")
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
    for message in document["components"]["messages"].values():
        assert set(message) <= {"name", "title", "summary", "contentType", "headers", "payload", "bindings"}
        assert message.get("headers", {"type": "object"})["type"] == "object"


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads(contracts.documents()[contracts.ASYNCAPI])

    found = references(document)
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_asyncapi_document_names_every_topic_and_what_it_is_read_or_written_for() -> None:
    document = json.loads(contracts.documents()[contracts.ASYNCAPI])

    actions = {
        one["channel"]["$ref"].split("/")[-1]: one["action"] for one in document["operations"].values()
    }
    assert actions == {
        "purchases": "receive",
        "replenishment-alerts": "send",
        "recommendations": "send",
        "segment-changes": "send",
        "cluster-changes": "send",
        "exposures": "send",
        "dead-letters": "send",
    }


@pytest.mark.parametrize("name", [*names("purchase"), *names("return")])
def test_a_purchase_of_version_1_decodes_for_ever(name: str) -> None:
    content = sample(name)
    value = json.dumps(content).encode()

    record = read(value)
    records, refusals = DECODER.decode([Raw(0, value, -1)])

    assert isinstance(record, Purchase)
    assert refusals == []
    assert (records.event_ids, records.customers) == (
        [content["event_id"]],
        [content["customer_id"].encode()],
    )
    assert records.products == [line["product_id"] for line in content["items"]]
    said, kept = dict(content), record.model_dump(mode="json")
    lines = zip(said.pop("items"), kept.pop("items"), strict=True)
    assert all(kept[field] == said[field] for field in said.keys() & kept.keys())
    assert all(
        after[field] == before[field] for before, after in lines for field in before.keys() & after.keys()
    )
    validator("purchase").validate(content)


@pytest.mark.parametrize("name", names("erasure"))
def test_an_erasure_of_version_1_decodes_for_ever(name: str) -> None:
    content = sample(name)

    record = read(json.dumps(content).encode())

    assert isinstance(record, Erasure)
    assert record.model_dump() == content
    validator("erasure").validate(content)


@pytest.mark.parametrize("name", names("catalogue-update"))
def test_a_catalogue_of_version_1_decodes_for_ever(name: str) -> None:
    content = sample(name)
    value = json.dumps(content).encode()

    record = read(value)
    records, refusals = DECODER.decode([Raw(0, value, -1)])

    assert isinstance(record, CatalogueUpdate)
    assert record.model_dump(mode="json") == content
    assert refusals == []
    assert list(records.listings[0]) == list(record.products)
    validator("catalogue-update").validate(content)


@pytest.mark.parametrize("name", names("signal"))
def test_a_signal_of_version_1_decodes_for_ever(name: str) -> None:
    content = sample(name)

    record = read(json.dumps(content).encode())

    assert isinstance(record, Signal)
    assert record.model_dump() == content
    validator("signal").validate(content)


def as_far_as(known: object, content: object) -> object:
    """The content without the fields that came after the known one."""
    if isinstance(known, dict) and isinstance(content, dict):
        return {field: as_far_as(value, content[field]) for field, value in known.items()}
    if isinstance(known, list) and isinstance(content, list):
        pairs = [as_far_as(*pair) for pair in zip(known, content, strict=False)]
        return pairs + content[len(known) :]
    return content


@pytest.mark.parametrize("name", [name for contract in MODELS for name in names(contract)])
def test_an_output_of_version_1_decodes_for_ever_and_would_be_sent_alike(name: str) -> None:
    content = sample(name)
    contract = content["headers"]["ce_type"].removeprefix("io.cartpulse.").removesuffix(".v1")

    record = output(MODELS[contract].model_validate_json(json.dumps(content["value"])))

    validator(contract).validate(content["value"])
    sent = json.loads(record.value)
    assert as_far_as(content["value"], sent) == content["value"]
    assert {field: value.decode() for field, value in record.headers} == content["headers"]
    assert (record.topic, record.key.decode()) == (content["topic"], content["key"])
    assert record.timestamp == content["timestamp"]


def test_the_samples_alert_id_is_still_made_the_same_way() -> None:
    for name in (*names("replenishment-alert"), *names("alert-closing")):
        assert sample(name)["value"]["alert_id"] == alert_id(
            b"900", "FLUID MILK PRODUCTS", "boundary:2017-03-05"
        )


@pytest.mark.parametrize("name", ["dead-letter", "dead-letter-cut"])
def test_a_dead_letter_of_version_1_reads_back_for_ever(name: str) -> None:
    content = sample(name)
    headers = tuple((field, value.encode()) for field, value in content["headers"].items())

    letter = DeadLetter.from_headers(headers)

    assert sorted(letter.headers()) == sorted(headers)  # their order says nothing
    validator("dead-letter").validate(content["headers"])


def test_a_replayed_dead_letter_of_version_1_reads_back_for_ever() -> None:
    content = sample("dead-letter-replayed")

    replayed = DeadLetterReplayed.model_validate_json(json.dumps(content["value"]))

    validator("dead-letter-replayed").validate(content["value"])
    assert json.loads(replayed.model_dump_json()) == content["value"]
    assert {field: value.decode() for field, value in replayed.headers()} == content["headers"]


def test_there_is_a_sample_of_every_kind_and_state_and_of_a_first_segment() -> None:
    raised = {sample(name)["value"]["state"] for name in names("replenishment-alert")}
    closed = {sample(name)["value"]["state"] for name in names("alert-closing")}
    firsts = {sample(name)["value"]["from"] is None for name in names("segment-change")}

    lists = {sample(name)["value"]["state"] for name in names("list-closing")}

    assert (raised, closed) == ({"raised"}, {"fulfilled", "missed", "withdrawn"})
    assert lists == {"closed", "withdrawn"}
    assert set(MODELS) == {kind for kind in MODELS if names(kind)}
    assert firsts == {True, False}


@settings(max_examples=200, deadline=None)
@given(mutated_baskets())
def test_the_purchase_schema_allows_whatever_the_contract_does(value: bytes) -> None:
    try:
        record = read(value)
    except ContractError:
        return
    if isinstance(record, Purchase):
        validator("purchase").validate(json.loads(value))


SEEN_BY_A_SCHEMA = {"type", "missing", "empty", "kind", "sign"}


@pytest.mark.parametrize(
    "value",
    [value for value, error, _ in REFUSED.values() if value and error in SEEN_BY_A_SCHEMA],
    ids=[name for name, (value, error, _) in REFUSED.items() if value and error in SEEN_BY_A_SCHEMA],
)
def test_the_purchase_schema_refuses_what_a_schema_can_see(value: bytes) -> None:
    assert not validator("purchase").is_valid(json.loads(value))
