"""Events of recommendations: each item with its score, and with the figures that a person would ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.contracts.encoding import (
    RECOMMENDATION,
    block_of,
    numbers_as_json,
    quoted,
    text_as_json,
)
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.learning.intervals import Statistic, observe, purchase_probability
from models.learning.rfm import SEGMENTS
from models.memory import structured
from models.memory.groups import look_up, places_of
from models.recommendations.products import likeliest, own_products, usual_products
from models.state.calendar import date_text
from models.state.columns import NO_SEGMENT
from models.state.habits import RECENT_TRIPS, statistics_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.recommendations.found import Recommended, Visits
    from models.recommendations.products import OwnProducts
    from models.records.columns import Records
    from models.state.state import State
    from models.state.step import Step

    Integers = NDArray[np.int64]

MODEL_VERSION = "next-trip-3"
"""Version of the model, which changes with every formula or constant that a recommendation depends on."""
VALID_DAYS = 28
"""Days after which a recommendation is stale, unless a newer one replaced it earlier."""
SHOWN_TRIPS = 12
"""Trips that the evidence covers. A cell remembers more trips than these."""
PROBABILITY_DAYS = 7
RHYTHM_ENDS = 2
"""Typical intervals since the last purchase after which a rhythm has ended, and no longer explains a
recommendation."""
_POPULAR = ("popular", "popular in your segment")
"""Bases without a history: for a customer without a segment, and for a customer with one."""
_SEGMENTS = [*(quoted(segment) for segment in SEGMENTS), "null"]
"""Segments as JSON. The last entry is that of `NO_SEGMENT`, which indexes from the end."""


class _Habits(NamedTuple):
    """Figures of n recommended repeats."""

    trips_with: list[int]
    """Trips with the category among the last `trips` trips."""
    trips: list[int]
    last_day: list[int]
    elapsed: list[int]
    """Days since the last purchase."""
    chances: list[str]
    """Probability of a purchase within 7 days, as JSON."""
    days: list[int]
    """Business days with the category since the first."""
    intervals: list[float]
    """Typical days between two purchase days; 0 with only one purchase day."""


class _Ground(NamedTuple):
    """Text pieces of a repeat's explanation, into which the caller writes the day of the last purchase."""

    reason: str
    """Beginning of the sentence."""
    trips: str
    """Beginning of the evidence, as JSON."""
    more: str
    """End of the evidence, as JSON."""


def emit(step: Step, records: Records, visits: Visits, found: Recommended, said: Integers) -> None:
    """Emit one recommendation event for each chosen customer.

    Args:
        step: Step being computed.
        records: Run of records.
        visits: Baskets of k customers that caused the recommendations.
        found: Recommendations found for the k customers.
        said: (m,) indexes of the customers to send to, of `visits`.
    """
    state, times = step.state, records.occurred_at
    # Stage 1: leave out history, because it is only counted, and writing its text would be wasted work.
    if state.clock.wall or state.clock.live_at is not None:
        told = [not state.clock.is_history(at) for at in times[visits.which[said]].tolist()]
        step.counts["suppressed"] += len(said) - sum(told)
        said = said[told]
    boundary_text = state.calendar.boundary_text
    which, rows, days = visits.which[said], visits.rows[said], visits.days[said]
    # Stage 2: (i,) items and (p,) products of all customers in order of customer and place; `ends` and
    # `product_ends` give where each list ends.
    own = own_products(state, visits, said)
    something = found.categories[said] > 0
    items = _items(state, visits, found, said, own)
    repeats = np.any(~found.new[said] & something, axis=1)
    ends = np.cumsum(something.sum(axis=1)).tolist()
    best = likeliest(own, len(said))
    products = _products(state, own, best[best >= 0])
    product_ends = np.cumsum((best >= 0).sum(axis=1)).tolist()
    # Stage 3: one JSON text per customer, written directly, because building a contract's model would cost
    # more than the rest of a basket.
    customers = [state.ids[row] for row in rows.tolist()]
    causes = [records.event_ids[record] for record in which.tolist()]
    first, first_product, values, occurred_at = 0, 0, list[bytes](), times[which].tolist()
    for customer, cause, day, end, product_end, known, segment, at in zip(
        customers,
        causes,
        days.tolist(),
        ends,
        product_ends,
        repeats.tolist(),
        state.customers["segment"][rows].tolist(),
        occurred_at,
        strict=True,
    ):
        basis = "history" if known else _POPULAR[segment != NO_SEGMENT]
        value = (
            f'{{"customer_id":{text_as_json(customer.decode())},"items":[{",".join(items[first:end])}],'
            f'"products":[{",".join(products[first_product:product_end])}],'
            f'"basis":"{basis}","segment":{_SEGMENTS[segment]},'
            f'"valid_until":"{boundary_text(day + VALID_DAYS)}","cause":{text_as_json(cause)},'
            f'"occurred_at":"{time_text(at)}","model_version":"{MODEL_VERSION}"}}'
        )
        first, first_product = end, product_end
        values.append(value.encode())
    # Stage 4: ids derive from the causing record, so that a replay emits equal ids.
    identities = event_ids(RECOMMENDATION.type_, customers, [""] * len(customers), causes, "")
    source = state.settings.event_source
    step.emit(block_of(RECOMMENDATION, customers, identities, values, times=occurred_at, source=source))


def _items(state: State, visits: Visits, found: Recommended, said: Integers, own: OwnProducts) -> list[str]:
    """Write the items of events as JSON, in order of customer and place.

    Args:
        state: State of the partition.
        visits: Baskets of k customers.
        found: Recommendations found for the k customers.
        said: (m,) indexes of the customers to send to, of `visits`.
        own: Products of the m customers.
    """
    # Stage 1: split the (i,) items into repeats and discoveries, because their evidence differs.
    whose, places = np.nonzero(found.categories[said] > 0)
    owners = said[whose]
    categories, new = found.categories[owners, places], found.new[owners, places]
    scores = found.scores[owners, places]
    repeats, discoveries = places_of(~new), places_of(new)
    which = owners[repeats], categories[repeats]
    habits = _habits(state, visits, *which, found.cells[owners, places][repeats])
    repeated = _repeats(
        state.category_names.names(which[1].tolist()),
        _product_fields(state, usual_products(state, own, whose[repeats], which[1])),
        _decimals(scores[repeats]),
        habits,
        _grounds(state, visits.rows[which[0]], which[1], habits),
    )
    # Stage 2: without discoveries, the repeats are in order already.
    if not len(discoveries):
        return repeated
    at = owners[discoveries], places[discoveries]
    discovered = _discoveries(
        state.category_names.names(categories[discoveries].tolist()),
        _decimals(scores[discoveries]),
        np.round(found.shares[at].astype(np.float64), 4).tolist(),
        state.category_names.names(found.partners[at].tolist()),
        state.customers["segment"][visits.rows[at[0]]].tolist(),
    )
    # Stage 3: put both kinds back into the (i,) order of the lists.
    items = [""] * len(new)
    for kind, of_kind in ((repeats, repeated), (discoveries, discovered)):
        for place, item in zip(kind.tolist(), of_kind, strict=True):
            items[place] = item
    return items


def _products(state: State, own: OwnProducts, places: Integers) -> list[str]:
    """Write some of the products of events as JSON.

    Args:
        state: State of the partition.
        own: Products of customers.
        places: (p,) places in `own`.
    """
    categories = state.category_names.names(own.categories[places].tolist())
    trips = numbers_as_json(np.round(own.counts[places], 2).tolist())
    return [
        f'{{{product},"category":{quoted(category)},"score":{score},"trips":{count},'
        f'"last_bought":"{date_text(last)}"}}'
        for product, category, score, count, last in zip(
            _product_fields(state, own.products[places].tolist()),
            categories,
            _decimals(own.scores[places]),
            trips,
            own.last_days[places].tolist(),
            strict=True,
        )
    ]


def _product_fields(state: State, products: list[int]) -> list[str]:
    """Write the fields of each product (number) as JSON; number 0 stands for no product."""
    said = [quoted(product) if product else "null" for product in state.product_names.names(products)]
    if not state.catalogue:
        return [f'"product_id":{product},"product_name":null' for product in said]
    names = map(state.catalogue.name, products)
    return [
        f'"product_id":{product},"product_name":{"null" if name is None else quoted(name)}'
        for product, name in zip(said, names, strict=True)
    ]


def _repeats(
    names: list[str], products: list[str], scores: list[str], habits: _Habits, grounds: list[_Ground]
) -> list[str]:
    agos = [_AGO[days] if days < len(_AGO) else _ago(days) for days in habits.elapsed]
    return [
        f'{{"category":{quoted(name)},"kind":"repeat",{product},"score":{score},'
        f'"reason":"{ground.reason}, last {ago}","evidence":{{{ground.trips},'
        f'"last_purchase":"{date_text(last)}","probability_7_days":{chance}{ground.more}}}}}'
        for name, product, score, ground, ago, last, chance in zip(
            names, products, scores, grounds, agos, habits.last_day, habits.chances, strict=True
        )
    ]


def _grounds(state: State, rows: Integers, categories: Integers, habits: _Habits) -> list[_Ground]:
    """Explain each of n repeats by the last trips, or by older purchases if no last trip holds it.

    Args:
        state: State of the partition.
        rows: (n,) rows of customers.
        categories: (n,) category numbers.
        habits: Figures of the repeats.
    """
    grounds = [
        _RECENT[trips_with][trips] for trips_with, trips in zip(habits.trips_with, habits.trips, strict=True)
    ]
    for place, trips_with in enumerate(habits.trips_with):
        if not trips_with:
            segment = int(state.customers["segment"][rows[place]])
            shares = state.assortment.shares[segment if segment != NO_SEGMENT else -1]
            share = float(shares[min(int(categories[place]), len(shares) - 1)])
            grounds[place] = _past(habits, place, share, SEGMENTS[segment] if segment != NO_SEGMENT else None)
    return grounds


def _past(habits: _Habits, place: int, share: float, segment: str | None) -> _Ground:
    """Explain a repeat that none of the last trips holds.

    A rhythm that has not ended explains the repeat alone. Otherwise the score rests on other customers' trips
    as much as on the customer's own past, and the sentence names both.
    """
    days, interval = habits.days[place], habits.intervals[place]
    bought = "1 day" if days == 1 else f"{days} days"
    if 0 < habits.elapsed[place] <= RHYTHM_ENDS * interval:
        every = "day" if round(interval) <= 1 else f"{round(interval)} days"
        reason = f"Bought on {bought}, about every {every}"
    elif share > 0:
        reason = f"Bought on {percent(share)} of {_trips_of(segment)}, and by you on {bought}"
    else:
        reason = f"Bought on {bought}"
    typical = repr(round(interval, 2)) if interval else "null"
    among = "null" if segment is None else quoted(segment)
    return _Ground(
        reason,
        _trips_json(0, habits.trips[place]),
        f',"purchase_days":{days},"typical_interval_days":{typical},"segment":{among},'
        f'"share":{round(share, 4)!r}',
    )


def _discoveries(
    names: list[str], scores: list[str], shares: list[float], partners: list[str], segments: list[int]
) -> list[str]:
    items: list[str] = []
    for name, score, share, partner, segment in zip(names, scores, shares, partners, segments, strict=True):
        among = None if partner or segment == NO_SEGMENT else SEGMENTS[segment]
        if partner:
            why = f"Bought with {partner} by {percent(share)} of those who buy {partner}"
        else:
            why = f"Bought on {percent(share)} of {_trips_of(among)}"
        items.append(
            f'{{"category":{quoted(name)},"kind":"discover","product_id":null,"product_name":null,"score":{score},'
            f'"reason":{quoted(why)},"evidence":{{"bought_with":{quoted(partner) if partner else "null"},'
            f'"segment":{"null" if among is None else quoted(among)},"share":{share!r}}}}}'
        )
    return items


def _decimals(shares: NDArray[Any]) -> list[str]:
    """Write numbers from 0 to 1 as JSON, rounded to four decimals."""
    return [_DECIMALS[step] for step in np.rint(shares.astype(np.float64) * _STEPS).astype(np.int64).tolist()]


def percent(share: float) -> str:
    """Write a share above 0 as a percentage that is not 0.

    >>> percent(0.42), percent(0.0042), percent(0.00001)
    ('42%', '0.4%', 'less than 0.1%')
    """
    if share >= 0.01:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _trips_of(segment: str | None) -> str:
    return "all trips" if segment is None else f"the trips of {segment}"


def _trips_json(trips_with: int, trips: int) -> str:
    return f'"trips_with":{trips_with},"trips":{trips}'


def _ago(days: int) -> str:
    if days == 0:
        return "today"
    return "yesterday" if days == 1 else f"{days} days ago"


_AGO = [_ago(days) for days in range(100)]
_STEPS = 10_000
_DECIMALS = [repr(step / _STEPS) for step in range(_STEPS + 1)]
_RECENT = [
    [
        _Ground(f"Bought on {trips_with} of your last {trips} trips", _trips_json(trips_with, trips), "")
        for trips in range(SHOWN_TRIPS + 1)
    ]
    for trips_with in range(SHOWN_TRIPS + 1)
]
"""Table of explanations, which fit nearly every item: a look-up takes a third of the time of writing one."""


def _habits(state: State, visits: Visits, owners: Integers, categories: Integers, cells: Integers) -> _Habits:
    """Compute the figures of habits as if the open days were closed.

    Args:
        state: State of the partition.
        visits: Baskets of k customers.
        owners: (n,) index of each habit's customer in `visits`.
        categories: (n,) category numbers.
        cells: (n,) position of each habit's cell in its arena; -1 without a cell.
    """
    # Stage 1: (n, 11) statistics and (n,) bits of recent trips as folded. A habit without a cell begins at
    # zeros.
    rows, trips, known = visits.rows, visits.trips, cells >= 0
    statistics = np.zeros((len(cells), len(Statistic)), np.float32)
    records = structured.take(state.cells.records, cells[known])
    statistics[known] = statistics_of(records)
    recent = np.zeros(len(cells), np.int64)
    recent[known] = records["recent"]
    recent <<= trips.added[owners]
    # Stage 2: observe the purchases on open days, the earlier day first, because an interval ends at the
    # later day.
    open_days = state.customers["open_day"][rows].astype(np.int64)
    wanted = owners << 16 | categories
    for later in (False, True):
        for slot in (0, 1):
            place, bought = look_up(wanted, trips.owners[slot] << 16 | trips.categories[slot])
            now = places_of(bought & (trips.later[owners, 1 - slot] == later))
            if not len(now):
                continue
            quantities = trips.quantities[slot][place[now]] / 1000.0
            statistics[now] = observe(statistics[now], open_days[owners[now], slot], quantities)
            recent[now] |= np.where(trips.later[owners[now], slot], 2, 1)
    # Stage 3: (n,) figures for the evidence, as of the last open day.
    last = statistics[:, Statistic.LAST_DAY].astype(np.int64)
    elapsed = trips.today[owners] - last
    prior = state.priors.of(categories)
    chances = purchase_probability(statistics, prior, elapsed, PROBABILITY_DAYS)
    folded = state.customers["trips"][rows][owners] + trips.added[owners]
    shown = np.minimum(folded, SHOWN_TRIPS)
    days = statistics[:, Statistic.PURCHASES].astype(np.int64)
    mean_log = statistics[:, Statistic.MEAN_LOG].astype(np.float64)
    return _Habits(
        np.bitwise_count(recent & ((1 << shown) - 1) & ((1 << RECENT_TRIPS) - 1)).tolist(),
        shown.tolist(),
        last.tolist(),
        elapsed.tolist(),
        _decimals(chances),
        days.tolist(),
        np.where(days > 1, np.exp(mean_log), 0.0).tolist(),
    )
