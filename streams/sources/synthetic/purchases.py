"""Invented purchases as a source: seeded, of known truth, for any number of customers.

`streams.sources.synthetic.customers` computes each customer's purchases. The source turns the trips into
events, and lets the events arrive in order of time. Shares of the events, set in `Process`, arrive twice,
late or in disorder, are returned, carry a wrong key or are no events at all. A hash selects the events that
are disturbed: the same purchases are made with and without disturbances.

Memory holds one day's trips (about 12 bytes for each customer who buys on it) and the events that arrive
late. A customer who buys nothing takes no memory.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import structs

from models.contracts.timestamps import instant_of, text_of
from models.state.calendar import MINUTE, calendar_of, day_number
from streams.sources.basket import Basket, BasketItem
from streams.sources.feed import Feed
from streams.sources.synthetic.customers import SLOTS, hashed, trips, truth, uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from models.settings import LedgerSettings
    from streams.sources.synthetic.customers import Truth
    from streams.sources.synthetic.process import Process

BLOCK: Final = 1 << 15
"""Customers whose day is computed at once. The arrays of a block stay in the processor's cache."""
EVENTS_AT_ONCE: Final = 1 << 12
"""Events of a day whose columns are turned into objects at once."""
RETURN_DAYS: Final = 3
"""Days from a purchase until something of it is returned."""
LONGEST_DELAY_DAYS: Final = 3
"""Largest delay of a late event, in days. In the last so many days of the process no event is delayed."""

_DAY: Final = 24 * 60 * MINUTE
_OPENS: Final = 8 * 60 * MINUTE
"""Milliseconds from the begin of a day to the time of the first purchase; the last one is 13 hours later."""
_OPEN_SECONDS: Final = 13 * 60 * 60
_DELAY: Final = 6
"""Index of the chance that sets the length of a delay; the chances before it decide what happens."""
_BROKEN: Final = (
    b"",
    b"{",
    b"not JSON",
    b"\xff\xfe\x00",
    b'{"kind": "purchase"}',
    b'{"kind": "erase", "event_id": "x", "customer_id": "y"}',
    b"[" * 500,
)


class _Arrival(NamedTuple):
    """Event on its way, ordered by the time of its arrival, then by its id."""

    at: int
    event_id: str
    feed: Feed


class _Trip(NamedTuple):
    """Purchase and its own chances, uniform on [0, 1), that select its disturbances."""

    basket: Basket
    at: int
    chances: list[float]


class Synthetic:
    """Events of a process, in the order in which they arrive.

    Usage::

        source = Synthetic(Process.parse("customers=1000,days=90,late=0.01"), settings.ledger)
        for record in source:  # may be iterated again; the same every time
            ...
        source.counts["late"]

    Args:
        process: Parameters of the invented purchases.
        settings: Ledger settings: the time zone and the currency.
    """

    def __init__(self, process: Process, settings: LedgerSettings) -> None:
        self._process, self._settings = process, settings
        self._calendar = calendar_of(settings)
        self._first = day_number(process.start)
        self._encode = msgspec.json.Encoder().encode
        self.counts: Counter[str] = Counter()
        """Counts of the last iteration: `purchase`, `return`, and each disturbance by its parameter's
        name."""
        self.day = 0
        """Present day of the last iteration, from 0."""

    def truth(self, first: int, last: int) -> Truth:
        """Return the traits of the customers with numbers from `first` to before `last`."""
        return truth(self._process, np.arange(first, last))

    def __iter__(self) -> Iterator[Feed]:
        """Yield every record, in order of arrival."""
        self.counts = Counter()
        waiting: list[_Arrival] = []
        for day in range(self._process.days):
            self.day = day
            for trip in self._trips(day):
                while waiting and waiting[0].at <= trip.at:
                    yield heapq.heappop(waiting).feed
                yield from self._arriving(trip, day, waiting)
        while waiting:
            yield heapq.heappop(waiting).feed

    def _arriving(self, trip: _Trip, day: int, waiting: list[_Arrival]) -> Iterator[Feed]:
        """Yield the records of a purchase that arrive at once, and put later ones into `waiting`."""
        process, counts = self._process, self.counts
        basket, at, chances = trip
        early = day + LONGEST_DELAY_DAYS < process.days
        delayed = chances[_DELAY]
        key = basket.customer_id
        counts["purchase"] += 1
        if chances[0] < process.misrouted:
            counts["misrouted"] += 1
            key = f"stranger-{int(delayed * 1_000)}"
        feed = Feed(key.encode(), self._encode(basket), at)
        if chances[1] < process.late and early:
            counts["late"] += 1
            arrives = at + 2 * _DAY + int(delayed * _DAY)
            heapq.heappush(waiting, _Arrival(arrives, basket.event_id, feed))
        elif chances[2] < process.disorder:
            counts["disorder"] += 1
            heapq.heappush(waiting, _Arrival(at + 1 + int(delayed * 30 * MINUTE), basket.event_id, feed))
        else:
            yield feed
        if chances[3] < process.duplicates:
            counts["duplicates"] += 1
            heapq.heappush(
                waiting, _Arrival(at + 1 + int(delayed * 60 * MINUTE), f"{basket.event_id}+", feed)
            )
        if chances[4] < process.returns and early:
            counts["return"] += 1
            back, later = self._brought_back(basket, at), at + RETURN_DAYS * _DAY
            brought = Feed(basket.customer_id.encode(), self._encode(back), later)
            heapq.heappush(waiting, _Arrival(later, back.event_id, brought))
        if chances[5] < process.hostile:
            counts["hostile"] += 1
            broken = _BROKEN[int(delayed * len(_BROKEN))] or feed.value[: len(feed.value) // 2]
            yield Feed(feed.key, broken, at)

    def _brought_back(self, basket: Basket, at: int) -> Basket:
        """Make the return of a purchase's first line, `RETURN_DAYS` later."""
        first = basket.items[0]
        item = structs.replace(first, quantity=-first.quantity)
        return structs.replace(
            basket,
            event_id=f"{basket.event_id}-return",
            occurred_at=text_of(instant_of(at + RETURN_DAYS * _DAY)),
            kind="return",
            items=[item],
        )

    def _trips(self, day: int) -> Iterator[_Trip]:
        """Yield the purchases of a day in order of time."""
        process = self._process
        begins = self._calendar.start(self._first + day) + _OPENS
        # Stage 1: the trips of all customers, block by block, each at a second of the opening hours.
        parts = []
        for first in range(0, process.customers, BLOCK):
            block = np.arange(first, min(first + BLOCK, process.customers))
            found = trips(process, block, day)
            seconds = np.floor(uniform(process.seed, 30, found.customers, day) * _OPEN_SECONDS)
            at = begins + 1000 * seconds.astype(np.int64)
            parts.append((at, found.customers, found.bought, found.categories, found.extras))
        # Stage 2: the trips in order of time, turned into baskets some thousand at a time.
        at, customers, bought, categories, extras = (
            np.concatenate(each) for each in zip(*parts, strict=True)
        )
        order = np.lexsort((customers, at))
        date = (process.start + timedelta(days=day)).isoformat()
        for start in range(0, len(order), EVENTS_AT_ONCE):
            chosen = order[start : start + EVENTS_AT_ONCE]
            who = customers[chosen]
            for number, instant, written, items, chances in zip(
                who.tolist(),
                at[chosen].tolist(),
                np.datetime_as_string(at[chosen].astype("datetime64[ms]").astype("datetime64[s]")).tolist(),
                self._items(who, bought[chosen], categories[chosen], extras[chosen], day),
                uniform(process.seed, 40, who[:, None], day, np.arange(_DELAY + 1)).tolist(),
                strict=True,
            ):
                basket = Basket(
                    f"s{process.seed}-{date}-{number}",
                    str(number),
                    f"{written}Z",
                    str(number % 97),
                    ("store", "web", "app")[number % 3],
                    self._settings.currency,
                    "purchase",
                    items,
                )
                yield _Trip(basket, instant, chances)

    def _items(
        self,
        customers: NDArray[np.int64],
        bought: NDArray[np.bool_],
        categories: NDArray[np.int64],
        extras: NDArray[np.int64],
        day: int,
    ) -> list[list[BasketItem]]:
        """Make the lines of some trips.

        Each category has eight products; the customer's own is taken four times in five.
        """
        seed, slots = self._process.seed, np.arange(SLOTS)
        habit = customers[:, None]
        own = hashed(seed, 31, habit, categories) % np.uint64(8)
        other = hashed(seed, 32, habit, categories, day) % np.uint64(8)
        chosen = np.where(uniform(seed, 33, habit, slots, day) < 0.8, own, other).astype(np.int64)
        quantities = 1 + np.floor(3 * uniform(seed, 34, habit, slots, day) ** 2)
        prices = np.rint(50 + 950 * uniform(seed, 35, categories, chosen)) / 100
        columns = (bought, categories, chosen, quantities, prices, extras)
        found = []
        for has, kinds, products, counts, costs, extra in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            lines = [
                _item(f"CATEGORY {kinds[slot]:02}", products[slot], counts[slot], costs[slot])
                for slot in range(SLOTS)
                if has[slot]
            ]
            if extra >= 0:
                lines.append(_item(f"EXTRA {extra}", 0, 1.0, 1.5))
            found.append(lines)
        return found


def _item(category: str, product: int, quantity: float, price: float) -> BasketItem:
    return BasketItem(f"{category} {product}", category, None, quantity, price, 0.0)
