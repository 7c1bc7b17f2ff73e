"""Changelog rows written: a step's changes, and the rows of a settled state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.contracts.changes import Changes, Row
from models.contracts.event_block import Outputs
from models.memory.rows import (
    ACTIVITY_KEY,
    CALIBRATION_KEY,
    CLOCK_KEY,
    CLUSTERS_KEY,
    POPULARITY_KEY,
    PRIORS_KEY,
    SETTINGS_KEY,
    THRESHOLDS_KEY,
    WATCHES_KEY,
    catalogue_key,
    customer_of,
    dictionary_key,
    habits_key,
    is_habits,
    pairs_key,
    partition_row,
)
from models.state.columns import NEVER
from models.state.customer_rows import days_of, habits_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from models.state.state import State
    from models.state.step import Step

UNRANKED, RANKED = b"\0", b"\1"
"""Bytes of the row of limits: the boundary ranked nobody, or its limits follow."""
CLUSTERLESS = b"\0"
"""Content of the row of clusters while too few customers are known."""


def changes_of(step: Step, applied: int) -> Changes:
    """Return the events and rows that a step has to deliver. The clock row is the last row.

    Args:
        step: Step that has been computed.
        applied: Count of the records that the step accounted for.
    """
    # Customers' rows first, erased customers included.
    state = step.state
    rows = _customers_rows(state, days=step.changed, habits=step.folded)
    rows += step.erased_rows
    # Partition-level rows next, and only those that this step changed.
    rows += [_names_row(*shard) for shard in step.new_names()]
    rows += _catalogue_rows(state, step.new_catalogue_shards())
    if step.settings_adopted:
        rows.append(_settings_row(state))
    if step.boundary_begun:
        rows += _boundary_rows(state)
    # The clock row counts all other rows, so that recovery notices a changelog with missing rows.
    state.clock = replace(state.clock, rows=_rows_stored(state))
    rows.append(Row(CLOCK_KEY, state.clock.encode()))
    return Changes(
        applied=applied,
        outputs=Outputs(step.blocks),
        refusals=tuple(step.refusals),
        misrouted=tuple(step.misrouted),
        rows=tuple(rows),
        counts={name: count for name, count in step.counts.items() if count},
    )


def own_rows(state: State) -> dict[bytes, bytes]:
    """Return the partition-level rows as the changelog holds them.

    Before the first record there are none. A state that is rebuilt in quiet holds the clock row alone.
    """
    if state.clock.offset < 0:
        return {} if state.clock.quiet_offset < 0 else {CLOCK_KEY: state.clock.encode()}
    rows = [_settings_row(state), Row(CLOCK_KEY, state.clock.encode())]
    if state.clock.begun:
        rows += _boundary_rows(state)
    rows += _catalogue_rows(state, state.catalogue.offsets)
    for kind, names in state.dictionaries.items():
        rows += [_names_row(kind, *shard) for shard in names.shards_since(0)]
    return dict(rows)


def rows_of(state: State, keys: Iterable[bytes]) -> list[Row]:
    """Return a settled state's rows of keys, in the order of the keys; unknown keys are left out."""
    wanted = list(keys)
    days = [row for key in wanted if (row := state.rows.get(key)) is not None]
    names = [customer_of(key) or b"" for key in wanted if is_habits(key)]
    habits = np.array([state.rows[name] for name in names if name in state.rows], np.int64)
    habits = habits[state.customers["habits_boundary"][habits] != NEVER]
    held = own_rows(state) | dict(_customers_rows(state, days=np.array(days, np.int64), habits=habits))
    return [Row(key, held[key]) for key in wanted if key in held]


def _customers_rows(state: State, *, days: NDArray[np.int64], habits: NDArray[np.int64]) -> list[Row]:
    """Encode the days of some customers, and the habits of some."""
    rows: list[Row] = []
    # A step of baskets alone folds nobody, and need not pay for it.
    if len(habits):
        rows += [
            Row(habits_key(state.ids[row]), value)
            for row, value in zip(habits.tolist(), habits_of(state, habits), strict=True)
        ]
    if len(days):
        rows += [
            Row(state.ids[row], value) for row, value in zip(days.tolist(), days_of(state, days), strict=True)
        ]
    return rows


def _rows_stored(state: State) -> int:
    """Count the rows, the clock row and habits excepted, that the changelog holds with this step's rows.

    Days name their habits, so that a missing row of habits is noticed without a count. A count of them would
    change within a sweep, and clock rows of equal rank must be equal.

    The settings row comes with the first step. Rows of thresholds, priors, popularity, calibration,
    clusters, activity, watches and pairs come with every boundary.
    """
    own = 1 + (7 + state.pairs.shards if state.clock.begun else 0)
    shards = sum(names.shards for names in state.dictionaries.values())
    return len(state.ids) + own + shards + len(state.catalogue.offsets)


def _names_row(kind: bytes, shard: int, names: bytes) -> Row:
    """Encode a shard of a dictionary. Names are only ever added, so that a shard's length is its rank."""
    return Row(dictionary_key(kind, shard), _own(names, at=len(names)))


def _settings_row(state: State) -> Row:
    return Row(SETTINGS_KEY, _own(state.settings.model_dump_json().encode(), at=state.adopted_at))


def _boundary_rows(state: State) -> list[Row]:
    """Encode the rows that every boundary changes: what it froze, and what it learnt."""
    rows = [_thresholds_row(state), _priors_row(state)]
    rows.append(Row(POPULARITY_KEY, _own(state.popularity.encode(), at=state.clock.begun)))
    rows.append(Row(CALIBRATION_KEY, _own(state.calibration.encode(), at=state.clock.begun)))
    clusters = CLUSTERLESS if state.clusters is None else state.clusters.encode()
    rows.append(Row(CLUSTERS_KEY, _own(clusters, at=state.clock.begun)))
    rows.append(Row(ACTIVITY_KEY, _own(state.activity.encode(), at=state.clock.begun)))
    rows.append(Row(WATCHES_KEY, _own(state.watches.encode(), at=state.clock.begun)))
    rows += [
        Row(pairs_key(shard), _own(counts, at=state.clock.begun))
        for shard, counts in enumerate(state.pairs.encode())
    ]
    return rows


def _catalogue_rows(state: State, shards: Iterable[int]) -> list[Row]:
    """Encode shards of the catalogue.

    A shard's rank is the offset of the record that last changed the shard.
    """
    catalogue = state.catalogue
    return [
        Row(
            catalogue_key(shard),
            partition_row(catalogue.encode(shard), offset=catalogue.offsets[shard], boundary=0),
        )
        for shard in shards
    ]


def _thresholds_row(state: State) -> Row:
    limits = UNRANKED if state.limits is None else RANKED + state.limits.encode()
    return Row(THRESHOLDS_KEY, _own(limits, at=state.clock.begun))


def _priors_row(state: State) -> Row:
    learnt = state.learnt_until.to_bytes(4, "little") + state.priors.encode()
    return Row(PRIORS_KEY, _own(learnt, at=state.clock.begun))


def _own(payload: bytes, *, at: int) -> bytes:
    """Encode a partition-level row whose rank is `at`, never the source offset.

    A rank by source offset would depend on where batches are cut.

    Args:
        payload: Encoded content.
        at: Boundary (day) at which the content was made, or the size of the content.
    """
    return partition_row(payload, offset=0, boundary=at)
