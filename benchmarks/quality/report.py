"""Report: the ledgers run once for every level and number of partitions, then a table per section."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.quality.baselines import trees
from benchmarks.quality.baselines.features import Features
from benchmarks.quality.log import cdnow
from benchmarks.quality.log import journey as journeys
from benchmarks.quality.log.ours import Ours, last_list
from benchmarks.quality.log.outlook import Value, consumed_alone
from benchmarks.quality.log.pairs import History
from benchmarks.quality.log.service import DAY_ZERO, SETTINGS, Service, replay
from benchmarks.quality.log.windows import FIRST_DATE
from benchmarks.quality.tables import baskets, cycles, emitted, next_purchase, segments, value
from benchmarks.quality.tables.next_purchase import OURS, OURS_SPLIT, TREES, Said
from models.state.calendar import calendar_of
from streams.sources.ticks import with_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.journey import Journey, Level
    from benchmarks.quality.log.ours import Answer, Topics
    from benchmarks.quality.log.outlook import Outlook
    from benchmarks.quality.log.windows import Window
    from benchmarks.quality.tables.baskets import Lists
    from benchmarks.quality.tables.table import Table
    from streams.sources.complete_journey import Level as LedgerLevel

SECTIONS: Final = ("A1", "A2", "B1", "B2", "C", "D", "E", "emitted")
PARTITIONS: Final = {OURS: 1, OURS_SPLIT: 16}
"""Ledgers by their name in the tables. The loss by partitions is the difference of the two rows."""


CDNOW_KNOWN: Final = (272, 545)
"""Last day known of CDNOW, and last day held out: 39 weeks each."""


@dataclass
class Run:
    """What was asked, and what every ledger answered.

    Args:
        window: Days and weeks.
        one_in: One household in so many.
        partitions: Ledgers by name.
        tell: Receiver of progress.
        learners: True if LightGBM and k-means are fitted.
    """

    window: Window
    one_in: int
    partitions: dict[str, int]
    tell: Callable[[str], None]
    learners: bool = True
    """True if LightGBM and k-means are fitted; False leaves them out of the tables."""
    journey: Journey = field(init=False)
    history: History = field(init=False)
    medians: NDArray[Any] = field(init=False)
    ours: dict[str, dict[Level, Ours]] = field(init=False, default_factory=dict)
    outlooks: dict[str, Outlook] = field(init=False, default_factory=dict)
    """By name of the ledger, what it expects of customers where section E is asked for."""

    def __post_init__(self) -> None:
        self.tell("reading")
        self.journey = journeys.read(days=self.window.days, one_in=self.one_in)
        self.history = History(self.journey.bought("category"))
        self.medians = self.history.medians()

    def answer(self, sections: set[str]) -> None:
        """Run the ledgers that some sections ask."""
        window = self.window
        levels: list[LedgerLevel] = ["category"] if sections - {"E"} else []
        levels += ["product_type"] if "C" in sections else []
        for name, partitions in self.partitions.items():
            self.ours[name] = {}
            for level in levels:
                of_categories = level == "category"
                ours = Ours(
                    self.history,
                    self.journey.names["category"],
                    cuts=sorted({*window.pair_cuts, *window.digest_cuts}) if of_categories else (),
                    days=window.purchase_days if of_categories else range(0),
                    instants=segments.instants_of(window) if of_categories else (),
                    clusters=window.value if of_categories else (),
                )
                replay(
                    ours, level=level, days=window.days, one_in=self.one_in, partitions=partitions,
                    tell=self.tell,
                )  # fmt: skip
                self.ours[name][level] = ours
            if "E" in sections:
                last, end = window.value
                watcher = Value(last, end - last)
                replay(
                    watcher, level="category", days=last + 2, one_in=self.one_in, partitions=partitions,
                    only=consumed_alone, tell=self.tell,
                )  # fmt: skip
                if watcher.outlook is not None:
                    self.outlooks[name] = watcher.outlook

    def lists(self, level: Level) -> dict[str, Lists]:
        """Return who recommends at a level.

        Of products, beside the list of products, those are judged that the items of categories name.
        """
        number = {name: place for place, name in enumerate(self.journey.names[level])}
        calendar = calendar_of(SETTINGS)
        found: dict[str, Lists] = {}
        for name, by_level in self.ours.items():
            topics = by_level["product_type" if level == "product_type" else "category"].topics

            def given(
                household: int, day: int, topics: Topics = topics, *, products: bool = level == "product_id"
            ) -> list[int]:
                last = last_list(topics, household, calendar.start(day + DAY_ZERO))
                of_items = [
                    item.product_id if level == "product_id" else item.category for item in last.items
                ]
                names = [each.product_id for each in last.products] if products else of_items
                return [number[each] for each in names if each is not None and each in number]

            found[name] = given
            if level == "product_id":
                found[f"{name}, products of its categories"] = partial(given, products=False)
        return found

    @cached_property
    def features(self) -> Features:
        """Columns for learners."""
        return Features(self.history)

    def tables(self, sections: set[str]) -> Iterator[Table]:
        """Make the tables of some sections, in order."""
        for wanted, make in (
            ({"A1"}, self._pairs),
            ({"A2", "B1"}, self._cycles),
            ({"B2"}, self._digests),
            ({"C"}, self._baskets),
            ({"D"}, self._labels),
            ({"E"}, self._value),
            ({"emitted"}, self._emitted),
        ):
            if wanted & sections:
                yield from (table for table in make() if len(wanted) == 1 or table.title[:2] in sections)

    @property
    def _of_categories(self) -> dict[str, Ours]:
        return {name: levels["category"] for name, levels in self.ours.items()}

    @property
    def _chances(self) -> dict[str, dict[int, Answer]]:
        return {name: ours.chances for name, ours in self._of_categories.items()}

    def _pairs(self) -> Iterator[Table]:
        for cut in self.window.pair_cuts:
            answers = {name: answer[cut] for name, answer in self._chances.items()}
            learnt = {name: said[cut] for name, said in self._trees([cut], [cut]).items()}
            yield next_purchase.table_of_pairs(self.history, cut, self.medians, answers, learnt)

    def _cycles(self) -> Iterator[Table]:
        said = {name: ours.cycles for name, ours in self._of_categories.items()}
        days = self.window.purchase_days
        learnt = {TREES: trees.times(self.history, self.features, days)} if self.learners else {}
        yield from cycles.tables(self.history, days, self.medians, said, learnt)

    @cached_property
    def digests(self) -> next_purchase.Digests:
        """What models say on Sundays, for table B2 and its picture."""
        cuts = self.window.digest_cuts
        learnt = self._trees([cuts[0], cuts[len(cuts) // 2]], cuts)
        return next_purchase.digests(self.history, cuts, self.medians, self._chances, learnt)

    def _digests(self) -> Iterator[Table]:
        yield next_purchase.table_of_digests(self.digests, self.window.digest_cuts, self._chances)

    def _baskets(self) -> Iterator[Table]:
        for level in journeys.LEVELS:
            judged = baskets.judge(self.journey.bought(level), self.window.trip_days, self.lists(level))
            yield baskets.table(level, judged, list(self.ours))

    def _labels(self) -> Iterator[Table]:
        standings = {name: ours.standings for name, ours in self._of_categories.items()}
        yield segments.table_of_labels(self.journey, segments.instants_of(self.window), standings)
        if self.learners:
            held = {name: ours.clusters for name, ours in self._of_categories.items()}
            yield segments.table_of_clusters(self.window.value, held)

    def _value(self) -> Iterator[Table]:
        learner = trees.activity if self.learners else None
        yield value.table(self.journey, self.window.value, self.outlooks, learner)
        found = self._cdnow()
        if found is not None:
            yield found

    def _cdnow(self) -> Table | None:
        """Return the table of CDNOW, which has one window; None for some households or without the data."""
        purchases = cdnow.read() if self.one_in == 1 else None
        if purchases is None:
            return None
        self.tell("ledger of CDNOW")
        last, end = CDNOW_KNOWN
        watcher = Value(last, end - last)
        watcher.days = {last - (FIRST_DATE - cdnow.first_date()).days}
        Service(watcher, settings=cdnow.SETTINGS).run(with_ticks(purchases.feeds(last + 2), cdnow.SETTINGS))
        if watcher.outlook is None:
            raise ValueError("the ledger of CDNOW never came to the last day known")
        return value.table_of_cdnow(purchases, CDNOW_KNOWN, watcher.outlook)

    def _emitted(self) -> Iterator[Table]:
        topics = {name: ours.topics for name, ours in self._of_categories.items()}
        days, names = self.window.trip_days, self.journey.names["category"]
        yield emitted.table_of_alerts(topics, self.history, names, days, self.window.days)
        yield emitted.table_of_lists(topics, self.history, names, days, self.window.days)
        yield emitted.table_of_others(topics, len(np.unique(self.journey.households)), days)

    def _trees(self, fits: Sequence[int], cuts: Sequence[int]) -> dict[str, dict[int, Said]]:
        """Return what LightGBM says at some cuts, fitted at others; nothing if learners are left out."""
        if not self.learners:
            return {}
        self.tell(f"LightGBM, to be fitted at {len(fits)} days")
        found = trees.chances(self.history, self.features, fits, cuts)
        return {TREES: {cut: Said(said.chances[1], said, said.days) for cut, said in found}}
