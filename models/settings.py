"""Settings of a ledger: all values, besides the log, on which its outputs depend."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import IntEnum
from functools import cached_property
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.contracts.cloudevents import source_of

NOT_CONSUMED: tuple[str, ...] = (
    "BOTTLE DEPOSITS",
    "CONTINUITIES",
    "COUPON",
    "COUPON/MISC ITEMS",
    "COUPONS/STORE & MFG",
    "DELI SUPPLIES",
    "FUEL",
    "GIFT & FRUIT BASKETS",
    "IN-STORE PHOTOFINISHING",
    "J-HOOKS",
    "LONG DISTANCE CALLING CARDS",
    "MEAT SUPPLIES",
    "MISCELLANEOUS",
    "MISCELLANEOUS HBC",
    "NON EDIBLE PRODUCTS",
    "OVERNIGHT PHOTOFINISHING",
    "PHARMACY",
    "PHARMACY NON-RX",
    "PREPAID WIRELESS&ACCESSORIES",
    "PROD SUPPLIES",
    "PROPANE",
    "TICKETS",
)
"""Categories of The Complete Journey that nobody runs out of: coupons, deposits, fuel, services, supplies."""

NOT_RECOMMENDED: tuple[str, ...] = (
    "BOTTLE DEPOSITS",
    "COUPON/MISC ITEMS",
    "DEPOSITS",
    "FUEL",
    "GIFT CARDS",
    "LOTTERY",
    "PREPAID WIRELESS&ACCESSORIES",
    "PROPANE",
    "TICKETS",
)
"""Categories that nobody wants to be reminded of: substitutes for money, deposits, fuel."""

SUBCATEGORY = " | "
"""Separator between a category and its subcategory, as in `BREAD | RYE`."""


MOST_GROUPS = 3
"""Groups of categories that clusters look at: with more features, each tells less."""
LONGEST_GROUP_NAME = 32
Groups = tuple[tuple[str, tuple[str, ...]], ...]
"""Groups of categories, each with its name."""


class CategoryClass(IntEnum):
    """Uses from which a category is excluded."""

    EVERYWHERE = 0
    NOT_CONSUMED = 1
    """Counted for spend and segments only."""
    NOT_RECOMMENDED = 2
    """Counted for consumption, and never recommended."""


class LedgerSettings(BaseModel):
    """Settings on which outputs depend, one value per service and log.

    The clock row stores the `fingerprint` of the settings in force. A worker with other settings reports
    that, and adopts its own settings at the next boundary.
    """

    model_config = ConfigDict(frozen=True)

    application: str = Field(
        default="cartpulse",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="Name of this service: its events' source, consumer group and changelog derive from it.",
    )
    time_zone: str = Field(
        default="UTC", description="IANA name of the business time zone; a business day is its local date."
    )
    boundary_hour: int = Field(
        default=6, ge=0, le=12, description="Local hour of day D+1 at which business day D closes."
    )
    lateness_minutes: int = Field(
        default=60,
        ge=0,
        le=720,
        description="How far the watermark stays behind the latest event, in minutes.",
    )
    clock: Literal["log", "wall"] = Field(
        default="wall",
        description="What moves time in a new service: the wall clock too, from go-live on, or the log's "
        "records alone. A service that has run keeps its clock, and a log that begins with a tick is on the "
        "log clock.",
    )
    currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="The one ISO 4217 currency of the service."
    )
    partitioner: Literal["murmur2", "crc32"] = Field(
        default="murmur2",
        description="How producers map keys to partitions: murmur2 (Java, aiokafka) or crc32 (librdkafka); "
        "in force at once.",
    )
    not_consumed: tuple[str, ...] = Field(
        default=NOT_CONSUMED,
        description="Categories that count for spend and segments, and never for consumption or alerts.",
    )
    not_recommended: tuple[str, ...] = Field(
        default=NOT_RECOMMENDED,
        description="Categories that are never recommended; nor are those that are not consumed.",
    )
    recommendation_discoveries: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Least places of the ten kept for categories that the customer never bought, where some "
        "are known; they go by their chances otherwise.",
    )
    alert_lead_days: int = Field(
        default=2, ge=0, le=14, description="Days before its date on which an alert is raised."
    )
    alert_grace_days: int = Field(
        default=5,
        ge=0,
        le=28,
        description="Days after its date on which a purchase still fulfils an alert.",
    )
    alert_minimum_purchases: int = Field(
        default=3, ge=2, le=100, description="Purchase days of a category before it is alerted on."
    )
    alert_minimum_probability: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Least chance of a purchase inside the alert's window for the alert to be raised.",
    )
    alert_minimum_lift: float = Field(
        default=1.1,
        ge=0,
        le=10,
        description="How many times the chance of any other days of the same customer and category it has "
        "to be; 0 asks for nothing.",
    )
    alert_daily_cap: int = Field(
        default=10, ge=0, le=64, description="Most alerts raised for one customer at one boundary."
    )
    alert_policy: Literal["both", "dated", "list"] = Field(
        default="both",
        description="What is sent of replenishment: alerts with a date, a weekly list, or both.",
    )
    alert_quiet_categories: tuple[str, ...] = Field(
        default=(),
        description="Categories whose habits are learnt and shown, and which no alert and no list names.",
    )
    holdout_share: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Share of customers, by a stable hash of their id, whose outputs all go to the topic "
        "`exposures` instead, so that what the others' are worth can be measured.",
    )
    holdout_salt: str = Field(
        default="",
        max_length=16,
        description="Another salt draws another hold-out; a larger share keeps those who were in it.",
    )
    segment_minimum_population: int = Field(
        default=50, ge=1, description="Customers a partition must know before it ranks them into segments."
    )
    segment_margin: float = Field(
        default=0.11,
        ge=0,
        le=0.5,
        description="Share of the customers by which a rank by recency must pass a limit before a customer's "
        "segment changes.",
    )
    category_groups: Groups = Field(
        default=(),
        max_length=MOST_GROUPS,
        description="Up to three groups of categories whose shares of what is bought tell customers apart in "
        'clusters, as a JSON object: {"produce": ["FRUIT", "VEGETABLES"], "meat": ["BEEF"]}.',
    )
    new_customer_days: int = Field(
        default=90,
        ge=0,
        le=366,
        description="Days for which a customer is new who was not seen in as many days of the log before.",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"{name!r} is no IANA time zone; write one such as 'America/New_York'"
            ) from error
        return name

    @field_validator("category_groups", mode="before")
    @classmethod
    def _pairs(cls, groups: object) -> object:
        """Take a mapping, too: settings are hashed, and a mapping has no hash."""
        return tuple(groups.items()) if isinstance(groups, Mapping) else groups

    @field_validator("category_groups")
    @classmethod
    def _grouped_once(cls, groups: Groups) -> Groups:
        names = [category for _, categories in groups for category in categories]
        if len(set(names)) < len(names) or len({name for name, _ in groups}) < len(groups):
            raise ValueError("a category belongs to one group at most, and each group has a name of its own")
        if not all(name and len(name) <= LONGEST_GROUP_NAME and categories for name, categories in groups):
            raise ValueError(
                f"each group has a name of 1 to {LONGEST_GROUP_NAME} characters and one category or more"
            )
        return tuple(sorted((name, tuple(sorted(categories))) for name, categories in groups))

    @field_validator("not_consumed", "not_recommended", "alert_quiet_categories")
    @classmethod
    def _sorted_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(names)))

    def __copy__(self) -> Self:
        """Copy the settings so that fields may be changed: derived values are dropped, and computed anew."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @cached_property
    def event_source(self) -> str:
        """`ce_source` of the service's events."""
        return source_of(self.application)

    @cached_property
    def _classes(self) -> dict[str, CategoryClass]:
        return dict.fromkeys(self.not_recommended, CategoryClass.NOT_RECOMMENDED) | dict.fromkeys(
            self.not_consumed, CategoryClass.NOT_CONSUMED
        )

    def class_of(self, category: str) -> CategoryClass:
        """Return the class of a category. A name in a setting covers its subcategories too.

        >>> LedgerSettings(not_consumed=("FUEL",)).class_of("FUEL | DIESEL").name
        'NOT_CONSUMED'
        """
        known = self._classes
        if category in known:
            return known[category]
        return known.get(category.partition(SUBCATEGORY)[0], CategoryClass.EVERYWHERE)

    @cached_property
    def _groups(self) -> dict[str, int]:
        return {
            category: number
            for number, (_, categories) in enumerate(self.category_groups, 1)
            for category in categories
        }

    def group_of(self, category: str) -> int:
        """Return the number of a category's group, from 1 on; 0 for none. A name covers subcategories too.

        >>> LedgerSettings(category_groups={"meat": ["BEEF"]}).group_of("BEEF | GROUND")
        1
        """
        known = self._groups
        return known[category] if category in known else known.get(category.partition(SUBCATEGORY)[0], 0)

    @cached_property
    def alert_quiet_set(self) -> frozenset[str]:
        """`alert_quiet_categories` as a set, for look-ups."""
        return frozenset(self.alert_quiet_categories)

    @cached_property
    def fingerprint(self) -> int:
        """64-bit hash of every setting but the clock. The clock row stores the clock itself."""
        shape = {name: getattr(self, name) for name in sorted(LedgerSettings.model_fields) if name != "clock"}
        return int.from_bytes(hashlib.blake2b(repr(shape).encode(), digest_size=8).digest(), "little")
