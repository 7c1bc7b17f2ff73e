"""The ledger of the benchmark of quality is the service's: the same events, asked at the right moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.quality.log import journey as journeys
from benchmarks.quality.log.ours import Item, Ours, Recommendation, Topics, last_list
from benchmarks.quality.log.pairs import History
from benchmarks.quality.log.service import DAY_ZERO, SETTINGS, Service, closed_day, replay
from benchmarks.quality.tables import cycles
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.ledgers.logs import replay_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.quality.log.journey import Journey
    from models.contracts.changes import Changes
    from models.contracts.event_block import Output
    from models.state.state import State
    from streams.sources.feed import Feed

DAYS, ONE_IN = 24, 80


class Recording:
    """Watcher that keeps all events, and stops at one day and one instant."""

    def __init__(self, day: int, instant: int) -> None:
        self.days, self.instants = {day}, [instant]
        self.outputs: list[Output] = []
        """Events in the order of the steps."""
        self.closed: list[int] = []
        self.newest: list[int] = []

    def at_day_end(self, day: int, states: Sequence[State]) -> None:
        """Keep the day, and the one that each ledger has closed."""
        self.closed += [day, *(state.clock.finished - DAY_ZERO for state in states)]

    def at_instant(self, instant: int, states: Sequence[State]) -> None:
        """Keep the latest purchase that each ledger knows."""
        assert instant == self.instants[0]
        self.newest += [int(state.customers["last_purchase"].max()) for state in states]

    def take(self, changes: Changes) -> None:
        """Keep the events."""
        self.outputs += changes.outputs


@pytest.fixture(scope="module")
def feeds() -> list[Feed]:
    source = CompleteJourney(days=DAYS)
    chosen = (feed for feed in source if feed.key and journeys.takes_part(int(feed.key), ONE_IN))
    return list(with_ticks(chosen, SETTINGS))


@pytest.fixture(scope="module")
def lines() -> Journey:
    return journeys.read(days=DAYS, one_in=ONE_IN)


def test_the_events_are_those_of_the_replay_that_services_are_held_against(feeds: list[Feed]) -> None:
    times = sorted(feed.occurred_at for feed in feeds if feed.key)
    instant = times[len(times) // 2]
    watcher = Recording(10, instant)
    Service(watcher).run(feeds)
    expected = replay_of([feed.value for feed in feeds], SETTINGS).outputs
    assert len(expected) > 100
    assert sorted(map(repr, watcher.outputs)) == sorted(map(repr, expected))
    assert watcher.closed == [10, 10]
    assert watcher.newest == [instant]


def test_partitions_share_the_households_and_close_their_days_together(feeds: list[Feed]) -> None:
    watcher = Recording(10, feeds[-1].occurred_at)
    service = Service(watcher, partitions=4)
    service.run(feeds)
    households = [household for state in service.states for household in state.ids]
    assert sorted(households) == sorted({feed.key for feed in feeds if feed.key})
    assert watcher.closed == [10, 10, 10, 10, 10]


def test_a_tick_closes_the_day_before_its_own(feeds: list[Feed]) -> None:
    ticks = [feed.occurred_at for feed in feeds if feed.key is None]
    assert [closed_day(tick) for tick in ticks] == list(range(-1, DAYS))


class Looking(Ours):
    """Watcher that keeps the newest day that any cell knows when the ledger is asked."""

    newest: list[int]

    def at_day_end(self, day: int, states: Sequence[State]) -> None:
        """Look at the cells, then ask."""
        _, cells = states[0].cells.gather(np.arange(len(states[0].ids)))
        self.newest = [*getattr(self, "newest", []), int(cells["last_day"].max())]
        super().at_day_end(day, states)


def test_every_pair_is_answered_and_the_cells_know_what_the_log_tells(lines: Journey) -> None:
    history = History(lines.bought("category"))
    cut = DAYS - 3
    ours = Looking(history, lines.names["category"], cuts=[cut], days=range(cut - 7, cut))
    replay(ours, level="category", days=DAYS, one_in=ONE_IN)
    assert ours.newest == [day + DAY_ZERO for day in range(cut - 7, cut)]
    answer = ours.chances[cut]
    assert answer.forecast is not None
    # So young a log fills no row: every pair has a cell, and chances grow with the days.
    assert answer.held.all()
    assert not answer.short.any()
    assert (np.diff(answer.forecast.chances, axis=0) > 0).all()
    asked = history.after(range(cut - 7, cut))
    whole, held, _ = cycles.gathered(ours.cycles, asked)
    assert held.all()
    assert (np.diff(whole.quantiles, axis=0) >= 0).all()
    assert (whole.date >= 3).all()


def test_a_pair_without_a_cell_is_answered_by_the_prior_of_its_category(lines: Journey) -> None:
    history = History(lines.bought("category"))
    names = [f"unheard of {number}" for number in range(len(lines.names["category"]))]
    ours = Ours(history, names, cuts=[DAYS])
    replay(ours, level="category", days=DAYS, one_in=ONE_IN)
    answer = ours.chances[DAYS]
    assert answer.forecast is not None
    assert not answer.held.any()
    # No category of that name is known: the prior of all speaks, and says the same of every pair.
    assert len(np.unique(answer.forecast.chances[1])) == 1


def test_the_last_list_before_a_day_is_the_one_that_counts() -> None:
    topics = Topics()
    one, two = (Recommendation([Item(name, "repeat", None)]) for name in "AB")
    topics.instants[1], topics.lists[1] = [100, 200], [one, two]
    assert [last_list(topics, 1, before) for before in (100, 150, 200, 201)] == [
        Recommendation(),
        one,
        one,
        two,
    ]
    assert last_list(topics, 2, 150) == Recommendation()
