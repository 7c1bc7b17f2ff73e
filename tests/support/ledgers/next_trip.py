"""What a ledger recommends before each trip, held against the trip, beside counts decayed .97 per trip.

A *trip* is a household's business day in New York on which something consumed was bought; all of that is the
truth, and nothing is left out. The ledger's word is its last recommendation before the day. The counts decay
at each of the household's trips; ties, and places that they leave empty, go to what was popular with all
households so far: that makes them a stronger opponent than bare counts.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from models.ledger.ledger import Ledger
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.settings import CategoryClass, LedgerSettings
from models.state.calendar import calendar_of
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.ledgers import exact
from tests.support.ledgers.logs import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from models.contracts.changes import Changes
    from models.contracts.event_block import Output
    from streams.sources.complete_journey import Level

    Integers = NDArray[np.int64]
    Keeps = Callable[[int], bool]
    """Whether a household takes part."""

SETTINGS: Final = LedgerSettings(time_zone="America/New_York")
ITEMS: Final = 10
DECAY: Final = 0.97
_AT_ONCE: Final = 2_000
_DISCOUNT: Final = 1 / np.log2(np.arange(2, ITEMS + 2))
_IDEAL: Final = np.concatenate([[0.0], np.cumsum(_DISCOUNT)])


class Quality(NamedTuple):
    """Means over trips."""

    recall: float
    """At 10."""
    ndcg: float
    """At 10."""
    hit_share: float
    """Trips that hold at least one of the ten."""


class Comparison(NamedTuple):
    """The same trips, judged three times."""

    trips: int
    ledger: Quality
    decayed: Quality
    popular: Quality
    discovered: float
    """Share of the ledger's items that were new to the household."""


class _Item(msgspec.Struct):
    category: str
    kind: str


class _Recommendation(msgspec.Struct):
    items: list[_Item]


class _Taker:
    """Keeps what is recommended: by household the instants, ms since 1970 UTC, and the lists."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self.instants: dict[int, list[int]] = {}
        self.lists: dict[int, list[list[int]]] = {}
        self.items = self.new = 0
        self._numbers = numbers
        self._decode = msgspec.json.Decoder(_Recommendation).decode

    def take(self, changes: Changes) -> None:
        for output in changes.outputs:
            if output.topic == "recommendations":
                self._keep(output)

    def _keep(self, output: Output) -> None:
        items = self._decode(output.value).items
        household = int(output.key)
        self.instants.setdefault(household, []).append(output.timestamp)
        self.lists.setdefault(household, []).append([self._numbers[item.category] for item in items])
        self.items += len(items)
        self.new += sum(item.kind == "discover" for item in items)


def compare(level: Level, *, keeps: Keeps, first_week: int, last_week: int) -> Comparison:
    """Replay until the end of `last_week`, and judge the trips from `first_week` on.

    Args:
        level: What stands in `category`.
        keeps: Which households there are.
        first_week: Week of the year, from 2 on.
        last_week: Week of the year.
    """
    end = exact.week_end(last_week)
    source = CompleteJourney(level=level, days=end - exact.FIRST_DAY)
    lines = source.lines()
    days = calendar_of(SETTINGS).days(lines.instants)
    consumed = np.array([SETTINGS.class_of(name) != CategoryClass.NOT_CONSUMED for name in lines.names])
    kept = consumed[lines.categories] & np.isin(
        lines.households, [number for number in np.unique(lines.households).tolist() if keeps(number)]
    )
    columns = np.stack([days[kept], lines.households[kept], lines.categories[kept]], axis=1)
    bought = np.unique(columns, axis=0)
    taker = _Taker({name: number for number, name in enumerate(lines.names)})
    _replay(source, keeps, taker)
    begin = int(days.min()) + exact.week_end(first_week - 1) - exact.FIRST_DAY
    scores = _judge(bought, len(lines.names), taker, begin)
    means = [Quality(*column) for column in np.mean(scores, axis=0).tolist()]
    return Comparison(len(scores), means[0], means[1], means[2], taker.new / max(taker.items, 1))


def _replay(source: CompleteJourney, keeps: Keeps, taker: _Taker) -> None:
    decoder, ledger = Decoder(SETTINGS), Ledger(SETTINGS)
    feeds = [feed for feed in with_ticks(source, SETTINGS) if feed.key is None or keeps(int(feed.key))]
    for first in range(0, len(feeds), _AT_ONCE):
        values = enumerate((feed.value for feed in feeds[first : first + _AT_ONCE]), first)
        records, _ = decoder.decode([Raw(offset, value, UNKNOWN_TIME) for offset, value in values])
        drive(ledger, records, taker)


def _judge(bought: Integers, categories: int, taker: _Taker, begin: int) -> NDArray[np.float64]:
    """(trips, 3, 3): ledger, decayed counts, popularity; recall, NDCG, hit."""
    calendar = calendar_of(SETTINGS)
    popular = np.zeros(categories, np.int64)
    counts: dict[int, NDArray[np.float64]] = {}
    scores = []
    for first, last in _runs(bought[:, 0]):
        day, today = int(bought[first, 0]), bought[first:last]
        opening, by_popularity = calendar.start(day), np.argsort(-popular, kind="stable")
        for start, stop in _runs(today[:, 1]):
            household, trip = int(today[start, 1]), today[start:stop, 2]
            if day >= begin and household in counts:
                said = bisect_left(taker.instants.get(household, []), opening)
                ours = taker.lists[household][said - 1] if said else []
                order = np.lexsort((-popular, -counts[household]))[:ITEMS]
                lists: tuple[Iterable[int], ...] = (ours, order.tolist(), by_popularity[:ITEMS].tolist())
                scores.append([_score(given, set(trip.tolist())) for given in lists])
            held = counts.setdefault(household, np.zeros(categories))
            held *= DECAY
            held[trip] += 1
        popular += np.bincount(today[:, 2], minlength=categories)
    return np.array(scores)


def _score(given: Iterable[int], truth: set[int]) -> tuple[float, float, float]:
    hits = np.array([number in truth for number in given], np.float64)
    gain = float(hits @ _DISCOUNT[: len(hits)]) / _IDEAL[min(len(truth), ITEMS)]
    return float(hits.sum()) / len(truth), gain, float(hits.any())


def _runs(values: Integers) -> list[tuple[int, int]]:
    return list(pairwise([*np.flatnonzero(np.diff(values, prepend=-1)).tolist(), len(values)]))
