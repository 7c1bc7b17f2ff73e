"""Customers as the ledger sees them as a whole: clusters at some days, and what it expects of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.clusters.features import features_of, known
from models.learning.activity import HORIZON_DAYS
from models.learning.clusters import SCALE
from models.settings import NOT_CONSUMED, SUBCATEGORY
from models.value.foresight import foresee

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from models.contracts.changes import Changes
    from models.state.state import State
    from streams.sources.feed import Feed

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

WEEK: Final = 7


class Clustered(NamedTuple):
    """Customers of one partition with a cluster at the end of a day."""

    households: Integers
    values: Reals
    """(k, f) features, standardised by the partition's customers."""
    clusters: Integers
    """(k,) nearest cluster."""
    centres: Reals
    """(8, f) standardised in the same way."""
    mean: Reals
    """(f,) in the features' units: logarithms, and a share."""
    spread: Reals


class Outlook(NamedTuple):
    """What the ledger expects of customers at the end of a day."""

    households: Integers
    active: Reals
    """Chance of a purchase within 90 days; the mean of all others for those of whom too little is known."""
    spend: Reals
    """Dollars within the days held out."""
    unknown: int
    """Customers of whom too little is known for a chance or a spend."""


def clustered(states: Sequence[State]) -> list[Clustered]:
    """Return the customers of each partition that has clusters."""
    found = []
    for state in states:
        rows = np.arange(len(state.ids))
        rows = rows[known(state, rows)]
        if state.clusters is None or not len(rows):
            continue
        features = features_of(state, rows, state.clock.begun)
        mean, spread = state.clusters.mean, state.clusters.spread
        found.append(
            Clustered(
                np.array([int(state.ids[row]) for row in rows.tolist()]),
                (features - mean) / spread,
                state.clusters.nearest(features).clusters.astype(np.int64),
                (state.clusters.centres - mean) / spread,
                mean / SCALE,
                spread / SCALE,
            )
        )
    return found


class Value:
    """Watcher of a service: asks at the end of one day what it expects of everybody.

    Args:
        last: Last day known.
        held: Days held out.
    """

    def __init__(self, last: int, held: int) -> None:
        self.instants: Sequence[int] = ()
        self.days = {last}
        self.outlook: Outlook | None = None
        self._held = held

    def at_day_end(self, day: int, states: Sequence[State]) -> None:
        """Ask for the chance and the spend of all customers."""
        parts = []
        for state in states if day in self.days else ():
            households = [int(customer) for customer in state.ids]
            parts.append(np.stack([households, *foresee(state, np.arange(len(households)))]))
        if parts:
            households, active, spend = np.concatenate(parts, axis=1)
            unknown = int((np.isnan(active) | np.isnan(spend)).sum())
            order = np.argsort(households)
            active, spend = _filled(active)[order], _filled(spend)[order] * self._held / HORIZON_DAYS
            self.outlook = Outlook(households[order].astype(np.int64), active, spend, unknown)

    def at_instant(self, instant: int, states: Sequence[State]) -> None:
        """Ask nothing."""

    def take(self, changes: Changes) -> None:
        """Raise what a model raised; keep nothing.

        Raises:
            Exception: Whatever a model raised on a customer at a boundary.
        """
        for _, error in changes.passed_over:
            raise error


def _filled(said: Reals) -> Reals:
    """Put the mean of what is said, or 0, where nothing is said."""
    unknown = np.isnan(said)
    return np.where(unknown, 0.0 if unknown.all() else said[~unknown].mean(), said)


def consumed_alone(feeds: Iterable[Feed]) -> Iterator[Feed]:
    """Drop the lines that the protocols drop, and baskets that hold no others."""
    for feed in feeds:
        event = json.loads(feed.value)
        if "items" not in event:
            yield feed
            continue
        kept = [
            line for line in event["items"] if line["category"].partition(SUBCATEGORY)[0] not in NOT_CONSUMED
        ]
        if kept:
            yield feed._replace(value=json.dumps(event | {"items": kept}).encode())
