"""How good are the closed forms? A replay of The Complete Journey, day by day, with no look-ahead.

    python -m benchmarks.alert_quality [--last-week 40] [--cut-week 32]

Part one plans an alert at every purchase of a category with three or more purchase days and compares the
planned date with the customer's own median interval on the same cycles; a hit is a purchase in [date - 2,
date + 5], and cycles whose outcome is not known by the end are left out. Part two asks, at the end of
`--cut-week`, who buys within 7, 14 and 28 days (Brier scores). Tune on weeks up to 40; later ones are for a
final report.
"""

from __future__ import annotations

import argparse
from bisect import insort
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.learning.alert_dates import AlertDates
from models.learning.intervals import (
    Statistic,
    gamma_poisson_probability,
    interval_posterior,
    observe,
    purchase_probability,
    renewal_interval,
    renewal_probability,
)
from models.learning.priors import Priors
from models.settings import NOT_CONSUMED
from tests.support.ledgers import exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

LEAD, GRACE, MINIMUM_PURCHASES = 2, 5, 3
HORIZONS = (7, 14, 28)
BEYOND = 10**6
"""Days until a purchase that has not happened."""


class Cycles(NamedTuple):
    """One entry per planned alert, days counted from the purchase that began the cycle."""

    date: Integers
    chance: Reals
    """Of a hit, as planned."""
    raised_chance: Reals
    """Of a hit, given that nothing was bought before the window opened."""
    median: Integers
    low: Integers
    high: Integers
    """80 % interval."""
    actual: Integers
    """Days to the next purchase; `BEYOND` when there is none before the end."""
    watched: Integers
    """Days from the purchase to the last day of the data."""


class Replay:
    """Cells and priors after every trip before a day, and the cycles planned on the way."""

    def __init__(self, trips: exact.Trips, end: int) -> None:
        trips = exact.before(trips, end)
        starts = exact.starts_of(trips)
        self.end = end
        self.pairs = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(trips.days))))
        self.categories = trips.categories[starts]
        self.cells = np.zeros((len(starts), len(Statistic)), np.float32)
        self.priors = Priors()
        self.dates = AlertDates(LEAD, GRACE)
        self.trips = trips
        self.medians = median_intervals(trips)
        self.next = np.append(exact.intervals(trips)[1:], 0)
        self.next[self.next == 0] = BEYOND

    def run(self) -> Cycles:
        """Fold day after day, as a ledger does at its boundaries."""
        parts: list[Cycles] = []
        order = np.argsort(self.trips.days, kind="stable")
        days, firsts = np.unique(self.trips.days[order], return_index=True)
        for day, today in zip(days, np.split(order, firsts[1:]), strict=True):
            self.priors.adopt()
            parts.append(self._fold(int(day), today))
        return Cycles._make(np.concatenate(column) for column in zip(*parts, strict=True))

    def _fold(self, day: int, today: Integers) -> Cycles:
        pairs = self.pairs[today]
        before = self.cells[pairs]
        self.priors.learn(self.categories[pairs], before, day)
        after = observe(before, day, self.trips.quantities[today])
        self.cells[pairs] = after
        known = after[:, Statistic.PURCHASES] >= MINIMUM_PURCHASES
        today, after = today[known], after[known]
        posterior = interval_posterior(after, self.priors.of(self.categories[pairs[known]]))
        date, chance = self.dates.best(posterior)
        low, high = renewal_interval(posterior)
        return Cycles(
            date=date,
            chance=chance,
            raised_chance=self.dates.hit_given(posterior, date, date - LEAD - 1),
            median=self.medians[today],
            low=low,
            high=high,
            actual=self.next[today],
            watched=np.full(len(today), self.end - 1 - day),
        )


def median_intervals(trips: exact.Trips) -> Integers:
    """At each trip the median of its pair's intervals so far, whole days, halves up; 0 at the first."""
    gaps, medians, seen = exact.intervals(trips), np.zeros(len(trips.days), np.int64), list[int]()
    for index, gap in enumerate(gaps.tolist()):
        if gap == 0:
            seen = []
            continue
        insort(seen, gap)
        medians[index] = (seen[(len(seen) - 1) // 2] + seen[len(seen) // 2] + 1) // 2
    return medians


def hits(cycles: Cycles, date: Integers) -> Booleans:
    """Whether the next purchase fell into the date's window."""
    return (cycles.actual >= date - LEAD) & (cycles.actual <= date + GRACE)


def known(cycles: Cycles) -> Booleans:
    """Whether the outcome of both dates is known."""
    last = np.maximum(cycles.date, cycles.median) + GRACE
    return (cycles.actual < BEYOND) | (cycles.watched >= last)


def select(cycles: Cycles, which: Booleans) -> Cycles:
    """The cycles for which `which` is true."""
    return Cycles._make(column[which] for column in cycles)


def report_dates(cycles: Cycles) -> None:
    """Hit shares and recalls at several minimum probabilities."""
    cycles = select(cycles, known(cycles))
    total = np.count_nonzero(cycles.actual < BEYOND)
    print(f"\n{len(cycles.date):,} cycles with a known outcome, {total:,} of them ended by a purchase")
    print("minimum | planned: cycles   hit (median) recall (median) | raised: alerts   hit (median) recall")
    for minimum in (0.0, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7):
        chosen = select(cycles, cycles.chance >= minimum)
        raised = select(cycles, (cycles.raised_chance >= minimum) & (cycles.actual >= cycles.date - LEAD))
        ours, own = hits(chosen, chosen.date), hits(chosen, chosen.median)
        alert, alert_own = hits(raised, raised.date), hits(raised, raised.median)
        planned = (
            f"{ours.mean():5.3f}  ({own.mean():.3f})  {ours.sum() / total:.3f}  ({own.sum() / total:.3f})"
        )
        sent = f"{alert.mean():5.3f}  ({alert_own.mean():.3f})  {alert.sum() / total:.3f}"
        print(f"{minimum:7.2f} | {len(ours):15,} {planned} | {len(alert):14,} {sent}")


def report_calibration(cycles: Cycles, span: int) -> None:
    """Said against seen, for cycles watched `span` days or more, so that long ones are not missed."""
    cycles = select(cycles, cycles.watched >= span)
    inside = (cycles.actual >= cycles.low) & (cycles.actual <= cycles.high)
    print(
        f"\n{len(cycles.date):,} cycles watched {span} days: 80 % interval holds {inside.mean():.3f},",
        end=" ",
    )
    print(
        f"below {np.mean(cycles.actual < cycles.low):.3f}, above {np.mean(cycles.actual > cycles.high):.3f}"
    )
    alive = cycles.actual >= cycles.date - LEAD
    for name, chance, which in (
        ("planned", cycles.chance, alive | True),
        ("raised", cycles.raised_chance, alive),
    ):
        hit, said = hits(cycles, cycles.date)[which], chance[which]
        bins = np.minimum((said * 10).astype(np.int64), 9)
        cells = [f"{said[bins == b].mean():.2f}>{hit[bins == b].mean():.2f}" for b in np.unique(bins)]
        print(f"  {name}: hit chance said > seen, by tenth: {' '.join(cells)}")


def report_brier(replay: Replay, trips: exact.Trips) -> None:
    """Who buys within a horizon of the cut, among pairs with three or more purchase days."""
    chosen = replay.cells[:, Statistic.PURCHASES] >= MINIMUM_PURCHASES
    cells, today = replay.cells[chosen], replay.end - 1
    prior = replay.priors.of(replay.categories[chosen])
    starts = exact.starts_of(replay.trips)[chosen]
    pairs = replay.trips.customers[starts] * 10_000 + replay.trips.categories[starts]
    elapsed = today - cells[:, Statistic.LAST_DAY].astype(np.float64)
    last = np.flatnonzero(np.append(np.diff(replay.pairs), 1))[chosen]
    due = replay.medians[last] - elapsed
    day = today - exact.FIRST_DAY
    print(f"\n{len(cells):,} pairs at the end of day {day}; Brier score (mean said - mean seen)")
    soon = (trips.days > today) & (trips.days <= today + max(HORIZONS))
    keys, days = trips.customers[soon] * 10_000 + trips.categories[soon], trips.days[soon]
    for horizon in HORIZONS:
        seen = np.isin(pairs, keys[days <= today + horizon]).astype(np.float64)
        late = (due >= 0) & (due <= horizon)
        said = {
            "base rate": np.full(len(seen), seen.mean()),
            "median": np.where(late, seen[late].mean(), seen[~late].mean()),
            "renewal": renewal_probability(interval_posterior(cells, prior), elapsed, horizon),
            "Gamma-Poisson": gamma_poisson_probability(cells, prior, elapsed, horizon),
            "combined": purchase_probability(cells, prior, elapsed, horizon),
        }
        figures = (
            f"{name} {np.mean((p - seen) ** 2):.4f} ({p.mean() - seen.mean():+.3f})"
            for name, p in said.items()
        )
        print(f"  {horizon:2} days: {', '.join(figures)}")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--last-week", type=int, default=40, help="alerts: the last week looked at")
    parser.add_argument("--cut-week", type=int, default=32, help="probabilities: the last week known")
    options = parser.parse_args()
    trips = exact.trips(exact.complete_journey(), (*NOT_CONSUMED, ""))
    cycles = Replay(trips, exact.week_end(options.last_week)).run()
    report_dates(cycles)
    report_calibration(cycles, span=84)
    cut = Replay(trips, exact.week_end(options.cut_week))
    cut.run()
    report_brier(cut, trips)


if __name__ == "__main__":
    main()
