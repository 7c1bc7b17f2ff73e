"""A step's changes as rows, and a ledger back from its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models import alerts, boundaries
from models.calendar import calendar_of
from models.changes import Changes, Row
from models.clock import Clock
from models.priors import Priors
from models.rows import (
    CLOCK_KEY,
    PRIORS_KEY,
    SETTINGS_KEY,
    THRESHOLDS_KEY,
    RowError,
    dictionary_key,
    header,
    own_payload,
    own_row,
)
from models.segments import Thresholds
from models.settings import LedgerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.dictionary import Dictionary
    from models.state import State
    from models.step import Step

_CATEGORIES, _PRODUCTS = b"categories", b"products"
_UNRANKED = b"\0"
_RANKED = b"\1"


class LedgerConflict(ValueError):  # noqa: N818 - two settings conflict; nothing went wrong at run time
    """Rows that were written for another partition count or another kind of clock."""


def changes_of(step: Step, applied: int) -> Changes:
    """What a step has to deliver; its clock row comes last."""
    state = step.state
    changed = step.changed
    rows = [
        Row(state.ids[row], value) for row, value in zip(changed.tolist(), state.encode(changed), strict=True)
    ]
    for kind, shards in ((_CATEGORIES, step.new_category_shards()), (_PRODUCTS, step.new_product_shards())):
        rows.extend(Row(dictionary_key(kind, shard), _own(names, at=len(names))) for shard, names in shards)
    if step.settings_adopted:
        rows.append(Row(SETTINGS_KEY, _own(state.settings.model_dump_json().encode(), at=state.adopted_at)))
    if step.boundary_begun:
        begun = state.clock.begun
        rows.append(Row(THRESHOLDS_KEY, _own(_encode_thresholds(state.thresholds), at=begun)))
        learnt = state.learnt_until.to_bytes(4, "little") + state.priors.encode()
        rows.append(Row(PRIORS_KEY, _own(learnt, at=begun)))
    state.clock = replace(state.clock, rows=_rows_stored(state))
    rows.append(Row(CLOCK_KEY, state.clock.encode()))
    return Changes(
        applied=applied,
        outputs=tuple(step.outputs),
        refusals=tuple(step.refusals),
        strangers=tuple(step.strangers),
        rows=tuple(rows),
        counts={name: count for name, count in step.counts.items() if count},
    )


def load(state: State, rows: Iterable[tuple[bytes, bytes]]) -> None:
    """Fill an empty state from the greatest row of every key.

    Raises:
        RowError: A row is damaged, of a later format version, ahead of the clock row, or missing.
        LedgerConflict: The rows belong to another partition count or another kind of clock.
    """
    own: dict[bytes, bytes] = {}
    furthest = -1
    for key, value in rows:
        if key[:1] == b"\0":
            own[key] = value
            continue
        state.decode(state.add(key), value)
        furthest = max(furthest, header(value).offset)
    if CLOCK_KEY not in own:
        if own or state.ids:
            raise RowError("the changelog holds rows but no clock row: it was cut or is another topic")
        return
    clock = Clock.decode(own.pop(CLOCK_KEY))
    if furthest > clock.offset:
        raise RowError(f"a customer's row is of offset {furthest}, ahead of the clock row's {clock.offset}")
    _check(state.clock, clock)
    held = len(state.ids) + len(own)
    if held != clock.rows:
        raise RowError(
            f"the clock row counts {clock.rows} other rows and the changelog holds {held}: it was deleted or "
            "cut while a worker wrote to it. `cartpulse reset` makes the state anew from the log"
        )
    state.clock = clock
    _load_own(state, own)
    known = np.arange(len(state.ids))
    state.customers["due"][known] = alerts.next_due(state, known)
    if clock.begun:
        state.rebuild_histograms()
    if clock.sweeping:
        boundaries.lay_out_sweep(state)


def _rows_stored(state: State) -> int:
    """How many rows besides the clock row the changelog holds once this step's are there.

    Settings come with the first step, thresholds and priors with every boundary.
    """
    own = 1 + (2 if state.clock.begun else 0)
    return len(state.ids) + own + state.category_names.shards + state.product_names.shards


def _check(mine: Clock, stored: Clock) -> None:
    if stored.partitions != mine.partitions:
        raise LedgerConflict(
            f"these rows were written for {stored.partitions} partitions and the topic has "
            f"{mine.partitions}: customers would be looked for in the wrong one. Go back to the old count, "
            "or reset and replay the log"
        )
    if stored.wall != mine.wall:
        kinds = {True: "wall", False: "log"}
        raise LedgerConflict(
            f"these rows were written on the {kinds[stored.wall]} clock and the settings say "
            f"{kinds[mine.wall]}: the clock of a service is fixed when its topics are made. Set it back, or "
            "reset and replay the log"
        )


def _load_own(state: State, own: dict[bytes, bytes]) -> None:
    """Take the partition's own rows besides the clock."""
    try:
        if SETTINGS_KEY in own:
            state.settings = LedgerSettings.model_validate_json(own_payload(own[SETTINGS_KEY]))
            state.calendar = calendar_of(state.settings)
            state.adopted_at = header(own[SETTINGS_KEY]).boundary
        if THRESHOLDS_KEY in own:
            state.thresholds = _decode_thresholds(own_payload(own[THRESHOLDS_KEY]))
        if PRIORS_KEY in own:
            payload = own_payload(own[PRIORS_KEY])
            state.learnt_until = int.from_bytes(payload[:4], "little")
            state.priors = Priors.decode(payload[4:])
        _load_dictionary(state.category_names, _CATEGORIES, own)
        _load_dictionary(state.product_names, _PRODUCTS, own)
    except RowError:
        raise
    except ValueError as error:
        raise RowError(f"a row of the partition's own cannot be read: {error}") from error


def _load_dictionary(names: Dictionary, kind: bytes, own: dict[bytes, bytes]) -> None:
    shards: list[bytes] = []
    while (key := dictionary_key(kind, len(shards))) in own:
        shards.append(own_payload(own[key]))
    names.load(shards)


def _own(payload: bytes, *, at: int) -> bytes:
    """A row of the partition's own that grows with `at`: the boundary it was made at, or how much it holds.

    Not with the source offset, which would depend on where the run that wrote it was cut.
    """
    return own_row(payload, offset=0, boundary=at)


def _encode_thresholds(frozen: tuple[Thresholds | None, ...]) -> bytes:
    return b"".join(_UNRANKED if cuts is None else _RANKED + cuts.encode() for cuts in frozen)


def _decode_thresholds(payload: bytes) -> tuple[Thresholds | None, ...]:
    size = len(Thresholds((0,) * 4, (0,) * 4, (0,) * 4).encode())
    frozen: list[Thresholds | None] = []
    at = 0
    while at < len(payload):
        mark = payload[at : at + 1]
        if mark not in (_UNRANKED, _RANKED):
            raise ValueError(f"frozen thresholds do not begin with {mark!r}")
        ranked = mark == _RANKED
        frozen.append(Thresholds.decode(payload[at + 1 : at + 1 + size]) if ranked else None)
        at += 1 + size if ranked else 1
    return tuple(frozen)
