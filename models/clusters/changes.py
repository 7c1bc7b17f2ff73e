"""Reported cluster: the cluster that a customer has been nearest to, changed only when another stays nearer.

Clusters are regions of a cloud, not groups apart: who lives between two of them is nearer to one on this day
and to the other on the next. The reported cluster changes after `PATIENCE_DAYS` in which others were nearer
at every boundary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.clusters.features import features_of, known, named, values_of
from models.clusters.names import portraits_of
from models.contracts.encoding import CLUSTER_CHANGE, as_json, block_of
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.learning.clusters import CLUSTERS
from models.state.calendar import boundary_cause, date_text
from models.state.columns import NEVER, NO_CLUSTER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.clusters.names import Portrait
    from models.state.state import State
    from models.state.step import Step

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

PATIENCE_DAYS: Final = 14
"""Days in which others must be nearer before the reported cluster changes. With fewer, more changes are of
customers between two clusters; with more, somebody who shops otherwise now is told of later."""
MODEL_VERSION: Final = "clusters-1"
"""Version of the model, which changes with every definition of the features."""


class _Nearest(NamedTuple):
    """Clusters of k customers at the boundary begun last."""

    clusters: NDArray[np.int8]
    """(k,) to report; `NO_CLUSTER` for none."""
    since: Integers
    """(k,) first boundary at which others were nearer, or `NEVER`."""
    features: Integers
    """(k, f) features, 1/1,024."""
    distances: Reals
    """(k, 8) to each centre."""

    def of(self, which: Integers) -> _Nearest:
        """Return some of the customers."""
        return _Nearest(self.clusters[which], self.since[which], self.features[which], self.distances[which])


def moving(state: State) -> NDArray[np.bool_]:
    """Return (customers,) True for those whose row the boundary begun last changes on account of clusters."""
    if state.clusters is None:
        return np.zeros(len(state.ids), np.bool_)
    return _changed(state, np.arange(len(state.ids)))[0]


def reconsider(step: Step, rows: Integers, boundary: int) -> None:
    """Let reported clusters change at a boundary, and give customers without one their first.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose closed days are folded.
        boundary: Boundary (day).
    """
    state = step.state
    if state.clusters is None:
        return
    changed, nearest = _changed(state, rows)
    at = np.flatnonzero(changed)
    if not len(at):
        return
    before, since = state.customers["cluster"][rows[at]], state.customers["cluster_since"][rows[at]]
    nearest = nearest.of(at)
    state.customers["cluster"][rows[at]] = nearest.clusters
    state.customers["cluster_since"][rows[at]] = nearest.since
    moved = np.flatnonzero(nearest.clusters != before)
    if len(moved):
        _emit(step, _Moved(rows[at[moved]], before[moved], since[moved], nearest.of(moved)), boundary)


def _changed(state: State, rows: Integers) -> tuple[NDArray[np.bool_], _Nearest]:
    """Find what the boundary begun last makes of customers' clusters.

    Args:
        state: State of the partition, with clusters.
        rows: (k,) rows of customers.

    Returns:
        (k,) True where the cluster or its date changes, and all customers' clusters.
    """
    assert state.clusters is not None  # noqa: S101 - callers look first
    held = state.customers["cluster"][rows]
    since = state.customers["cluster_since"][rows].astype(np.int64)
    features = features_of(state, rows, state.clock.begun)
    found, distances = state.clusters.nearest(features)
    away = (held != NO_CLUSTER) & (found != held)
    long = away & (since != NEVER) & (state.clock.begun - since >= PATIENCE_DAYS)
    first = (held == NO_CLUSTER) & known(state, rows)
    after = np.where(first | long, found, held)
    when = np.where(away & ~long, np.where(since == NEVER, state.clock.begun, since), NEVER)
    return (after != held) | (when != since), _Nearest(after, when, features, distances)


class _Moved(NamedTuple):
    """Customers whose cluster changed."""

    rows: Integers
    """(k,) rows of the customers."""
    before: NDArray[np.int8]
    """(k,) clusters reported before, or `NO_CLUSTER`."""
    since: Integers
    """(k,) first boundaries at which others were nearer, or `NEVER`."""
    nearest: _Nearest
    """The new clusters."""


def _emit(step: Step, moved: _Moved, boundary: int) -> None:
    """Emit the changes of k customers that a boundary (day) causes."""
    state = step.state
    assert state.clusters is not None  # noqa: S101 - callers look first
    rows, nearest = moved.rows, moved.nearest
    step.counts["cluster_changes"] += len(rows)
    portraits = portraits_of(state.clusters, named(state.settings))
    customers, at = [state.ids[row] for row in rows.tolist()], state.calendar.boundary(boundary)
    causes = [boundary_cause(boundary)] * len(rows)
    identities = event_ids(CLUSTER_CHANGE.type_, customers, [""] * len(rows), causes, "")
    before, since = moved.before.tolist(), moved.since.tolist()
    places = zip(nearest.clusters.tolist(), nearest.features, nearest.distances, strict=True)
    values = [
        as_json(
            {
                "customer_id": customer.decode(),
                "from": None if old == NO_CLUSTER else _cluster(old, portraits),
                "to": _cluster(new, portraits),
                **_place(new, features, away, portraits, state),
                "distance_from": None if old == NO_CLUSTER else round(float(away[old]), 3),
                "since": None if first == NEVER else date_text(first),
                "cause": causes[0],
                "occurred_at": time_text(at),
                "model_version": MODEL_VERSION,
            }
        )
        for customer, old, first, (new, features, away) in zip(customers, before, since, places, strict=True)
    ]
    times, source = [at] * len(rows), state.settings.event_source
    step.emit(block_of(CLUSTER_CHANGE, customers, identities, values, times=times, source=source))


def clusters_of(state: State, rows: Integers) -> list[dict[str, object] | None]:
    """Describe the reported clusters of k customers; None for those without one."""
    if state.clusters is None:
        return [None] * len(rows)
    portraits = portraits_of(state.clusters, named(state.settings))
    told: list[dict[str, object] | None] = [_cluster(number, portraits) for number in range(CLUSTERS)]
    # The last place answers to `NO_CLUSTER`.
    told.append(None)
    return [told[number] for number in state.customers["cluster"][rows].tolist()]


def describe(state: State, row: int) -> dict[str, object] | None:
    """Describe a customer's reported cluster in JSON-able values, as of the boundary begun last.

    Args:
        state: State of the partition.
        row: Row of the customer.

    Returns:
        The description; None for a customer without a cluster.
    """
    number = int(state.customers["cluster"][row])
    if state.clusters is None or number == NO_CLUSTER:
        return None
    features = features_of(state, np.array([row]), state.clock.begun)
    distances = state.clusters.nearest(features).distances
    portraits = portraits_of(state.clusters, named(state.settings))
    since = int(state.customers["cluster_since"][row])
    return {
        **_cluster(number, portraits),
        **_place(number, features[0], distances[0], portraits, state),
        "others_nearer_since": None if since == NEVER else date_text(since),
    }


def _cluster(number: int, portraits: list[Portrait]) -> dict[str, object]:
    """Describe a cluster: its number from 1 on, its name, and its share of the partition's customers."""
    return {
        "number": number + 1,
        "name": portraits[number].name,
        "share": round(portraits[number].share, 4),
    }


def _place(
    number: int, features: Integers, distances: Reals, portraits: list[Portrait], state: State
) -> dict[str, object]:
    """Tell where a customer stands: features by which the cluster stands out, and how near the second is.

    Args:
        number: Reported cluster.
        features: (f,) features of the customer, 1/1,024.
        distances: (8,) to each centre, standard deviations.
        portraits: All clusters in words.
        state: State of the partition.
    """
    measures = [feature.measure for feature in named(state.settings)]
    own = dict(zip(measures, values_of(features[None])[0].tolist(), strict=True))
    others = [place for place in np.argsort(distances, kind="stable").tolist() if place != number]
    return {
        "traits": [
            {
                "measure": trait.measure,
                "unit": state.settings.currency if trait.unit == "currency" else trait.unit,
                "value": round(own[trait.measure], 3),
                "cluster": trait.value,
                "average": trait.average,
            }
            for trait in portraits[number].traits
        ],
        "distance": round(float(distances[number]), 3),
        "second": _cluster(others[0], portraits),
        "distance_to_second": round(float(distances[others[0]]), 3),
    }
