"""What the ledger says: read from its state and its topics, with the formulas that the service uses.

A pair that a full row gave up has no cell. It is counted, and its category's prior alone speaks for it: the
Gamma-Poisson chance of a cell without trips, and the renewal quantiles of a cell without intervals. A cell
that knows fewer than three of a pair's purchases, because it was given up and begun anew, speaks for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from benchmarks.quality.log.outlook import WEEK, clustered
from models.contracts.events import RECOMMENDATIONS, REPLENISHMENT_ALERTS, SEGMENT_CHANGES
from models.learning.alert_dates import AlertDates
from models.learning.intervals import (
    Statistic,
    gamma_poisson_probability,
    interval_posterior,
    purchase_probability,
    renewal_quantile,
)
from models.learning.rfm import label
from models.state.columns import NO_CLUSTER, NO_SEGMENT
from models.state.habits import statistics_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.outlook import Clustered
    from benchmarks.quality.log.pairs import Asked, History
    from models.contracts.changes import Changes
    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

HORIZONS: Final = (7, 14, 28)
QUANTILES: Final = (0.1, 0.5, 0.9)
FARTHEST: Final = 128
"""Days up to which the median of the remaining time is looked for: a power of two above the follow-up."""
LEAD, GRACE = 2, 5
_DATES: Final = AlertDates(LEAD, GRACE)


class Forecast(NamedTuple):
    """Chances of k pairs, as of a day."""

    chances: Reals
    """(3, k) of a purchase within 7, 14 and 28 days."""
    days: Reals
    """(k,) median of the remaining time, days."""


class Cycles(NamedTuple):
    """When k pairs buy next, as said at a purchase; days count from it."""

    quantiles: Reals
    """(3, k) within which .1, .5 and .9 of the cycles end."""
    date: Reals
    """(k,) date of an alert."""
    chance: Reals
    """(k,) by which alerts are ranked: the greater, the sooner one is sent."""


class Answer(NamedTuple):
    """What the ledger says of pairs, and of which it holds a cell."""

    forecast: Forecast | None
    cycles: Cycles | None
    held: Booleans
    """(k,) True where there is a cell."""
    short: Booleans
    """(k,) True where the cell knows fewer than three purchases."""


class Standing(NamedTuple):
    """Customers at an instant, in order of their numbers."""

    households: Integers
    labels: Integers
    """As computed when read; -1 where a partition has too few customers to rank them."""
    segments: Integers
    """As reported; -1 for none."""
    clusters: Integers
    """Reported number from 1 on; -1 for none."""
    scores: Integers
    """(3, k) recency, frequency, money."""


class Alert(msgspec.Struct):
    """Raised alert, or its closing, as far as it is judged."""

    customer_id: str
    category: str
    state: str
    best_date: str
    hit_probability: float
    occurred_at: str
    interval_low: str = ""
    interval_high: str = ""
    probability_7_days: float = 0.0


class ListedCategory(msgspec.Struct):
    """Category of a replenishment list, as far as it is judged."""

    category: str
    probability_7_days: float


class ReplenishmentList(msgspec.Struct):
    """Replenishment list, or its closing, as far as it is judged."""

    customer_id: str
    state: str
    shopping_day: str = ""
    items: list[ListedCategory] = []
    bought: list[str] = []


class Item(msgspec.Struct):
    """Recommended item, as far as it is judged."""

    category: str
    kind: str
    product_id: str | None


class Product(msgspec.Struct):
    """Recommended product, as far as it is judged."""

    product_id: str


class Recommendation(msgspec.Struct):
    """Recommendation, as far as it is judged."""

    items: list[Item] = []
    products: list[Product] = []


class _Change(msgspec.Struct):
    before: str | None = msgspec.field(name="from")


class Topics:
    """Events that came out, as consumers would hold them."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.replenishment_lists: list[ReplenishmentList] = []
        self.lapses = 0
        """Habits told as lapsed."""
        self.instants: dict[int, list[int]] = {}
        """By household, when it was recommended something, ms since 1970 UTC, ascending."""
        self.lists: dict[int, list[Recommendation]] = {}
        """By household, what."""
        self.segment_changes: list[int] = []
        """When a reported segment changed, ms since 1970 UTC."""
        self._replenishment_list = msgspec.json.Decoder(ReplenishmentList).decode
        self._alert = msgspec.json.Decoder(Alert).decode
        self._recommendation = msgspec.json.Decoder(Recommendation).decode
        self._change = msgspec.json.Decoder(_Change).decode

    def take(self, changes: Changes) -> None:
        """Keep what one step says.

        Raises:
            Exception: Whatever a model raised on a customer at a boundary.
        """
        for _, error in changes.passed_over:
            raise error
        for output in changes.outputs:
            if output.topic == REPLENISHMENT_ALERTS and output.value.startswith(b'{"list_id"'):
                self.replenishment_lists.append(self._replenishment_list(output.value))
            elif output.topic == REPLENISHMENT_ALERTS and output.value.startswith(b'{"customer_id"'):
                self.lapses += 1
            elif output.topic == REPLENISHMENT_ALERTS:
                self.alerts.append(self._alert(output.value))
            elif output.topic == RECOMMENDATIONS:
                household = int(output.key)
                self.instants.setdefault(household, []).append(output.timestamp)
                self.lists.setdefault(household, []).append(self._recommendation(output.value))
            elif output.topic == SEGMENT_CHANGES and self._change(output.value).before is not None:
                self.segment_changes.append(output.timestamp)


class Ours:
    """Watcher of a service: asks at every cut, at every purchase of some days, and at instants.

    Args:
        history: The pairs, at the level of the service.
        names: Names of the level, as the history numbers them.
        cuts: First unknown days at which chances are asked.
        days: Days at whose purchases the next one is asked for.
        instants: Ascending instants at which labels are asked, ms since 1970 UTC.
        clusters: Days at whose end, and a week before, clusters are asked.
    """

    def __init__(
        self,
        history: History,
        names: Sequence[str],
        *,
        cuts: Sequence[int] = (),
        days: range = range(0),
        instants: Sequence[int] = (),
        clusters: Sequence[int] = (),
    ) -> None:
        self.instants = instants
        self.topics = Topics()
        self.chances: dict[int, Answer] = {}
        """By first unknown day."""
        self.cycles: dict[int, Answer] = {}
        """By day of the purchases."""
        self.standings: dict[int, Standing] = {}
        """By instant."""
        self.clusters: dict[int, list[Clustered]] = {}
        """By day, those of each partition."""
        self._clusters = {*clusters, *(day - WEEK for day in clusters)}
        self._history, self._names = history, list(names)
        self._cuts, self._purchases = set(cuts), days
        self.days = {*days, *(cut - 1 for cut in cuts), *self._clusters}
        """Days at whose end something is asked."""

    def at_day_end(self, day: int, states: Sequence[State]) -> None:
        """Ask for chances, for the next purchase of each pair, and for clusters."""
        if day + 1 in self._cuts:
            asked = self._history.at(day + 1)
            self.chances[day + 1] = self._ask(asked, states, cycles=False)
        if day in self._purchases:
            asked = self._history.after(range(day, day + 1))
            self.cycles[day] = self._ask(asked, states, cycles=True)
        if day in self._clusters:
            self.clusters[day] = clustered(states)

    def at_instant(self, instant: int, states: Sequence[State]) -> None:
        """Ask for every customer's label."""
        self.standings[instant] = standing_of(states)

    def take(self, changes: Changes) -> None:
        """Keep the events."""
        self.topics.take(changes)

    def _ask(self, asked: Asked, states: Sequence[State], *, cycles: bool) -> Answer:
        """Ask each partition of its own households' pairs, and put the answers into the pairs' order."""
        households, names = self._history.households(asked), self._history.names(asked)
        held, short = np.zeros(len(names), np.bool_), np.zeros(len(names), np.bool_)
        figures = np.full((5 if cycles else 4, len(names)), np.nan)
        for state in states:
            own = np.flatnonzero(
                [b"%d" % household in state.rows for household in np.unique(households).tolist()]
            )
            here = np.flatnonzero(np.isin(households, np.unique(households)[own]))
            if not len(here):
                continue
            found = _matched(state, households[here], names[here], self._names)
            held[here] = found.held
            short[here] = found.statistics[:, Statistic.PURCHASES] < 3
            figures[:, here] = _cycles(state, found) if cycles else _chances(state, found)
        if np.isnan(figures).any():
            raise ValueError("a household of the history is in no partition")
        if cycles:
            return Answer(None, Cycles(figures[:3], figures[3], figures[4]), held, short & held)
        return Answer(Forecast(figures[:3], figures[3]), None, held, short & held)


class _Matched(NamedTuple):
    """Cells of k pairs; empty where there is none."""

    statistics: NDArray[np.float32]
    categories: Integers
    """(k,) as the ledger numbers them."""
    held: Booleans


def _matched(state: State, households: Integers, names: Integers, texts: list[str]) -> _Matched:
    """Find the cells of (k,) pairs."""
    # (c,) every cell's household and category
    owners, cells = state.cells.gather(np.arange(len(state.ids)))
    customers = np.array([int(customer) for customer in state.ids], np.int64)
    keys = customers[owners] << 16 | cells["category"]
    order = np.argsort(keys)
    # (k,) number of each pair's category in the ledger, 0 where the dictionary does not hold it
    numbers = np.array(state.category_names.find(texts), np.int64)[names]
    wanted = households << 16 | numbers
    place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    held = (keys[place] == wanted) & (numbers > 0)
    statistics = statistics_of(cells[place])
    statistics[~held] = 0
    return _Matched(statistics, numbers, held)


def _chances(state: State, found: _Matched) -> Reals:
    """Return (4, k): three chances as a profile tells them, and the median of the remaining time."""
    prior = state.priors.of(found.categories)
    last = found.statistics[:, Statistic.LAST_DAY]
    elapsed = np.where(found.held, state.clock.begun - last.astype(np.float64), 0.0)

    def within(horizon: Reals | int) -> Reals:
        said = purchase_probability(found.statistics, prior, elapsed, horizon)
        alone = gamma_poisson_probability(found.statistics, prior, elapsed, horizon)
        return np.where(found.held, said, alone)

    days, step = np.zeros(len(elapsed)), FARTHEST // 2
    while step:
        days += np.where(within(days + step) < 0.5, step, 0)
        step //= 2
    return np.stack([*map(within, HORIZONS), days + 1])


def _cycles(state: State, found: _Matched) -> Reals:
    """Return (5, k): three quantiles, the date most likely to be hit, and its chance."""
    posterior = interval_posterior(found.statistics, state.priors.of(found.categories))
    date, chance = _DATES.best(posterior)
    return np.stack([*(renewal_quantile(posterior, share) for share in QUANTILES), date, chance])


def standing_of(states: Sequence[State]) -> Standing:
    """Return every customer's label by the thresholds of the customer's own partition, and the segment."""
    parts = []
    for state in states:
        standing = state.standing(np.arange(len(state.ids)))
        ranked = standing.frequency > 0
        cuts = state.histograms.thresholds(state.settings.segment_minimum_population)
        nothing = np.full(len(state.ids), -1)
        scores = (nothing, nothing, nothing) if cuts is None else cuts.scores(standing)
        labels = nothing if cuts is None else label(*scores)
        segments = state.customers["segment"][: len(state.ids)].astype(np.int64)
        customers = np.array([int(customer) for customer in state.ids], np.int64)
        reported = np.where(segments == NO_SEGMENT, -1, segments)
        held = state.customers["cluster"][: len(state.ids)].astype(np.int64)
        clusters = np.where(held == NO_CLUSTER, -1, held + 1)
        parts.append(np.stack([customers, labels, reported, clusters, *scores])[:, ranked])
    both = np.concatenate(parts, axis=1).astype(np.int64)
    both = both[:, np.argsort(both[0])]
    return Standing(both[0], both[1], both[2], both[3], both[4:])


def last_list(topics: Topics, household: int, before: int) -> Recommendation:
    """Return what was recommended to a household last before an instant, ms since 1970 UTC."""
    times = topics.instants.get(household, [])
    place = int(np.searchsorted(np.array(times, np.int64), before))
    return topics.lists[household][place - 1] if place else Recommendation()
