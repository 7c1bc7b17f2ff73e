"""Report: the ledgers run once for every level and number of partitions, then a table per section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks.quality.log import journey as journeys
from benchmarks.quality.log.ours import Ours, last_list
from benchmarks.quality.log.pairs import History
from benchmarks.quality.log.service import DAY_ZERO, SETTINGS, replay
from benchmarks.quality.tables import baskets, cycles, emitted, next_purchase, segments, value
from benchmarks.quality.tables.next_purchase import OURS, OURS_SPLIT
from models.state.calendar import calendar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmarks.quality.log.journey import Journey, Level
    from benchmarks.quality.log.ours import Topics
    from benchmarks.quality.log.windows import Window
    from benchmarks.quality.tables.baskets import Lists
    from benchmarks.quality.tables.table import Table
    from streams.sources.complete_journey import Level as LedgerLevel

SECTIONS: Final = ("A1", "A2", "B1", "B2", "C", "D", "E", "emitted")
PARTITIONS: Final = {OURS: 1, OURS_SPLIT: 16}
"""Ledgers by their name in the tables. The loss by partitions is the difference of the two rows."""


@dataclass
class Run:
    """What was asked, and what every ledger answered.

    Args:
        window: Days and weeks.
        one_in: One household in so many.
        partitions: Ledgers by name.
        tell: Receiver of progress.
    """

    window: Window
    one_in: int
    partitions: dict[str, int]
    tell: Callable[[str], None]
    journey: Journey = field(init=False)
    history: History = field(init=False)
    medians: NDArray[Any] = field(init=False)
    ours: dict[str, dict[Level, Ours]] = field(init=False, default_factory=dict)

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
                )
                replay(
                    ours, level=level, days=window.days, one_in=self.one_in, partitions=partitions,
                    tell=self.tell,
                )  # fmt: skip
                self.ours[name][level] = ours

    def lists(self, level: Level) -> dict[str, Lists]:
        """Return who recommends at a level; products are those that the items of categories name."""
        number = {name: place for place, name in enumerate(self.journey.names[level])}
        calendar = calendar_of(SETTINGS)
        found: dict[str, Lists] = {}
        for name, by_level in self.ours.items():
            topics = by_level["product_type" if level == "product_type" else "category"].topics

            def given(household: int, day: int, topics: Topics = topics) -> list[int]:
                items = last_list(topics, household, calendar.start(day + DAY_ZERO))
                names = [item.product_id if level == "product_id" else item.category for item in items]
                return [number[each] for each in names if each is not None and each in number]

            found[name] = given
        return found

    def tables(self, sections: set[str]) -> Iterator[Table]:
        """Make the tables of some sections, in order."""
        window, history = self.window, self.history
        of_categories = {name: levels["category"] for name, levels in self.ours.items() if levels}
        chances = {name: ours.chances for name, ours in of_categories.items()}
        if "A1" in sections:
            for cut in window.pair_cuts:
                answers = {name: answer[cut] for name, answer in chances.items()}
                yield next_purchase.table_of_pairs(history, cut, self.medians, answers, {})
        if sections & {"A2", "B1"}:
            said = {name: ours.cycles for name, ours in of_categories.items()}
            both = cycles.tables(history, window.purchase_days, self.medians, said, {})
            yield from (table for table in both if table.title[:2] in sections)
        if "B2" in sections:
            yield next_purchase.table_of_digests(history, window.digest_cuts, self.medians, chances, {})
        if "C" in sections:
            for level in journeys.LEVELS:
                judged = baskets.judge(self.journey.bought(level), window.trip_days, self.lists(level))
                yield baskets.table(level, judged, list(self.ours))
        if "D" in sections:
            standings = {name: ours.standings for name, ours in of_categories.items()}
            yield segments.table_of_labels(self.journey, segments.instants_of(window), standings)
            days = [window.value[0] + 1, window.value[1] + 1]
            yield segments.table_of_clusters(self.journey, days, list(self.ours))
        if "E" in sections:
            yield value.table(self.journey, window.value, list(self.ours), {})
        if "emitted" in sections:
            topics = {name: ours.topics for name, ours in of_categories.items()}
            names = self.journey.names["category"]
            yield emitted.table_of_alerts(topics, history, names, window.trip_days, window.days)
            yield emitted.table_of_others(
                topics, len(set(self.journey.households.tolist())), window.trip_days
            )
