"""Logs with bad input in them, and what the good ones among it come to."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings

from models.contracts.purchases import ContractError, read
from models.ledger.ledger import Ledger
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.records.partitioner import partition_of
from models.settings import LedgerSettings
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.data.malformed import BYTE_FAULTS, REFUSED, mutated_baskets
from tests.support.ledgers.logs import Replay, drive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.settings.settings import Settings

LARGE = 200_000
"""Bytes beyond which a malformed event is sent once, not over and over."""
CURRENCY = LedgerSettings().currency


class Malformed(NamedTuple):
    """An event that breaks the contract, and how."""

    value: bytes | None
    error: str
    field: str


class Placed(NamedTuple):
    """A record on its way to one partition."""

    partition: int
    key: bytes | None
    value: bytes | None
    fault: Malformed | None = None
    """None for a good one."""


@dataclass
class Log:
    """What was written where. One producer keeps the order, so a record's place is its offset."""

    partitions: list[list[Placed]] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Placed], partitions: int) -> Log:
        """The log that these records make."""
        log = cls([[] for _ in range(partitions)])
        for record in records:
            log.partitions[record.partition].append(record)
        return log

    def malformed(self) -> dict[tuple[int, int], Placed]:
        """(partition, offset) to each bad record."""
        return {
            (partition, offset): record
            for partition, records in enumerate(self.partitions)
            for offset, record in enumerate(records)
            if record.fault is not None
        }

    def good(self, partition: int) -> list[Raw]:
        """The good records of a partition, each with its offset."""
        records = self.partitions[partition]
        return [raw(offset, record.value) for offset, record in enumerate(records) if record.fault is None]


def raw(offset: int, value: bytes | None) -> Raw:
    """A record as a decoder takes it."""
    return Raw(offset, value, UNKNOWN_TIME)


def replay_of(raws: Sequence[Raw], settings: Settings, partition: int) -> Replay:
    """The pure replay of some records of a partition, its last sweep finished."""
    ledger = Ledger(settings.ledger, partition=partition, partitions=settings.partitions)
    replay = Replay()
    records, refusals = Decoder(settings.ledger).decode(raws)
    assert not refusals
    drive(ledger, records, replay, finish=True)
    return replay


@cache
def malformed(count: int) -> tuple[Malformed, ...]:
    """So many malformed events, all different in bytes but for the empty ones; the same at every call."""
    table = [Malformed(*wrong) for wrong in REFUSED.values()]
    mutated = [wrong for value in _mutations() if (wrong := judged(value)) is not None]
    spoilt = _spoilt_purchases(random.Random(5))
    found = [*table, *mutated]
    known = {one.value for one in found}
    while len(found) < count:
        wrong = next(spoilt)
        if wrong.value not in known:
            known.add(wrong.value)
            found.append(wrong)
    return tuple(found[:count])


def judged(value: bytes) -> Malformed | None:
    """What the contract itself, and no decoder, says against some bytes."""
    try:
        record = read(value)
    except ContractError as fault:
        return Malformed(value, fault.error.value, fault.field)
    currency = getattr(record, "currency", CURRENCY)
    return None if currency == CURRENCY else Malformed(value, "currency", "currency")


def _mutations() -> list[bytes]:
    """What the property tests of the decoder draw, some hundreds of them."""
    drawn: dict[bytes, None] = {}

    @seed(7)
    @settings(
        max_examples=600, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(mutated_baskets())
    def collect(value: bytes) -> None:
        if len(value) < LARGE:
            drawn[value] = None

    collect()
    return list(drawn)


def _spoilt_purchases(chance: random.Random) -> Iterator[Malformed]:
    """Real purchases with one thing wrong each: in a field, in a line or in the bytes."""
    purchases = [record.value for record in CompleteJourney(days=3)]
    absurd: list[object] = [
        None,
        True,
        [],
        {},
        "",
        "x" * 300,
        -1e300,
        10**30,
        "1999-01-01T00:00:00Z",
        "9999-99-99",
        "\0",
        5,
    ]
    while True:
        value = chance.choice(purchases)
        way = chance.randrange(4)
        if way == 0:
            value = chance.choice(BYTE_FAULTS)(value, chance.randrange(len(value)))
        else:
            basket = json.loads(value)
            target = basket if way == 1 else chance.choice(basket["items"])
            name = chance.choice(list(target))
            target[name] = chance.choice([*absurd, float("nan"), float("inf")])
            if way == 3 and chance.random() < 0.5:
                del target[name]
            value = json.dumps(basket).encode()
        if (wrong := judged(value)) is not None:
            yield wrong


def journey(days: int, settings: Settings) -> Iterator[Placed]:
    """Real purchases and ticks, each where it belongs."""
    for record in with_ticks(CompleteJourney(days=days), settings.ledger):
        if record.key is None:
            yield from (Placed(home, None, record.value) for home in range(settings.partitions))
        else:
            home = partition_of(record.key, settings.partitions, settings.partitioner)
            yield Placed(home, record.key, record.value)


ODD_KEYS = (None, b"", b"900", b"\xff\xfe", b"\0clock", b"k" * 1_000)


def mixed(
    good: Iterable[Placed],
    bad: Sequence[Malformed],
    partitions: int,
    *,
    chance: random.Random,
    keys: Sequence[bytes | None] = ODD_KEYS,
) -> Iterator[Placed]:
    """Bad events spread over good ones, which keep their order and have the last word: ticks."""
    records = list(good)
    shuffled = chance.sample(bad, len(bad))
    places = sorted(chance.randrange(len(records) - partitions) for _ in bad)
    at = 0
    for index, record in enumerate(records):
        while at < len(places) and places[at] == index:
            wrong = shuffled[at]
            key = chance.choice(keys)
            if key is None and wrong.value is None:
                key = b""  # aiokafka's producer writes no record that has neither
            yield Placed(chance.randrange(partitions), key, wrong.value, wrong)
            at += 1
        yield record
