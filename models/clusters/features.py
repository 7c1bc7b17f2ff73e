"""Features by which customers are clustered, and what a boundary learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.learning.clusters import SCALE, Clusters
from models.state.shopping import HALF_LIVES, Sum, shopping_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.settings import LedgerSettings
    from models.state.shopping import Shopping
    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

LEAST_DAYS: Final = 3
"""Purchase days after which a customer shops in some way that can be told: two intervals."""
DRAWN: Final = 8
"""Customers of whom River learns one at each boundary, by the hash of the id."""
MOST_DRAWN: Final = 128
"""Customers of whom River learns at most at a boundary: it takes 20 us for each."""
_FEWEST_TRIPS: Final = 1 / 64
"""Trips a week below which nobody is told apart. Those who left long ago would be all the spread."""
SHARE: Final = "share_of:"
"""Beginning of the name of a feature that is a group's share of what is bought."""


class Feature(NamedTuple):
    """Feature as people are told of it."""

    measure: str
    """Name in events."""
    unit: str
    """Unit of its value; `currency` stands for the service's."""
    offset: float
    """Added before the logarithm; a feature of which none is taken has NaN here."""


FEATURES: Final = (
    Feature("trips_a_week", "trips", 0.0),
    Feature("basket_value", "currency", 0.0),
    Feature("items", "lines", 0.0),
    Feature("days_between_trips", "days", 1.0),
    Feature("discount_share", "share", float("nan")),
)


def named(settings: LedgerSettings) -> tuple[Feature, ...]:
    """Return the features of a service: five, and one of each group of categories that its settings name."""
    shares = (Feature(f"{SHARE}{name}", "share", float("nan")) for name, _ in settings.category_groups)
    return (*FEATURES, *shares)


def features_of(state: State, rows: Integers, day: int) -> Integers:
    """Return the (k, f) features of customers who have bought, as of a boundary, 1/1,024.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        day: Boundary (day), not before the last day folded.
    """
    features = shopping_features(shopping_of(state, rows, day))
    groups = len(state.settings.category_groups)
    if not groups:
        return features
    # (k, groups) share of the decayed trips with categories that the cells count.
    owners, positions = state.cells.positions(rows)
    cells = state.cells.records
    group, counts = state.category_names.groups[cells["category"][positions]], cells["count"][positions]
    sums = np.bincount(owners * (groups + 1) + group, counts, len(rows) * (groups + 1))
    sums = sums.reshape(len(rows), groups + 1)
    shares = sums[:, 1:] / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    return np.concatenate([features, np.rint(shares * SCALE).astype(np.int64)], axis=1)


def shopping_features(shopping: Shopping) -> Integers:
    """Return the (k, 5) features that purchases alone tell, 1/1,024.

    Logarithms of trips a week, spend and lines a trip, and days between trips, the running ones included, so
    that silence shows; and the share of the prices that discounts took off.
    """
    sums = shopping.sums
    trips = np.maximum(sums[:, Sum.TRIPS], np.finfo(np.float64).tiny)
    # A week more than the customer's age: three trips of a first week are no habit of three a week.
    watched = HALF_LIVES[Sum.TRIPS] / np.log(2)
    watched *= -np.expm1(-(shopping.age + 7) / watched)
    spend, discount = np.maximum(sums[:, Sum.SPEND], 0), np.maximum(sums[:, Sum.DISCOUNT], 0)
    features = np.stack(
        [
            np.log(np.maximum(7 * trips / watched, _FEWEST_TRIPS)),
            np.log(np.maximum(spend / trips, 0.01)),
            np.log(np.maximum(sums[:, Sum.ITEMS] / trips, 1.0)),
            # The first trip has no gap, and the running one is not over: together they make one.
            np.log((sums[:, Sum.GAPS] + shopping.elapsed) / np.maximum(trips, 1.0) + 1),
            discount / np.maximum(spend + discount, 0.01),
        ],
        axis=1,
    )
    steps: Integers = np.rint(features * SCALE).astype(np.int64)
    return steps


def values_of(features: Integers | Reals) -> Reals:
    """Return (k, f) features in their units, from features in 1/1,024.

    >>> np.round(values_of(np.array([[0.0, 4717.0, 2358.0, 2129.0, 102.4]])), 1).tolist()
    [[1.0, 100.1, 10.0, 7.0, 0.1]]
    """
    offsets = np.full(features.shape[1], np.nan)
    offsets[: len(FEATURES)] = [feature.offset for feature in FEATURES]
    plain = features / SCALE
    values: Reals = np.where(np.isnan(offsets), plain, np.exp(plain) - offsets)
    return values


def known(state: State, rows: Integers) -> NDArray[np.bool_]:
    """Return (k,) True for customers of whom enough is known for a cluster."""
    enough: NDArray[np.bool_] = state.standing(rows).frequency >= LEAST_DAYS
    return enough


def learn(state: State, day: int) -> None:
    """Learn clusters at the boundary of a day. The customers' sums do not change, the centres do.

    Args:
        state: State of the partition; its clusters are replaced.
        day: Last day closed.
    """
    everyone = np.arange(len(state.ids))
    rows = everyone[known(state, everyone)]
    features = features_of(state, rows, day)
    if state.clusters is None:
        state.clusters = Clusters.first(features)
        return
    if not len(rows):
        return
    # Draw by hash, and learn in order of id: a customer's row may be another one in another worker.
    hashes = state.customers["drawn"][rows]
    drawn = np.flatnonzero(hashes % DRAWN == day % DRAWN).tolist()
    if len(drawn) > MOST_DRAWN:
        drawn.sort(key=lambda place: (int(hashes[place]), state.ids[rows[place]]))
    drawn = sorted(drawn[:MOST_DRAWN], key=lambda place: state.ids[rows[place]])
    state.clusters = state.clusters.learnt(features, np.array(drawn, np.int64))
