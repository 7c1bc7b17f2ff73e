"""Contracts of output events, with those of the input: pydantic models, one per kind of event.

The models are version 1 and only grow. A field may be added. No field is removed, renamed or given another
meaning without a new version in the event's type. Readers ignore unknown fields.
"""

from __future__ import annotations

import hashlib
from datetime import date  # noqa: TC003 - pydantic reads the annotations
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from models.contracts import cloudevents
from models.contracts.event_block import Output
from models.contracts.purchases import (
    CatalogueUpdate,
    ContractError,
    Erasure,
    ErrorCode,
    Item,
    Purchase,
    Signal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "ALERT_CLOSING_TYPE",
    "CLUSTER_CHANGES",
    "CLUSTER_CHANGE_TYPE",
    "DEAD_LETTERS",
    "DEAD_LETTER_REPLAYED_TYPE",
    "DEAD_LETTER_TYPE",
    "EXPOSURES",
    "LAPSED_HABIT_TYPE",
    "LIST_CLOSING_TYPE",
    "PURCHASES",
    "RECOMMENDATIONS",
    "RECOMMENDATION_TYPE",
    "REPLENISHMENT_ALERTS",
    "REPLENISHMENT_ALERT_TYPE",
    "REPLENISHMENT_LIST_TYPE",
    "SEGMENT_CHANGES",
    "SEGMENT_CHANGE_TYPE",
    "AlertClosing",
    "AlertEvidence",
    "CatalogueUpdate",
    "ClosingState",
    "Cluster",
    "ClusterChange",
    "ClusterTrait",
    "ContractError",
    "DeadLetter",
    "DeadLetterReplayed",
    "DiscoverEvidence",
    "Erasure",
    "ErrorCode",
    "Item",
    "LapsedHabit",
    "ListClosing",
    "ListedCategory",
    "PastEvidence",
    "Purchase",
    "PurchaseHabit",
    "Reason",
    "Recommendation",
    "RecommendedItem",
    "RecommendedProduct",
    "RepeatEvidence",
    "ReplenishmentAlert",
    "ReplenishmentList",
    "Scores",
    "Segment",
    "SegmentChange",
    "SegmentEvidence",
    "Signal",
    "alert_id",
    "dead_letter_id",
    "event_id",
    "output",
]

PURCHASES: Final = "purchases"
REPLENISHMENT_ALERTS: Final = "replenishment-alerts"
RECOMMENDATIONS: Final = "recommendations"
SEGMENT_CHANGES: Final = "segment-changes"
CLUSTER_CHANGES: Final = "cluster-changes"
EXPOSURES: Final = "exposures"
DEAD_LETTERS: Final = "dead-letters"

REPLENISHMENT_ALERT_TYPE: Final = "io.cartpulse.replenishment-alert.v1"
ALERT_CLOSING_TYPE: Final = "io.cartpulse.alert-closing.v1"
REPLENISHMENT_LIST_TYPE: Final = "io.cartpulse.replenishment-list.v1"
LIST_CLOSING_TYPE: Final = "io.cartpulse.list-closing.v1"
LAPSED_HABIT_TYPE: Final = "io.cartpulse.lapsed-habit.v1"
RECOMMENDATION_TYPE: Final = "io.cartpulse.recommendation.v1"
SEGMENT_CHANGE_TYPE: Final = "io.cartpulse.segment-change.v1"
CLUSTER_CHANGE_TYPE: Final = "io.cartpulse.cluster-change.v1"
DEAD_LETTER_TYPE: Final = "io.cartpulse.dead-letter.v1"
DEAD_LETTER_REPLAYED_TYPE: Final = "io.cartpulse.dead-letter-replayed.v1"

ClosingState = Literal["fulfilled", "missed", "withdrawn"]
Segment = Literal[
    "Champions",
    "Loyal Customers",
    "Potential Loyalists",
    "New Customers",
    "Promising",
    "Needs Attention",
    "At Risk",
    "Hibernating",
]
Probability = Annotated[float, Field(ge=0, le=1)]
Score = Annotated[int, Field(ge=1, le=5)]


class _Event(BaseModel):
    """Frozen event with finite numbers, which ignores fields that a later version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, populate_by_name=True)


class PurchaseHabit(_Event):
    """A product of the alert's category that this customer usually buys."""

    product_id: str = Field(description="The product, as in the purchases.")
    trips: float = Field(ge=0, description="Trips on which it was bought; old ones count less.")
    last_bought: date = Field(description="Business day of the last purchase of it.")


class AlertEvidence(_Event):
    """Evidence of an alert, for the person who asks why."""

    purchases_seen: int = Field(ge=0, description="Business days on which the customer bought the category.")
    typical_interval_days: float = Field(ge=0, description="The customer's typical days between two of them.")
    last_purchase: date = Field(description="The last of them.")
    usual_quantity: float = Field(description="Units the customer usually buys at a time.")


class ReplenishmentAlert(_Event):
    """Forecast that the customer is about to run out of a category.

    An alert is raised once per cycle and closed once, by an `AlertClosing` with the same `alert_id`.
    """

    alert_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="The ce_id of this event; the alert's closing repeats it."
    )
    customer_id: str = Field(description="Whom the alert is about; the record's key in UTF-8.")
    category: str = Field(description="What the customer is about to need.")
    state: Literal["raised"] = Field(description="What happened to the alert; a closing has another state.")
    products: tuple[PurchaseHabit, ...] = Field(
        description="What the customer usually buys of the category, most bought first; may be empty."
    )
    best_date: date = Field(
        description="The business day to aim at: the greatest chance of a purchase around it."
    )
    interval_low: date = Field(description="Begin of the 80 % interval of the next purchase.")
    interval_high: date = Field(description="End of the 80 % interval of the next purchase.")
    probability_7_days: Probability = Field(
        description="Chance of a purchase of the category within 7 days; four decimals."
    )
    hit_probability: Probability = Field(
        description="Chance that the purchase falls into the alert's window; four decimals."
    )
    valid_until: AwareDatetime = Field(description="When the alert's window closes; UTC.")
    evidence: AlertEvidence
    cause: str = Field(description="The event id or the boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class AlertClosing(_Event):
    """End of a replenishment alert, with the chance that was said when the alert was raised.

    An alert ends `fulfilled` by a purchase in time, `missed` if its window passed without a purchase, and
    `withdrawn` if the customer is erased or the category is no longer tracked for the customer.
    """

    alert_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="The alert: the ce_id and the alert_id of its raised event."
    )
    customer_id: str = Field(description="Whom the alert was about; the record's key in UTF-8.")
    category: str = Field(description="What the alert said the customer was about to need.")
    state: ClosingState = Field(description="How the alert ended.")
    best_date: date = Field(description="The business day that the raised event said.")
    hit_probability: Probability = Field(
        description="Chance that the raised event said of a purchase in the alert's window."
    )
    cause: str = Field(description="The event id or the boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class ListedCategory(_Event):
    """One category that the customer may need within the days of the list."""

    category: str = Field(description="What the customer may need.")
    probability_7_days: Probability = Field(
        description="Chance of a purchase of the category within 7 days; four decimals."
    )
    products: tuple[PurchaseHabit, ...] = Field(
        description="What the customer usually buys of the category, most bought first; may be empty."
    )
    evidence: AlertEvidence


class ReplenishmentList(_Event):
    """List of what a customer is likely to need within a week, for the eve of the usual shopping day.

    A list leaves out what more than half of the customer's last trips held. It is raised once a week at most,
    and closed once, by a `ListClosing` with the same `list_id`.
    """

    list_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="The ce_id of this event; the list's closing repeats it."
    )
    customer_id: str = Field(description="Whose list it is; the record's key in UTF-8.")
    state: Literal["raised"] = Field(description="What happened to the list; a closing has another state.")
    items: tuple[ListedCategory, ...] = Field(
        min_length=1, max_length=5, description="The likeliest first, five at most."
    )
    shopping_day: date = Field(
        description="The customer's usual shopping day, which follows; first of the list's seven days."
    )
    valid_until: AwareDatetime = Field(description="When the list's days are over; UTC.")
    cause: str = Field(description="The boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class ListClosing(_Event):
    """End of a replenishment list: `closed` when its days are over, `withdrawn` if the customer is erased."""

    list_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="The list: the ce_id and the list_id of its raised event."
    )
    customer_id: str = Field(description="Whose list it was; the record's key in UTF-8.")
    state: Literal["closed", "withdrawn"] = Field(description="How the list ended.")
    bought: tuple[str, ...] = Field(description="Its categories that were bought while it held.")
    not_bought: tuple[str, ...] = Field(description="Its other categories.")
    cause: str = Field(description="The event id or the boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class LapsedHabit(_Event):
    """Regular purchase of a category that has stayed away for longer than 95 % of its intervals would.

    It is told once, of customers who still buy other things.
    """

    customer_id: str = Field(description="Whose habit it was; the record's key in UTF-8.")
    category: str = Field(description="What the customer does not buy any more.")
    state: Literal["lapsed"] = Field(description="What happened to the habit.")
    days_since: int = Field(ge=1, description="Business days since the last purchase of the category.")
    products: tuple[PurchaseHabit, ...] = Field(
        description="What the customer used to buy of the category, most bought first; may be empty."
    )
    evidence: AlertEvidence
    cause: str = Field(description="The boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class RepeatEvidence(_Event):
    """Evidence of a recommendation of something that the customer bought before."""

    trips_with: int = Field(
        ge=0, description="Of the customer's last `trips` trips, those with the category."
    )
    trips: int = Field(ge=0, description="Trips looked back on, 12 at most; a trip is a business day.")
    last_purchase: date = Field(description="Business day of the last purchase of the category.")
    probability_7_days: Probability = Field(
        description="Chance of a purchase of the category within 7 days, by the customer's own intervals."
    )


class PastEvidence(RepeatEvidence):
    """Evidence of a repeat that none of the last trips holds: the whole past, and others' trips."""

    purchase_days: int = Field(
        ge=1, description="Business days on which the customer ever bought the category."
    )
    typical_interval_days: float | None = Field(
        ge=0, description="The customer's typical days between two of them; null where there is one."
    )
    segment: Segment | None = Field(description="Whose trips `share` speaks of; null for all.")
    share: Probability = Field(description="Share of those trips that hold the category.")


class DiscoverEvidence(_Event):
    """Evidence of a recommendation of something new to the customer."""

    bought_with: str | None = Field(
        description="What the customer buys and this goes with; null where it is popular."
    )
    segment: str | None = Field(
        description="Where it is popular; null where it is bought with another, or popular with all."
    )
    share: Probability = Field(
        description="Share of trips that hold it: of those with `bought_with`, the segment's, or all."
    )


class RecommendedItem(_Event):
    """One category that the customer may buy on the next trip."""

    category: str = Field(description="What is recommended.")
    kind: Literal["repeat", "discover"] = Field(
        description="Whether the customer bought it before, or never did."
    )
    product_id: str | None = Field(
        description="What the customer usually buys of the category and can be had; null where there is none."
    )
    product_name: str | None = Field(
        default=None, description="What people call the product; null where the catalogue does not say so."
    )
    score: Probability = Field(description="Estimated share of the customer's next trips that hold it.")
    reason: str = Field(description="A sentence for a person.")
    evidence: RepeatEvidence | PastEvidence | DiscoverEvidence = Field(
        description="The numbers of that sentence."
    )


class RecommendedProduct(_Event):
    """One product that the customer bought before and may buy on the next trip."""

    product_id: str = Field(description="The product, as in the purchases.")
    product_name: str | None = Field(
        default=None, description="What people call the product; null where the catalogue does not say so."
    )
    category: str = Field(description="The category in which the customer bought it last.")
    score: Probability = Field(description="Estimated share of the customer's next trips that hold it.")
    trips: float = Field(ge=0, description="Trips on which it was bought; old ones count less.")
    last_bought: date = Field(description="Business day of the last purchase of it.")


class Recommendation(_Event):
    """Categories that the customer is likely to buy on the next trip, and single products.

    A recommendation is made anew at the first purchase of a business day, and when its five best categories
    change. The newest recommendation holds.
    """

    customer_id: str = Field(description="Whom it is for; the record's key in UTF-8.")
    items: tuple[RecommendedItem, ...] = Field(
        min_length=1, max_length=10, description="The likeliest first, ten at most."
    )
    products: tuple[RecommendedProduct, ...] = Field(
        default=(),
        max_length=10,
        description="The likeliest of the products that the customer bought before, best first, of any "
        "category; may be empty.",
    )
    basis: Literal["history", "popular in your segment", "popular"] = Field(
        description="What it rests on: the customer's purchases, or, where there are none, those of others."
    )
    segment: Segment | None = Field(description="The customer's segment; null where there is none yet.")
    valid_until: AwareDatetime = Field(description="When it is stale, if no other has come; UTC.")
    cause: str = Field(description="The id of the purchase or return that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class Reason(_Event):
    """One ground of a segment, in words and in numbers."""

    text: str = Field(description="A sentence for a person.")
    measure: Literal["recency", "frequency", "monetary"] = Field(description="What was measured.")
    value: float = Field(description="What it was, in `unit`.")
    score: Score = Field(description="Its fifth among the partition's customers; 5 is the best.")
    unit: str = Field(description="Unit of `value`, such as days, purchase days or USD.")


class Scores(_Event):
    """RFM scores: fifths among the partition's customers, 5 the best."""

    recency: Score = Field(description="By the time of the last purchase.")
    frequency: Score = Field(description="By the number of purchase days.")
    monetary: Score = Field(description="By spend.")


class SegmentEvidence(_Event):
    """Evidence of a segment."""

    last_purchase: AwareDatetime = Field(description="When the customer last bought; UTC.")
    purchase_days: int = Field(ge=0, description="Business days on which the customer bought.")
    spend: float = Field(description="What the customer spent, less returns, in the service's currency.")


class Cluster(_Event):
    """Cluster of customers of one partition who shop alike."""

    number: int = Field(ge=1, le=8, description="Its number, which it keeps.")
    name: str = Field(description="What its customers do, in words that follow them.")
    share: float = Field(ge=0, le=1, description="Its share of the partition's customers with a cluster.")


class SegmentChange(_Event):
    """Change of the customer's reported segment."""

    customer_id: str = Field(description="Who changed; the record's key in UTF-8.")
    from_segment: Segment | None = Field(
        validation_alias="from",
        serialization_alias="from",
        description="The segment before; null for the first.",
    )
    to_segment: Segment = Field(
        validation_alias="to", serialization_alias="to", description="The segment now."
    )
    reasons: tuple[Reason, ...] = Field(description="Why, the weightiest first.")
    scores: Scores
    evidence: SegmentEvidence
    cluster: Cluster | None = Field(
        default=None, description="How the customer shops; null while too little is known."
    )
    active_90_days: Probability | None = Field(
        default=None,
        description="Chance of a purchase within 90 days of the last boundary; null while little is known.",
    )
    expected_spend_90_days: float | None = Field(
        default=None,
        ge=0,
        description="Spend to expect within 90 days of the last boundary, in the service's currency; null "
        "while too little is known.",
    )
    valid_until: AwareDatetime | None = Field(
        description="When it will be looked at anew; null where it stays until the next change; UTC."
    )
    cause: str = Field(description="The event id or the boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class ClusterTrait(_Event):
    """Feature by which a cluster stands out against all customers."""

    measure: str = Field(
        description="What was measured, older trips counting less: trips_a_week, basket_value, items, "
        "days_between_trips, discount_share, or share_of:GROUP of a group that the settings name."
    )
    unit: str = Field(description="Unit of the three values, such as trips, days or USD.")
    value: float = Field(description="What it is for this customer.")
    cluster: float = Field(description="What it is at the cluster's centre.")
    average: float = Field(description="What it is for the partition's customers on average.")


class ClusterChange(_Event):
    """Change of the customer's reported cluster: how somebody shops, beside the segment."""

    customer_id: str = Field(description="Who changed; the record's key in UTF-8.")
    from_cluster: Cluster | None = Field(
        validation_alias="from",
        serialization_alias="from",
        description="The cluster before; null for the first.",
    )
    to_cluster: Cluster = Field(
        validation_alias="to", serialization_alias="to", description="The cluster now."
    )
    traits: tuple[ClusterTrait, ...] = Field(
        description="How the new cluster stands out, the weightiest first."
    )
    distance: float = Field(
        ge=0,
        description="The customer's distance to the new centre, in standard deviations.",
    )
    second: Cluster = Field(description="The nearest of the other clusters.")
    distance_to_second: float = Field(ge=0, description="The distance to its centre.")
    distance_from: float | None = Field(
        ge=0, description="The distance to the centre of the cluster before; null for the first."
    )
    since: date | None = Field(
        description="First boundary at which others were nearer than the one before; null for the first."
    )
    cause: str = Field(description="The boundary (boundary:YYYY-MM-DD) that made it happen.")
    occurred_at: AwareDatetime = Field(description="Event time of the cause; UTC.")
    model_version: str = Field(description="The models that decided.")


class DeadLetter(_Event):
    """Headers of a dead letter. Its key and value are those of the source record, byte for byte.

    A record batch that cannot be decoded is one letter. Its value is the batch as the log holds it, header
    included; it has no key, and `last_offset` names its last offset.

    If the original exceeds the topic's message size, the value is its first 64 KB, and `size` and `sha256`
    describe the whole original.
    """

    topic: str = Field(description="Topic of the source record.")
    partition: int = Field(ge=0, description="Its partition.")
    offset: int = Field(ge=0, description="Its offset; of a whole record batch, the first.")
    last_offset: int | None = Field(
        default=None, ge=0, description="The last offset of a record batch that cannot be decoded."
    )
    stage: Literal["decode", "time", "duplicate", "apply"] = Field(description="Which step refused it.")
    error: str = Field(description="A short stable code.")
    field: str = Field(
        default="", description="Path of the field at fault, such as items[3].quantity; empty where none is."
    )
    reason: str = Field(description="One sentence for a person.")
    size: int | None = Field(default=None, ge=0, description="Bytes of the original, where it was cut.")
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the original, where it was cut."
    )

    @property
    def identity(self) -> str:
        """`ce_id`, equal for every refusal of the same source position."""
        return dead_letter_id(self.topic, self.partition, self.offset)

    def headers(self, *, source: str = cloudevents.SOURCE) -> cloudevents.Headers:
        """Build the record headers: CloudEvents attributes, and one header per field.

        There is no `ce_time`, because no time in a broken record is reliable and copies must be equal.
        """
        fields = self.model_dump(mode="json", exclude_none=True)
        return (
            *cloudevents.headers(
                type_=DEAD_LETTER_TYPE,
                identity=self.identity,
                source=source,
                time=None,
                content_type=cloudevents.BYTES,
            ),
            *((name, str(content).encode()) for name, content in fields.items()),
        )

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> DeadLetter:
        """Read a dead letter from a record's headers.

        Raises:
            ValueError: The headers are not those of a dead letter (pydantic's ValidationError is a
                ValueError).
        """
        texts = {name: content.decode() for name, content in headers if name in cls.model_fields}
        return cls.model_validate(texts)


class DeadLetterReplayed(_Event):
    """A dead letter was sent back to the purchases. This record follows the letter, under the letter's key.

    It is written once the purchase is acknowledged, so that no letter is sent back a second time.
    """

    letter_id: str = Field(pattern=r"^[0-9a-f]{32}$", description="The ce_id of the dead letter.")
    repaired: bool = Field(description="Whether it was sent with a corrected value, or as it was.")
    topic: str = Field(description="Where it was sent.")
    partition: int = Field(ge=0, description="Partition of that topic.")
    offset: int = Field(ge=0, description="The purchase's offset there.")
    occurred_at: AwareDatetime = Field(description="When it was sent; UTC.")

    @property
    def identity(self) -> str:
        """`ce_id` of this sending. A sending that was interrupted and repeated has another id."""
        place = (self.topic, str(self.partition), str(self.offset))
        return _digest(DEAD_LETTER_REPLAYED_TYPE.encode(), self.letter_id.encode(), *map(str.encode, place))

    def headers(self, *, source: str = cloudevents.SOURCE) -> cloudevents.Headers:
        """Build the record headers."""
        return cloudevents.headers(
            type_=DEAD_LETTER_REPLAYED_TYPE, identity=self.identity, source=source, time=self.occurred_at
        )


def _digest(*parts: bytes) -> str:
    """Return the first 128 bits, in hex, of SHA-256 over the parts.

    Each part follows its length in 4 bytes, big-endian.
    """
    joined = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hashlib.sha256(joined).hexdigest()[:32]


@lru_cache(maxsize=8192)
def _part(text: str) -> bytes:
    """Encode a part of an event id for hashing. Cached: types, categories, states and boundaries recur.

    Never pass a purchase's event id: it may name a customer, and must not survive an erasure in this cache.
    """
    return _uncached_part(text)


def _uncached_part(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _cause(cause: str) -> bytes:
    """Encode a cause, an event's id or the name of a boundary, for hashing."""
    return _part(cause) if cause.startswith("boundary:") else _uncached_part(cause)


def event_id(type_: str, customer_id: bytes, category: str, cause: str, state: str) -> str:
    """Return the id of an output event, a function of the event's content, so that copies share one id.

    `category` and `state` are empty for an event without them.

    >>> event_id(REPLENISHMENT_ALERT_TYPE, b"900", "FLUID MILK PRODUCTS", "boundary:2017-03-05", "raised")
    'c44083b53e55598415591a10612be8c1'
    """
    return event_ids(type_, [customer_id], [category], [cause], state)[0]


def event_ids(
    type_: str, customer_ids: Iterable[bytes], categories: Iterable[str], causes: Iterable[str], state: str
) -> list[str]:
    """Return the ids of many output events of one type and state."""
    first, last, sha256 = _part(type_), _part(state), hashlib.sha256
    return [
        sha256(
            first + len(customer).to_bytes(4, "big") + customer + _part(category) + _cause(cause) + last
        ).hexdigest()[:32]
        for customer, category, cause in zip(customer_ids, categories, causes, strict=True)
    ]


def alert_id(customer_id: bytes, category: str, cause: str) -> str:
    """Return the `alert_id` of an alert that `cause` raised, which is the id of its raised event."""
    return event_id(REPLENISHMENT_ALERT_TYPE, customer_id, category, cause, "raised")


def dead_letter_id(topic: str, partition: int, offset: int) -> str:
    """Return the id of the dead letter of one source position."""
    return _digest(DEAD_LETTER_TYPE.encode(), topic.encode(), str(partition).encode(), str(offset).encode())


OutputEvent = (
    ReplenishmentAlert
    | AlertClosing
    | ReplenishmentList
    | ListClosing
    | LapsedHabit
    | Recommendation
    | SegmentChange
    | ClusterChange
)
"""Events that a ledger sends."""
OUTPUT_EVENTS: Final[Mapping[type[OutputEvent], tuple[str, str]]] = {
    ReplenishmentAlert: (REPLENISHMENT_ALERTS, REPLENISHMENT_ALERT_TYPE),
    AlertClosing: (REPLENISHMENT_ALERTS, ALERT_CLOSING_TYPE),
    ReplenishmentList: (REPLENISHMENT_ALERTS, REPLENISHMENT_LIST_TYPE),
    ListClosing: (REPLENISHMENT_ALERTS, LIST_CLOSING_TYPE),
    LapsedHabit: (REPLENISHMENT_ALERTS, LAPSED_HABIT_TYPE),
    Recommendation: (RECOMMENDATIONS, RECOMMENDATION_TYPE),
    SegmentChange: (SEGMENT_CHANGES, SEGMENT_CHANGE_TYPE),
    ClusterChange: (CLUSTER_CHANGES, CLUSTER_CHANGE_TYPE),
}
"""Topic and `ce_type` of each."""


def output(event: OutputEvent, *, source: str = cloudevents.SOURCE) -> Output:
    """Build the record of an event.

    Args:
        event: Event.
        source: `ce_source` of the service.
    """
    topic, type_ = OUTPUT_EVENTS[type(event)]
    key = event.customer_id.encode()
    category, state = getattr(event, "category", ""), getattr(event, "state", "")
    return Output(
        topic=topic,
        key=key,
        value=type(event).__pydantic_serializer__.to_json(event, by_alias=True),
        headers=cloudevents.headers(
            type_=type_,
            identity=event_id(type_, key, category, event.cause, state),
            source=source,
            time=event.occurred_at,
        ),
        timestamp=round(event.occurred_at.timestamp() * 1000),
    )
