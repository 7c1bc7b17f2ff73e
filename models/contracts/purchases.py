"""Input contract: one event is one basket. Records that break the contract go to `dead-letters`.

`read` is the contract, byte for byte; `models.records.decoder` gives the same answer faster. All codes:

    json        not RFC 8259 JSON in UTF-8 (NaN, a byte order mark and trailing bytes are none)
    nesting     nested deeper than about 200 levels
    too-large   more than 1 MiB, or more than 10,000 lines
    type        a field of the wrong JSON type; numbers are not strings, nor booleans numbers
    missing     a required field is absent
    empty       no value, no lines, or an empty identifier
    text        an identifier or name that is too long, or an identifier that begins with byte 0
    range       a number out of its range
    sign        a return with a line whose quantity is positive
    time        `occurred_at` is no RFC 3339 date-time with an offset in the years 2000 to 2100
    currency    no ISO 4217 code, or another one than the service's
    kind        none of the kinds of a record
    status      none of the statuses of a product
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from models.contracts.timestamps import milliseconds
from models.contracts.wrappings import mark_of, wrapping_of

if TYPE_CHECKING:
    from pydantic.config import JsonDict

LARGEST_EVENT: Final = 1 << 20
"""Largest size of one event in bytes: the message size of `purchases` in Kafka."""
MOST_LINES: Final = 10_000
"""Largest count of lines in one basket, which bounds the work that one record can cause."""
IDENTIFIER_BYTES: Final = 256
"""Longest identifier or category, in bytes of UTF-8. Identifiers are keys of topics and of stored rows."""
NAME_BYTES: Final = 1024
"""Longest product name, in bytes of UTF-8."""
MOST_QUANTITY: Final = 1_000_000
"""Largest quantity of one line, in units. Fuel sold by the millilitre reaches 90,000."""
MOST_PRICE: Final = 1_000_000
"""Largest price of one unit, in the currency."""
MOST_MONEY: Final = 1_000_000_000
"""Largest amount of a line, a discount or a basket, in the currency. The int64 sum of a customer holds
900,000 baskets of that amount."""
QUANTITY_STEPS: Final = 1000
"""Steps per unit in which quantities are stored."""
SPEND_STEPS: Final = 10_000
"""Steps per unit of the currency in which money is stored."""
SIGNALS: Final = frozenset({"tick", "live"})
"""Kinds of the records that the service writes for itself."""


class ErrorCode(StrEnum):
    """Codes of refusals at stage `decode`. The module's docstring explains each code."""

    JSON = "json"
    NESTING = "nesting"
    TOO_LARGE = "too-large"
    TYPE = "type"
    MISSING = "missing"
    EMPTY = "empty"
    TEXT = "text"
    RANGE = "range"
    SIGN = "sign"
    TIME = "time"
    CURRENCY = "currency"
    KIND = "kind"
    STATUS = "status"


class ContractError(ValueError):
    """Breach of the contract by a record: the first fault found, for a dead letter."""

    def __init__(self, error: ErrorCode, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.error = error
        self.field = field
        """Path such as `items[3].quantity`; empty if no field is at fault."""
        self.reason = reason
        """Reason in one sentence for a person."""


def _broken(code: ErrorCode, sentence: str, field: str = "") -> PydanticCustomError:
    # The sentence is passed as a value, because pydantic takes braces in a template for placeholders.
    return PydanticCustomError(code.value, "{sentence}", {"sentence": sentence, "field": field})


def is_identifier(text: str) -> bool:
    """Return True if a text can be a key: 1 to 256 bytes of UTF-8 that do not begin with byte 0."""
    return text != "" and text[0] != "\0" and len(text.encode()) <= IDENTIFIER_BYTES


def is_name(text: str) -> bool:
    """Return True if a text is short enough to be a name."""
    return len(text.encode()) <= NAME_BYTES


def _time(text: str) -> str:
    try:
        milliseconds(text)
    except ValueError as error:
        raise _broken(ErrorCode.TIME, str(error)) from error
    return text


def quantity_steps(quantity: float) -> int:
    """Convert a quantity to 1/1,000 of a unit, rounded half to even."""
    return round(quantity * QUANTITY_STEPS)


def _require_bytes(field: str, text: str | None, most: int) -> None:
    """Check the length of a text in bytes, because pydantic counts characters."""
    if text is not None and not text.isascii() and len(text.encode()) > most:
        raise _broken(ErrorCode.TEXT, f"must have at most {most:,} bytes of UTF-8", field)


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=IDENTIFIER_BYTES, pattern=r"^[^\x00]")]
Name = Annotated[str, StringConstraints(max_length=NAME_BYTES)]
Time = Annotated[str, AfterValidator(_time), Field(json_schema_extra={"format": "date-time"})]
Money = Annotated[float, Field(ge=-MOST_MONEY, le=MOST_MONEY)]
Status = Literal["available", "out-of-stock", "withdrawn"]


class _Contract(BaseModel):
    """Base of the contract's models: strict types, finite numbers, unknown fields dropped."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Item(_Contract):
    """One line of a basket. Its spend is quantity x unit_price - discount, in the basket's currency."""

    product_id: Identifier = Field(
        description="The product, by the seller's number; 1 to 256 bytes of UTF-8."
    )
    category: Identifier = Field(description="What the product is a kind of; 1 to 256 bytes of UTF-8.")
    name: Name | None = Field(
        default=None, description="The product's name for people; at most 1,024 bytes of UTF-8."
    )
    quantity: float = Field(
        json_schema_extra={"not": {"const": 0}},
        ge=-MOST_QUANTITY,
        le=MOST_QUANTITY,
        description="Units bought; negative for a returned line, never 0. Kept in 1/1,000.",
    )
    unit_price: float = Field(
        ge=0, le=MOST_PRICE, description="Price of one unit before the discount, in the currency."
    )
    discount: Money = Field(
        default=0.0, description="Taken off the whole line, in the currency, with the quantity's sign."
    )

    @property
    def spend_steps(self) -> int:
        """Cost of the line, in 1/10,000 of the currency, rounded half to even."""
        return round((self.quantity * self.unit_price - self.discount) * SPEND_STEPS)

    @model_validator(mode="after")
    def _bounded(self) -> Item:
        _require_bytes("product_id", self.product_id, IDENTIFIER_BYTES)
        _require_bytes("category", self.category, IDENTIFIER_BYTES)
        _require_bytes("name", self.name, NAME_BYTES)
        if quantity_steps(self.quantity) == 0:
            raise _broken(
                ErrorCode.RANGE, "must not be 0 when rounded to 1/1,000; leave such lines out", "quantity"
            )
        if abs(self.spend_steps) > MOST_MONEY * SPEND_STEPS:
            raise _broken(
                ErrorCode.RANGE, f"must cost at most {MOST_MONEY:,} of the currency, in either direction"
            )
        return self


_RETURN_SCHEMA: Final[JsonDict] = {
    "if": {"properties": {"kind": {"const": "return"}}},
    "then": {"properties": {"items": {"items": {"properties": {"quantity": {"exclusiveMaximum": 0}}}}}},
}


class Purchase(_Contract):
    """One basket: a customer's purchase or return at one time. The record's key is the customer id."""

    model_config = ConfigDict(json_schema_extra=_RETURN_SCHEMA)

    event_id: Identifier = Field(
        description="Names the event for ever: a second event of this id and time is a duplicate, or refused "
        "where its content is another."
    )
    customer_id: Identifier = Field(description="Whose basket it is; 1 to 256 bytes of UTF-8.")
    occurred_at: Time = Field(
        description="When it was bought: RFC 3339 with an offset, years 2000 to 2100, kept in ms."
    )
    store_id: Identifier | None = Field(default=None, description="Where it was bought.")
    channel: Identifier | None = Field(
        default=None, description="How it was bought, such as store, web or app."
    )
    currency: str = Field(
        pattern=r"^[A-Z]{3}$", description="ISO 4217 code; a service has one, and refuses others."
    )
    kind: Literal["purchase", "return"] = Field(description="In a return, all quantities are negative.")
    items: Annotated[tuple[Item, ...], FailFast()] = Field(
        strict=False,
        min_length=1,
        max_length=MOST_LINES,
        description="The lines, 1 to 10,000; together within 1,000,000,000 of the currency.",
    )

    @property
    def occurred_ms(self) -> int:
        """Time of the purchase or return, ms since 1970 UTC."""
        return milliseconds(self.occurred_at)

    @model_validator(mode="after")
    def _whole(self) -> Purchase:
        for field in ("event_id", "customer_id", "store_id", "channel"):
            _require_bytes(field, getattr(self, field), IDENTIFIER_BYTES)
        if self.kind == "return":
            for number, item in enumerate(self.items):
                if item.quantity > 0:
                    raise _broken(
                        ErrorCode.SIGN, "must be negative, as all of a return", f"items[{number}].quantity"
                    )
        if abs(sum(item.spend_steps for item in self.items)) > MOST_MONEY * SPEND_STEPS:
            raise _broken(
                ErrorCode.RANGE,
                f"must together cost at most {MOST_MONEY:,} of the currency, in either direction",
                "items",
            )
        return self


class Signal(_Contract):
    """A record that the service writes into its own input.

    A `tick` moves time. A `live` record ends history: outputs of later events are sent.
    """

    event_id: Identifier = Field(description="Names the record for ever, such as tick:2017-01-01.")
    occurred_at: Time = Field(description="The event time that it stands for.")
    kind: Literal["tick", "live"] = Field(description="What it tells the ledger.")

    @property
    def occurred_ms(self) -> int:
        """Event time, ms since 1970 UTC."""
        return milliseconds(self.occurred_at)

    @model_validator(mode="after")
    def _bounded(self) -> Signal:
        _require_bytes("event_id", self.event_id, IDENTIFIER_BYTES)
        return self


class Erasure(_Contract):
    """A record that erases a customer: the customer's state is removed, and later events start anew.

    `cartpulse erase` writes the record to every partition. In a partition without the customer, the record
    does nothing.
    """

    event_id: Identifier = Field(description="Names the record for ever, such as erase:900:2026-03-01.")
    customer_id: Identifier = Field(description="Who is erased; 1 to 256 bytes of UTF-8.")
    occurred_at: Time = Field(description="When it was asked for. It moves no time.")
    kind: Literal["erase"] = Field(description="What it tells the ledger.")

    @property
    def occurred_ms(self) -> int:
        """Time of the request, ms since 1970 UTC."""
        return milliseconds(self.occurred_at)

    @model_validator(mode="after")
    def _bounded(self) -> Erasure:
        for field in ("event_id", "customer_id"):
            _require_bytes(field, getattr(self, field), IDENTIFIER_BYTES)
        return self


class Listing(_Contract):
    """Listing of one product in the catalogue."""

    product_id: Identifier = Field(description="The product, as in the purchases.")
    category: Identifier = Field(description="What it is a kind of, as in the purchases.")
    name: Name | None = Field(
        default=None,
        description="What people call it; recommendations carry it. At most 1,024 bytes of UTF-8.",
    )
    status: Status = Field(
        default="available",
        description="Whether it can be had: what is out of stock or withdrawn is not recommended.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Listing:
        _require_bytes("product_id", self.product_id, IDENTIFIER_BYTES)
        _require_bytes("category", self.category, IDENTIFIER_BYTES)
        _require_bytes("name", self.name, NAME_BYTES)
        return self


class CatalogueUpdate(_Contract):
    """A record that lists products. A listing replaces the earlier listing of the same product.

    `cartpulse catalogue` writes the record to every partition, so that a replay of the log gives equal
    recommendations.
    """

    event_id: Identifier = Field(description="Names the record for ever.")
    occurred_at: Time = Field(description="When it was written. It moves no time.")
    kind: Literal["catalogue"] = Field(description="What it tells the ledger.")
    products: Annotated[tuple[Listing, ...], FailFast()] = Field(
        strict=False,
        min_length=1,
        max_length=MOST_LINES,
        description="The products, 1 to 10,000; of one that is listed twice, the last counts.",
    )

    @property
    def occurred_ms(self) -> int:
        """Time of writing, ms since 1970 UTC."""
        return milliseconds(self.occurred_at)

    @model_validator(mode="after")
    def _bounded(self) -> CatalogueUpdate:
        _require_bytes("event_id", self.event_id, IDENTIFIER_BYTES)
        return self


Record = Purchase | Signal | Erasure | CatalogueUpdate

_MODELS: Final[dict[str, type[Record]]] = {
    **dict.fromkeys(SIGNALS, Signal),
    "erase": Erasure,
    "catalogue": CatalogueUpdate,
}


_CODES: Final = {
    "missing": ErrorCode.MISSING,
    "too_short": ErrorCode.EMPTY,
    "too_long": ErrorCode.TOO_LARGE,
    "greater_than_equal": ErrorCode.RANGE,
    "less_than_equal": ErrorCode.RANGE,
    "finite_number": ErrorCode.RANGE,
    "string_too_short": ErrorCode.EMPTY,
    "string_pattern_mismatch": ErrorCode.TEXT,
    "literal_error": ErrorCode.KIND,
}
"""Codes for pydantic's error types. All error types that are not listed mean a wrong type."""


_SENTENCES: Final = {
    "missing": "is missing",
    "too_short": "must have at least one line",
    "too_long": f"must have at most {MOST_LINES:,} lines",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must not begin with byte 0",
    "tuple_type": "must be an array",
    "model_type": "must be an object",
}
"""Sentences in JSON's words for errors that pydantic describes in Python's words."""


def contract_error(fault: ValidationError) -> ContractError:
    """Convert the first fault that pydantic found in a record to the words of the contract."""
    error = fault.errors(include_url=False, include_input=False)[0]
    kind, context = error["type"], error.get("ctx", {})
    place = (*error["loc"], context["field"]) if context.get("field") else error["loc"]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    if "sentence" in context:
        code, sentence = ErrorCode(kind), context["sentence"]
    elif field == "currency" and kind == "string_pattern_mismatch":
        code, sentence = ErrorCode.CURRENCY, "must be an ISO 4217 code, three capital letters"
    elif kind == "literal_error" and field != "kind":
        code, sentence = ErrorCode.STATUS, error["msg"].replace("Input should", "must", 1)
    elif kind == "string_too_long":
        code, sentence = ErrorCode.TEXT, f"must have at most {context['max_length']:,} bytes of UTF-8"
    else:
        code = _CODES.get(kind, ErrorCode.TYPE)
        sentence = _SENTENCES.get(kind) or error["msg"].replace("Input should", "must", 1).replace(
            "String should", "must", 1
        )
    return ContractError(code, field, f"{field or 'The event'} {sentence}.")


def _json(value: bytes) -> Any:
    if not value:
        raise ContractError(ErrorCode.EMPTY, "", "The record has no value.")
    if len(value) > LARGEST_EVENT:
        raise ContractError(
            ErrorCode.TOO_LARGE, "", f"The event has {len(value):,} bytes, more than {LARGEST_EVENT:,}."
        )
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError as error:
        code = ErrorCode.NESTING if "recursion" in str(error) else ErrorCode.JSON
        sentence = f"The value is not acceptable JSON: {error}. {mark_of(value)}"
        raise ContractError(code, "", sentence.strip()) from error


def read(value: bytes) -> Record:
    """Read a record by the contract.

    Raises:
        ContractError: The bytes break the contract; the error names the first fault.
    """
    content = _json(value)
    kind = content.get("kind") if isinstance(content, dict) else None
    model = _MODELS.get(kind, Purchase) if isinstance(kind, str) else Purchase
    try:
        return model.model_validate(content)
    except ValidationError as fault:
        error = contract_error(fault)
        sentence = f"{error.reason} {wrapping_of(content)}"
        raise ContractError(error.error, error.field, sentence.strip()) from fault
