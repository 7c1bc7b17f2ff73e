"""What a run writes: real purchases under new customer ids, and everything that goes wrong with events.

One seed, one plan. Of every run a tenth is malformed, some events come twice, edited, late, or to the
wrong partition, a stretch of the file is sent by two producers, one event has 900 KB, and some make a model
raise. Now and then a customer is erased, who may well come again, and a catalogue says what can be had.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from models.records.partitioner import partition_of
from models.settings import LedgerSettings
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import tick, with_ticks
from tests.support.data.bad_input import LARGE, ODD_KEYS, malformed
from tests.support.ledgers.failing_worker import POISON
from tests.support.ledgers.logs import edited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.settings.settings import Settings
    from streams.sources.feed import Feed

POISON_SHARE = 0.13
"""Malformed events for each good one of the file: with all that is injected, a tenth of the load."""
DUPLICATES, LATE, STRANGERS = 0.03, 0.02, 0.02
"""Shares of the file's events that come again, later than they should, or to a wrong partition."""
EDITED = 0.01
"""Share of the file's events that come again with other content."""
ERASED = 0.004
"""Share of the file's events whose customer is erased soon afterwards."""
LISTED = 0.002
"""Share of the file's events whose products a catalogue lists, some of them as withdrawn."""
LATEST = 3_000
"""Events by which one may be late: about a week of the file with two copies of every customer."""
RAISING = 4
"""Events of a run that make a model raise; more than 100 a minute would rightly end a worker."""
TWINS = 0.1
"""Share of the file that a second producer sends too."""
MALFORMED = 1_500
"""Different malformed events to draw from."""
BASKETS_A_DAY = 416


class Event(NamedTuple):
    """A record to be written."""

    partition: int
    key: bytes | None
    value: bytes | None
    twin: bool = False
    """Whether the second producer sends it."""


class _Waiting:
    """Events that come later than the file has them."""

    def __init__(self) -> None:
        self._events: list[tuple[int, int, Event]] = []
        self._order = count()

    def put(self, event: Event, at: int) -> None:
        """Let an event come after so many."""
        heapq.heappush(self._events, (at, next(self._order), event))

    def due(self, at: int | None) -> Iterator[Event]:
        """Those whose turn has come; all of them at the end."""
        while self._events and (at is None or self._events[0][0] <= at):
            yield heapq.heappop(self._events)[2]


class Plan:
    """The events of one run, in order; iterated again it gives the same.

    Args:
        settings: partitions and partitioner, and the ledger's for ticks.
        seed: of everything drawn.
        events: how many there are, about: ticks and the injected ones included.
        days: of the file, at least; customers are copied until so many days hold so many events.
    """

    def __init__(self, settings: Settings, *, seed: str, events: int, days: int = 14) -> None:
        self.events = events
        self._settings = settings
        self._seed = seed
        chance = random.Random(f"twins {seed}")
        first = chance.randrange(events // 2)
        self._twins, self._twins_behind = range(first, first + int(events * TWINS)), chance.randrange(200)
        self._copies = max(2, round(events / 1.3 / (BASKETS_A_DAY * days)))
        self._days = min(365, 2 + round(events / 1.2 / self._copies / BASKETS_A_DAY))

    def __iter__(self) -> Iterator[Event]:
        chance, erasing = random.Random(self._seed), random.Random(f"erasing {self._seed}")
        listing, editing = random.Random(f"listing {self._seed}"), random.Random(f"editing {self._seed}")
        specials = deque(self._specials(chance))
        waiting, at, last = _Waiting(), 0, None
        for record in self._file():
            last = record
            for event in (*self._of(record, at, chance, waiting), *waiting.due(at)):
                yield event
                at += 1
            if record.key is not None and erasing.random() < ERASED:
                waiting.put(self._erasure(record, at), at + erasing.randrange(200))
            if record.key is not None and editing.random() < EDITED:
                again = Event(self._homes(record)[0], record.key, edited(record.value))
                waiting.put(again, at + editing.randrange(500))
            if record.key is not None and listing.random() < LISTED:
                for event in self._catalogue(record, at, listing):
                    waiting.put(event, at)
            while specials and specials[0] <= at:
                specials.popleft()
                waiting.put(self._special(record, len(specials)), at)
            if at >= self.events:
                break
        yield from waiting.due(None)
        if last is not None:
            yield from self._closing(last)

    def _of(self, record: Feed, at: int, chance: random.Random, waiting: _Waiting) -> Iterator[Event]:
        """What a record of the file comes to at once; what comes later waits."""
        homes = self._homes(record)
        for home in homes:
            if at in self._twins:
                waiting.put(Event(home, record.key, record.value, twin=True), at + self._twins_behind)
            if record.key is not None and chance.random() < LATE:
                waiting.put(Event(home, record.key, record.value), at + chance.randrange(1, LATEST))
            else:
                yield self._event(record, home, chance)
        if chance.random() < DUPLICATES:
            waiting.put(Event(homes[0], record.key, record.value), at + chance.randrange(500))
        if chance.random() < POISON_SHARE:
            yield self._malformed(chance)

    def _file(self) -> Iterator[Feed]:
        """Every purchase once for each copy of its customer, and the ticks."""
        for record in journey(self._days):
            if record.key is None:
                yield record
                continue
            for copy in range(self._copies):
                key = b"%s-%d" % (record.key, copy)
                value = record.value.replace(
                    b'"customer_id":"%s"' % record.key, b'"customer_id":"%s"' % key, 1
                )
                yield record._replace(key=key, value=value)

    def _homes(self, record: Feed) -> list[int]:
        partitions = self._settings.partitions
        if record.key is None:
            return list(range(partitions))
        return [partition_of(record.key, partitions, self._settings.partitioner)]

    def _event(self, record: Feed, home: int, chance: random.Random) -> Event:
        """Where it belongs, or now and then elsewhere."""
        if record.key is not None and chance.random() < STRANGERS:
            wrong = chance.randrange(self._settings.partitions)
            return Event(wrong, chance.choice([None, b"", b"900", record.key]), record.value)
        return Event(home, record.key, record.value)

    def _malformed(self, chance: random.Random) -> Event:
        value, key = chance.choice(bad_values()), chance.choice(ODD_KEYS)
        if value is None and key is None:
            key = b""  # aiokafka's producer writes no record that has neither
        return Event(chance.randrange(self._settings.partitions), key, value)

    def _erasure(self, record: Feed, number: int) -> Event:
        moment = datetime.fromtimestamp(record.occurred_at / 1_000, UTC).isoformat().replace("+00:00", "Z")
        customer = (record.key or b"").decode()
        erasure = {
            "kind": "erase",
            "event_id": f"erase-{number}-{self._seed}",
            "customer_id": customer,
            "occurred_at": moment,
        }
        return Event(self._homes(record)[0], record.key, json.dumps(erasure).encode())

    def _catalogue(self, record: Feed, number: int, chance: random.Random) -> Iterator[Event]:
        """What a shop says of the products in a basket, one copy for each partition."""
        basket = json.loads(record.value)
        statuses = ("available", "available", "out-of-stock", "withdrawn")
        catalogue = {
            "kind": "catalogue",
            "event_id": f"catalogue-{number}-{self._seed}",
            "occurred_at": basket["occurred_at"],
            "products": [
                {
                    "product_id": line["product_id"],
                    "category": line["category"],
                    "name": f"{line['product_id']} as of {number}",
                    "status": chance.choice(statuses),
                }
                for line in basket["items"]
            ],
        }
        for home in range(self._settings.partitions):
            yield Event(home, None, json.dumps(catalogue).encode())

    def _specials(self, chance: random.Random) -> list[int]:
        """After how many events those come that are one of a kind."""
        return sorted(chance.randrange(self.events // 10, self.events) for _ in range(RAISING + 2))

    def _special(self, record: Feed, number: int) -> Event:
        if number == 0:
            huge = max((one.value for one in malformed(MALFORMED) if one.value), key=len)
            return Event(0, b"900", huge)
        name, category, lines = (f"raises-{number}", POISON, 1) if number > 1 else ("bulky", "BULK", 850)
        moment = datetime.fromtimestamp(record.occurred_at / 1_000, UTC).isoformat().replace("+00:00", "Z")
        line = {"product_id": "1", "category": category, "quantity": 1.0, "unit_price": 0.25}
        basket = {
            "event_id": f"{name}-{self._seed}",
            "customer_id": name,
            "occurred_at": moment,
            "currency": "USD",
            "kind": "purchase",
            "items": [line | {"name": "x" * 1_000 if lines > 1 else None}] * lines,
        }
        home = partition_of(name.encode(), self._settings.partitions, self._settings.partitioner)
        return Event(home, name.encode(), json.dumps(basket).encode())

    def _closing(self, last: Feed) -> Iterator[Event]:
        """The tick after the last event's day, so that the run ends with a boundary and its sweep."""
        day = datetime.fromtimestamp(last.occurred_at / 1_000, UTC).date()
        closing = tick(day, self._settings.ledger)
        yield from (Event(home, None, closing.value) for home in range(self._settings.partitions))


@lru_cache(maxsize=4)
def _short_journey(days: int) -> tuple[Feed, ...]:
    return tuple(with_ticks(CompleteJourney(days=days), LedgerSettings()))


def journey(days: int) -> Iterable[Feed]:
    """Some days of The Complete Journey, with ticks; kept in memory if they are few, for the next run."""
    return _short_journey(days) if days <= 60 else with_ticks(CompleteJourney(days=days), LedgerSettings())


@lru_cache(maxsize=1)
def bad_values() -> tuple[bytes | None, ...]:
    """Malformed events that may be sent over and over: none of them is large."""
    return tuple(one.value for one in malformed(MALFORMED) if one.value is None or len(one.value) < LARGE)
