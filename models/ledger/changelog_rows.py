"""A step's changes as rows, and a state from rows: whole, or on top of what it knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lifecycle as alerts
from models.contracts.changes import Changes, Row
from models.learning.assortment import assortment_of
from models.learning.catalogue import Catalogue
from models.learning.pairs import Pairs
from models.learning.popularity import Popularity
from models.learning.priors import Priors
from models.learning.rfm import Thresholds
from models.ledger import boundaries
from models.memory.rows import (
    CLOCK_KEY,
    POPULARITY_KEY,
    PRIORS_KEY,
    SETTINGS_KEY,
    THRESHOLDS_KEY,
    RowError,
    catalogue_key,
    catalogue_shard,
    dictionary_key,
    header,
    is_erased,
    own_payload,
    pairs_key,
    partition_row,
)
from models.settings import LedgerSettings
from models.state.clock_row import ClockRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.memory.dictionary import Dictionary
    from models.state.state import State
    from models.state.step import Step

_CATEGORIES, _PRODUCTS = b"categories", b"products"
_UNRANKED = b"\0"
_RANKED = b"\1"


class LedgerConflict(ValueError):  # noqa: N818 - two settings conflict; nothing went wrong at run time
    """Rows that were written for another partition count."""


def changes_of(step: Step, applied: int) -> Changes:
    """What a step has to deliver; its clock row comes last."""
    state = step.state
    changed = step.changed
    rows = [
        Row(state.ids[row], value) for row, value in zip(changed.tolist(), state.encode(changed), strict=True)
    ]
    rows += step.erased_rows
    for kind, shards in ((_CATEGORIES, step.new_category_shards()), (_PRODUCTS, step.new_product_shards())):
        rows.extend(Row(dictionary_key(kind, shard), _own(names, at=len(names))) for shard, names in shards)
    rows += _catalogue_rows(state, step.new_catalogue_shards())
    if step.settings_adopted:
        rows.append(_settings_row(state))
    if step.boundary_begun:
        rows += _boundary_rows(state)
    state.clock = replace(state.clock, rows=_rows_stored(state))
    rows.append(Row(CLOCK_KEY, state.clock.encode()))
    return Changes(
        applied=applied,
        outputs=tuple(step.outputs),
        refusals=tuple(step.refusals),
        misrouted=tuple(step.misrouted),
        rows=tuple(rows),
        counts={name: count for name, count in step.counts.items() if count},
    )


def own_rows(state: State) -> dict[bytes, bytes]:
    """The partition's own rows as the changelog holds them.

    Before the first record there is none, or the clock row alone in a state that is made anew in quiet.
    """
    if state.clock.offset < 0:
        return {} if state.clock.quiet_offset < 0 else {CLOCK_KEY: state.clock.encode()}
    rows = [_settings_row(state), Row(CLOCK_KEY, state.clock.encode())]
    if state.clock.begun:
        rows += _boundary_rows(state)
    rows += _catalogue_rows(state, state.catalogue.offsets)
    for kind, names in ((_CATEGORIES, state.category_names), (_PRODUCTS, state.product_names)):
        shards = names.shards_since(0)
        rows.extend(Row(dictionary_key(kind, shard), _own(held, at=len(held))) for shard, held in shards)
    return dict(rows)


def rows_of(state: State, keys: Iterable[bytes]) -> list[Row]:
    """The rows that a settled state holds of keys, in their order; none of keys that it does not know."""
    own, wanted = own_rows(state), list(keys)
    places = np.array([state.rows[key] for key in wanted if key in state.rows], np.int64)
    customers = {state.ids[row]: body for row, body in zip(places, state.encode(places), strict=True)}
    held = own | customers
    return [Row(key, held[key]) for key in wanted if key in held]


class Intake:
    """Rows on their way into a state: of each key the greatest stays, whatever order they come in.

    The state may know something already: then it is taken up where it stands, and rows that are older than
    what it holds change nothing. Until `settle`, the state is in between and can do nothing else.

    Args:
        state: Where the rows go.
        own: The partition's own rows that it holds, if they are not yet in the state.
    """

    def __init__(self, state: State, own: dict[bytes, bytes] | None = None) -> None:
        self._state = state
        self._own = own_rows(state) if own is None else own
        self._furthest = -1

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take each row unless a greater one of its key is held; of two equal ones, the later.

        Returns:
            The keys, in order, of rows that are older than what is held.

        Raises:
            RowError: A row is damaged or of another format version; the state is then of no use any more.
        """
        state, own, older = self._state, self._own, list[bytes]()
        for key, value in rows:
            head = header(value)
            if key[:1] == b"\0":
                held = own.get(key)
                if held is not None and header(held)[1:3] > head[1:3]:
                    older.append(key)
                else:
                    own[key] = value
                continue
            self._furthest = max(self._furthest, head.offset)
            row, gone = state.rows.get(key), is_erased(value)
            if row is not None:
                known = state.customers[row]
                if (known["offset"], known["boundary"]) > (head.offset, head.boundary):
                    older.append(key)
                    continue
            if gone:
                if row is not None:
                    state.forget(row)
                continue
            state.decode(state.add(key) if row is None else row, value)
        return older

    def settle_for_a_look(self) -> None:
        """Take the own rows in force, and make nothing that rests on all customers: some were not taken.

        Rows are not counted, and there are no histograms and no sweep: nothing can be applied to this state.

        Raises:
            RowError: A row is damaged.
        """
        if CLOCK_KEY in self._own:
            self._state.clock = ClockRow.decode(self._own[CLOCK_KEY])
            _load_own(self._state, self._own)

    def settle(self) -> None:
        """Take the own rows in force, and make anew what is derived from the rows.

        Raises:
            RowError: A row is damaged, ahead of the clock row, or missing.
            LedgerConflict: The rows belong to another partition count.
        """
        state, own = self._state, self._own
        if CLOCK_KEY not in own:
            if own or state.ids:
                raise RowError("the changelog holds rows but no clock row: it was cut or is another topic")
            return
        clock = ClockRow.decode(own[CLOCK_KEY])
        if self._furthest > clock.offset:
            raise RowError(
                f"a customer's row is of offset {self._furthest}, ahead of the clock row's {clock.offset}"
            )
        _check(state.clock, clock)
        held = len(state.ids) + len(own) - 1
        if held != clock.rows:
            raise RowError(
                f"the clock row counts {clock.rows} other rows and the changelog holds {held}: it was "
                "deleted or cut while a worker wrote to it. `cartpulse reset` makes the state anew from the "
                "log"
            )
        # A clock row from before the first record knows no settings yet.
        state.clock = clock if clock.offset >= 0 else replace(clock, fingerprint=state.clock.fingerprint)
        _load_own(state, own)
        # Adopting settings reckons all due days anew and writes no row for it; a later row is right.
        before = np.flatnonzero(state.customers["boundary"][: len(state.ids)] < state.adopted_at)
        state.customers["due"][before] = alerts.next_due(state, before)
        if clock.begun:
            state.rebuild_histograms()
        state.assortment = assortment_of(state.popularity, state.pairs, state.category_names)
        state.sweep = boundaries.lay_out_sweep(state) if clock.sweeping else None


def _rows_stored(state: State) -> int:
    """How many rows besides the clock row the changelog holds once this step's are there.

    Settings come with the first step, the others with every boundary.
    """
    own = 1 + (3 + state.pairs.shards if state.clock.begun else 0)
    shards = state.category_names.shards + state.product_names.shards + len(state.catalogue.offsets)
    return len(state.ids) + own + shards


def _check(mine: ClockRow, stored: ClockRow) -> None:
    if stored.partitions != mine.partitions:
        raise LedgerConflict(
            f"these rows were written for {stored.partitions} partitions and the topic has "
            f"{mine.partitions}: customers would be looked for in the wrong one. Go back to the old count, "
            "or reset and replay the log"
        )


def _load_own(state: State, own: dict[bytes, bytes]) -> None:
    """Take the partition's own rows besides the clock."""
    try:
        if SETTINGS_KEY in own:
            state.adopt(LedgerSettings.model_validate_json(own_payload(own[SETTINGS_KEY])))
            state.adopted_at = header(own[SETTINGS_KEY]).boundary
        if THRESHOLDS_KEY in own:
            state.thresholds = _decode_thresholds(own_payload(own[THRESHOLDS_KEY]))
        if PRIORS_KEY in own:
            payload = own_payload(own[PRIORS_KEY])
            state.learnt_until = int.from_bytes(payload[:4], "little")
            state.priors = Priors.decode(payload[4:])
        if POPULARITY_KEY in own:
            state.popularity = Popularity.decode(own_payload(own[POPULARITY_KEY]))
        shards: list[bytes] = []
        while (key := pairs_key(len(shards))) in own:
            shards.append(own_payload(own[key]))
        state.pairs = Pairs.decode(shards)
        listed = {shard: row for key, row in own.items() if (shard := catalogue_shard(key)) is not None}
        state.catalogue = Catalogue.decode(
            {shard: (header(row).offset, own_payload(row)) for shard, row in listed.items()}
        )
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
    if shards != [held for _, held in names.shards_since(0)]:
        names.truncate(0)
        names.load(shards)


def _settings_row(state: State) -> Row:
    return Row(SETTINGS_KEY, _own(state.settings.model_dump_json().encode(), at=state.adopted_at))


def _boundary_rows(state: State) -> list[Row]:
    """What every boundary learns and freezes."""
    rows = [_thresholds_row(state), _priors_row(state)]
    rows.append(Row(POPULARITY_KEY, _own(state.popularity.encode(), at=state.clock.begun)))
    rows += [
        Row(pairs_key(shard), _own(counts, at=state.clock.begun))
        for shard, counts in enumerate(state.pairs.encode())
    ]
    return rows


def _catalogue_rows(state: State, shards: Iterable[int]) -> list[Row]:
    """Of some shards of the catalogue; their rank is the offset of the record that changed them last."""
    catalogue = state.catalogue
    return [
        Row(
            catalogue_key(shard),
            partition_row(catalogue.encode(shard), offset=catalogue.offsets[shard], boundary=0),
        )
        for shard in shards
    ]


def _thresholds_row(state: State) -> Row:
    return Row(THRESHOLDS_KEY, _own(_encode_thresholds(state.thresholds), at=state.clock.begun))


def _priors_row(state: State) -> Row:
    learnt = state.learnt_until.to_bytes(4, "little") + state.priors.encode()
    return Row(PRIORS_KEY, _own(learnt, at=state.clock.begun))


def _own(payload: bytes, *, at: int) -> bytes:
    """A row of the partition's own that grows with `at`: the boundary it was made at, or how much it holds.

    Not with the source offset, which would depend on where the run that wrote it was cut.
    """
    return partition_row(payload, offset=0, boundary=at)


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
