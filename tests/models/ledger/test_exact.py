"""The ledger over the real data against the exact batch computation of the same numbers.

Two replays of the first `DAYS` days. One of every household: purchase days, spend, segments, and the cells of
those households whose row had room for all that they bought. One of these households alone, so that nothing
was ever evicted: priors, probabilities and dates, which learn from everybody's cells.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from scipy import special, stats

from models.learning import intervals as consumption
from models.learning.calibration import Calibration
from models.learning.intervals import purchase_probability
from models.learning.rfm import SEGMENTS, label
from models.ledger.ledger import Ledger
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.settings import NOT_CONSUMED, LedgerSettings
from models.state.calendar import day_number
from models.state.columns import MOST_CELLS, MOST_OPEN_LINES, Cycle
from models.state.habits import statistics_of
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks
from tests.support.ledgers import exact
from tests.support.ledgers.logs import Replay, drive, edited

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

DAYS = 90
END = exact.FIRST_DAY + DAYS
"""The first day that is not replayed."""
EXACT_DAY = day_number(exact.EPOCH)
"""What a day number of the batch computation lacks to be one of the models."""
SETTINGS = LedgerSettings(time_zone="America/New_York")
EDITED = 40
"""One basket of so many comes a second time, edited: the numbers must be those of the first."""
STEPPED = 3e-3
"""Share by which a chance may differ because cells hold whole steps (`models.learning.intervals.STEPS`)."""
AT_ONCE = 2_000
"""Records decoded in one go."""


class Cells(NamedTuple):
    """The cells of some households, ordered by household and by category as the batch computation does."""

    customers: NDArray[np.int64]
    categories: NDArray[np.int64]
    records: NDArray[Any]


class Run(NamedTuple):
    """A ledger after the days, and all that came out of it."""

    state: State
    replay: Replay


@cache
def lines() -> exact.Lines:
    """The lines of the days replayed."""
    every = exact.complete_journey()
    early = every.days < END
    return exact.Lines(
        customers=every.customers[early],
        baskets=every.baskets[early],
        times=every.times[early],
        days=every.days[early],
        categories=every.categories[early],
        quantities=every.quantities[early],
        spends=every.spends[early],
        names=every.names,
    )


@cache
def trips() -> exact.Trips:
    return exact.trips(lines(), NOT_CONSUMED)


@cache
def roomy() -> NDArray[np.int64]:
    """Households whose row had room for all, and who bought nothing without a category of its own."""
    every, bought = lines(), trips()
    pairs = np.unique(bought.customers * len(every.names) + bought.categories)
    who, categories = np.unique(pairs // len(every.names), return_counts=True)
    visits, day_lines = np.unique(every.customers * exact.DAYS + every.days, return_counts=True)
    crowded = visits[day_lines > MOST_OPEN_LINES] // exact.DAYS
    nameless = every.customers[every.categories == every.names.index("")]
    fits = who[categories <= MOST_CELLS]
    return fits[~np.isin(fits, crowded) & ~np.isin(fits, nameless)]


def run(customers: set[bytes] | None = None) -> Run:
    """Replay the days, ticks and all, for everybody or for some."""
    decoder, ledger, replay = Decoder(SETTINGS), Ledger(SETTINGS), Replay()
    log = []
    for number, feed in enumerate(with_ticks(CompleteJourney(days=DAYS), SETTINGS)):
        if feed.key is None or customers is None or feed.key in customers:
            log.append(feed.value)
            if feed.key is not None and not number % EDITED:
                log.append(edited(feed.value))
    for first in range(0, len(log), AT_ONCE):
        values = enumerate(log[first : first + AT_ONCE], first)
        records, refusals = decoder.decode([Raw(offset, value, UNKNOWN_TIME) for offset, value in values])
        assert not refusals
        drive(ledger, records, replay)
    drive(ledger, records.slice(0, 0), replay, finish=True)
    return Run(ledger._state, replay)


@pytest.fixture(scope="module")
def everybody() -> Run:
    return run()


@pytest.fixture(scope="module")
def kept() -> Run:
    with pytest.MonkeyPatch.context() as patch:
        # What came of alerts corrects no chance here: these are the models' own.
        patch.setattr(Calibration, "learnt", lambda self, *_, **__: self)
        return run({str(number).encode() for number in roomy().tolist()})


def cells_of(state: State, households: NDArray[np.int64]) -> Cells:
    """Every cell of some households."""
    names = {name: number for number, name in enumerate(lines().names)}
    rows = np.array([state.rows[str(number).encode()] for number in households.tolist()], np.int64)
    owners, positions = state.cells.positions(rows)
    records = state.cells.records[positions]
    categories = np.array([names[state.category_names.name(int(n))] for n in records["category"]], np.int64)
    order = np.lexsort((categories, households[owners]))
    return Cells(households[owners][order], categories[order], records[order])


def pairs_of(households: NDArray[np.int64], day: int = END) -> exact.Pairs:
    """The exact statistics of some households as of a day."""
    return exact.statistics(of_households(exact.before(trips(), day), households))


def of_households(bought: exact.Trips, households: NDArray[np.int64]) -> exact.Trips:
    """The trips of some households."""
    some = np.isin(bought.customers, households)
    return exact.Trips(
        bought.customers[some], bought.categories[some], bought.days[some], bought.quantities[some]
    )


def kept_trips() -> exact.Trips:
    return of_households(trips(), roomy())


def priors_at(boundary: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the boundary of a day works with: learnt until the boundary before, which closed day - 1."""
    return exact.category_priors(kept_trips(), len(lines().names), boundary)


def chance_of_a_trip(
    pairs: exact.Pairs, prior: tuple[NDArray[np.float64], NDArray[np.float64]], boundary: int, horizon: int
) -> NDArray[np.float64]:
    """P(a trip within the horizon given none since), by scipy: the mean of both models' logits."""
    location, spread = exact.posteriors(pairs, *prior)
    elapsed = boundary - pairs.last_day
    lapse = consumption.LAPSE
    alive = [
        np.where(
            days >= 1,
            lapse + (1 - lapse) * stats.lognorm.sf(np.maximum(days, 1) + 0.5, spread, scale=np.exp(location)),
            1.0,
        )
        for days in (elapsed, elapsed + horizon)
    ]
    renewal = 1 - alive[1] / alive[0]
    shape, watched = rate_of_trips(pairs, prior, elapsed)
    poisson = 1 - (watched / (watched + horizon)) ** shape
    logits = [special.logit(np.clip(chance, 1e-6, 1 - 1e-6)) for chance in (renewal, poisson)]
    chance: NDArray[np.float64] = special.expit((logits[0] + logits[1]) / 2)
    return chance


def rate_of_trips(
    pairs: exact.Pairs, prior: tuple[NDArray[np.float64], NDArray[np.float64]], elapsed: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shape and days of the Gamma posterior of the rate of each pair, some days behind its last trip."""
    half_life = consumption.RATE_HALF_LIFE
    age = pairs.last_day + elapsed - pairs.first_day
    count = np.maximum(pairs.decayed[:, 2] * 2.0 ** (-elapsed / half_life) - 2.0 ** (-age / half_life), 0)
    watched = half_life / np.log(2) * (1 - 2.0 ** (-age / half_life)) + consumption.RATE_PRIOR_DAYS
    rate = consumption.RATE_PRIOR_FACTOR * np.exp(-prior[0][pairs.categories])
    return count + consumption.RATE_PRIOR_DAYS * rate, watched


def compare_cells(state: State) -> int:
    """Assert that every cell of the roomy households is exact; tells how many there are."""
    found, whole = cells_of(state, roomy()), pairs_of(roomy())
    np.testing.assert_array_equal(found.customers, whole.customers)
    np.testing.assert_array_equal(found.categories, whole.categories)
    np.testing.assert_array_equal(found.records["purchases"], whole.purchases)
    np.testing.assert_array_equal(found.records["last_interval"], whole.last_interval)
    for column in ("first_day", "last_day"):
        np.testing.assert_array_equal(found.records[column], getattr(whole, column) + EXACT_DAY)
    exact.assert_statistics(statistics_of(found.records), whole)
    return len(found.customers)


def test_cells_of_households_with_room_for_all_are_exact(everybody: Run) -> None:
    assert everybody.replay.counts["evicted_categories"] > 0
    assert everybody.replay.counts["changed"] == len(everybody.replay.refusals) > 500
    assert compare_cells(everybody.state) > 30_000


def test_a_household_s_cells_do_not_depend_on_who_else_is_there(kept: Run) -> None:
    assert kept.replay.counts["evicted_categories"] == 0
    assert compare_cells(kept.state) > 30_000


def test_purchase_days_spend_and_last_purchase_are_exact_for_everybody(everybody: Run) -> None:
    known = exact.customers(lines())
    state = everybody.state
    assert len(state.ids) == len(known.customers) > 2_000
    rows = np.array([state.rows[str(number).encode()] for number in known.customers.tolist()])
    standing = state.standing(rows)
    np.testing.assert_array_equal(standing.last_purchase, known.last_purchase)
    np.testing.assert_array_equal(standing.frequency, known.frequency)
    np.testing.assert_array_equal(standing.spend, known.spend)
    baskets = np.unique(lines().baskets, return_index=True)[1]
    counts = Counter(lines().customers[baskets].tolist())
    assert state.customers["baskets"][rows].tolist() == [counts[who] for who in known.customers.tolist()]
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, np.searchsorted(known.customers, lines().customers), lines().times)
    np.testing.assert_array_equal(state.customers["first_purchase"][rows], first)


def test_labels_are_those_of_exact_quintiles(everybody: Run) -> None:
    known, state = exact.customers(lines()), everybody.state
    rows = np.array([state.rows[str(number).encode()] for number in known.customers.tolist()])
    cuts = state.histograms.thresholds()
    assert cuts is not None
    labels = label(*cuts.scores(state.standing(rows)))
    assert np.mean(labels == exact.rfm_labels(known)) >= 0.998


def test_reported_segments_are_near_the_exact_labels_and_true_to_size(everybody: Run) -> None:
    known, state = exact.customers(lines()), everybody.state
    rows = np.array([state.rows[str(number).encode()] for number in known.customers.tolist()])
    segments, labels = state.customers["segment"][rows], exact.rfm_labels(known)
    assert np.all(segments >= 0)
    assert np.mean(segments == labels) >= 0.5
    shares = [np.bincount(each, minlength=len(SEGMENTS)) / len(rows) for each in (segments, labels)]
    common = shares[1] >= 0.05
    ratio = shares[0][common] / shares[1][common]
    assert np.all((ratio > 1 / 1.6) & (ratio < 1.6)), ratio


def test_reported_segments_do_not_flap(everybody: Run) -> None:
    changes = [change for change in everybody.replay.values("segment-changes") if change["from"] is not None]
    months = DAYS / (365 / 12)
    assert 0 < len(changes) / len(everybody.state.ids) / months < 2


def test_priors_are_those_learnt_until_the_boundary_before(kept: Run) -> None:
    location, variance = priors_at(END - 1)
    names = lines().names
    seen = np.unique(kept_trips().categories)
    numbers = kept.state.category_names.find([names[category] for category in seen.tolist()])
    prior = kept.state.priors.of(numbers)
    np.testing.assert_allclose(prior.location, location[seen], rtol=1e-4)
    np.testing.assert_allclose(prior.variance, variance[seen], rtol=1e-4)
    too_early, _ = priors_at(END)
    assert np.abs(too_early[seen] - location[seen]).max() > 1e-4


def test_probabilities_of_a_purchase_are_the_closed_forms_of_every_cell(kept: Run) -> None:
    found, whole = cells_of(kept.state, roomy()), pairs_of(roomy())
    prior = kept.state.priors.of(found.records["category"])
    elapsed = END - 1 + EXACT_DAY - found.records["last_day"].astype(np.int64)
    for horizon in (7, 14, 28):
        chance = purchase_probability(statistics_of(found.records), prior, elapsed, horizon)
        wanted = chance_of_a_trip(whole, priors_at(END - 1), END - 1, horizon)
        np.testing.assert_allclose(chance, wanted, rtol=STEPPED)


def test_dates_are_the_first_likely_enough_of_an_exhaustive_search_with_the_priors_of_their_day(
    kept: Run,
) -> None:
    found, whole = cells_of(kept.state, roomy()), pairs_of(roomy())
    lead, grace = SETTINGS.alert_lead_days, SETTINGS.alert_grace_days
    some = np.random.default_rng(1).choice(np.flatnonzero(whole.purchases >= 3), 500, replace=False)
    chosen = np.union1d(some, np.flatnonzero(found.records["alert"] == Cycle.PLANNED))
    same = planned = 0
    for day in np.unique(whole.last_day[chosen]).tolist():
        prior = priors_at(day)
        location, spread = exact.posteriors(whole, *prior)
        shape, watched = rate_of_trips(whole, prior, np.zeros(len(whole.last_day), np.int64))
        for cell in chosen[whole.last_day[chosen] == day].tolist():
            chances, share = exact.window_chances(
                location[cell], spread[cell], lead + grace + 1, shape[cell] / watched[cell]
            )
            least = max(SETTINGS.alert_minimum_probability, SETTINGS.alert_minimum_lift * share)
            enough = np.flatnonzero(chances >= least)
            if found.records["alert"][cell] != Cycle.PLANNED:
                due = len(enough) > 0 and day + int(enough[0]) <= END
                assert due or chances.max() < least + 0.003
                continue
            planned += 1
            ahead = int(found.records["best_day"][cell]) - (day + EXACT_DAY) - lead - 1
            assert chances[ahead] >= least - 0.003
            assert chances[:ahead].max(initial=0.0) < least + 0.003
            same += len(enough) > 0 and ahead == enough[0]
    assert planned > 15
    assert same >= 0.9 * planned


@pytest.mark.parametrize("ago", [1, 20, 45])
def test_raised_alerts_say_what_the_batch_computation_says(kept: Run, ago: int) -> None:
    boundary = END - ago
    cause = f"boundary:{(exact.EPOCH + dt.timedelta(days=boundary)).isoformat()}"
    whole, prior = pairs_of(roomy(), boundary + 1), priors_at(boundary)
    place = {
        (who, lines().names[what]): index
        for index, (who, what) in enumerate(
            zip(whole.customers.tolist(), whole.categories.tolist(), strict=True)
        )
    }
    raised: list[Any] = [
        event
        for event in kept.replay.values("replenishment-alerts")
        if "alert_id" in event and event["state"] == "raised" and event["cause"] == cause
    ]
    assert len(raised) > 50
    soon = chance_of_a_trip(whole, prior, boundary, 7)
    for alert in raised:
        at = place[int(alert["customer_id"]), alert["category"]]
        evidence = alert["evidence"]
        last = (dt.date.fromisoformat(evidence["last_purchase"]) - exact.EPOCH).days
        assert evidence["purchases_seen"] == whole.purchases[at]
        assert last == whole.last_day[at]
        typical = np.exp(whole.mean_log[at])
        assert evidence["typical_interval_days"] == pytest.approx(
            typical, abs=0.005 + exact.MEAN_LOG_OFF * typical
        )
        assert evidence["usual_quantity"] == pytest.approx(
            whole.quantity[at], rel=exact.QUANTITY_OFF, abs=0.001
        )
        assert abs(alert["probability_7_days"] - soon[at]) < 0.5e-4 + STEPPED * soon[at]  # four decimals
        best = (dt.date.fromisoformat(alert["best_date"]) - exact.EPOCH).days
        assert best - SETTINGS.alert_lead_days - 1 <= boundary < best + SETTINGS.alert_grace_days
