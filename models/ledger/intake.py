"""Changelog rows read: rows merged into an empty or a filled state, and checked to fit together."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from models.alerts.due import next_due
from models.learning.activity import Activity
from models.learning.assortment import assortment_of
from models.learning.calibration import Calibrations
from models.learning.catalogue import Catalogue
from models.learning.clusters import CLUSTERS, Clusters
from models.learning.fifths import Limits
from models.learning.pairs import Pairs
from models.learning.popularity import Popularity
from models.learning.priors import Priors
from models.learning.rfm import SEGMENTS
from models.learning.watch import Watches
from models.ledger import boundaries
from models.ledger.storage import CLUSTERLESS, RANKED, UNRANKED, own_rows
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
    RowError,
    catalogue_shard,
    customer_of,
    dictionary_key,
    habits_key,
    header,
    is_erased,
    is_habits,
    own_payload,
    pairs_key,
)
from models.settings import LedgerSettings
from models.state.clock_row import ClockRow
from models.state.customer_rows import Alerts, take_alerts, take_days, take_habits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from models.memory.dictionary import Dictionary
    from models.state.state import State

_ROWS_AT_ONCE = 4_000
"""Rows that are decoded together: of more, the copies would take more memory than the time is worth."""


class LedgerConflictError(ValueError):
    """Rows that were written for another partition count."""


class Intake:
    """Merge of changelog rows into a state: of each key, the greatest row stays, whatever the order.

    The state may be filled already. Rows that are older than the state's own rows then change nothing. Until
    `settle`, the state is incomplete and supports no other operation.

    Args:
        state: State that receives the rows.
        own: Partition-level rows that belong to the state but are not yet decoded into it, as from a
            checkpoint. None takes the rows of the state itself.
    """

    def __init__(self, state: State, own: dict[bytes, bytes] | None = None) -> None:
        self._state = state
        self._own = own_rows(state) if own is None else own
        self._furthest = -1
        self._alerts: dict[bytes, tuple[bytes, ...]] = {}
        """Alerts of days whose habits have not come yet, by customer."""

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take each row unless the state holds a greater row of its key; of two equal rows, take the later.

        Args:
            rows: Pairs of key and row, in any order.

        Returns:
            Keys of the rows that are older than the rows held, in order.

        Raises:
            RowError: A row is damaged or of another format version. The state is then unusable.
        """
        coming, older = iter(rows), list[bytes]()
        while some := list(islice(coming, _ROWS_AT_ONCE)):
            older += self._take(some)
        return older

    def _take(self, rows: list[tuple[bytes, bytes]]) -> list[bytes]:
        # Stage 1: the greatest row of each key, and the keys of those that are older.
        greatest, older = self._greatest(rows)
        # Stage 2: erased customers go first, because others change their places for them.
        days: dict[bytes, bytes] = {}
        habits: dict[bytes, bytes] = {}
        for key, value in greatest.items():
            customer = customer_of(key) or b""
            if is_erased(value):
                self._erase(customer, habits=is_habits(key))
            else:
                (habits if is_habits(key) else days)[customer] = value
        # Stage 3: decode the others in columns, habits before the days that need them.
        if habits:
            take_habits(self._state, self._places(habits), list(habits.values()))
        if days:
            alerts = take_days(self._state, self._places(days), list(days.values()))
            self._alerts.update(zip(days, alerts.split(), strict=True))
        if self._alerts:
            self._take_alerts()
        return older

    def _greatest(self, rows: list[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Choose the rows of customers to decode, and keep partition-level rows as bytes until `settle`.

        Args:
            rows: Pairs of key and row.

        Returns:
            The customers' rows that are greater than those held, by key, and the keys of older rows.
        """
        own, older = self._own, list[bytes]()
        ranks: dict[bytes, tuple[int, int]] = {}
        greatest: dict[bytes, bytes] = {}
        for key, value in rows:
            head = header(value)
            rank = head.offset, head.boundary
            customer = customer_of(key)
            if customer is None:
                held = header(own[key])[1:3] if key in own else None
            else:
                self._furthest = max(self._furthest, head.offset)
                held = ranks[key] if key in ranks else self._rank(key, customer)
            if held is not None and held > rank:
                older.append(key)
            elif customer is None:
                own[key] = value
            # The same habits again would take away the alerts that the day has put into their cells.
            elif held != rank or not is_habits(key):
                greatest[key], ranks[key] = value, rank
        return greatest, older

    def _rank(self, key: bytes, customer: bytes) -> tuple[int, int] | None:
        """Return the rank of the row that the state holds of a customer's key."""
        row = self._state.rows.get(customer)
        if row is None:
            return None
        known = self._state.customers[row]
        if is_habits(key):
            return known["habits_offset"], known["habits_boundary"]
        return known["offset"], known["boundary"]

    def _places(self, customers: Collection[bytes]) -> NDArray[np.int64]:
        """Return the rows of customers; those who have none get one."""
        state = self._state
        state.add_all([customer for customer in customers if customer not in state.rows])
        return np.fromiter((state.rows[customer] for customer in customers), np.int64, len(customers))

    def _erase(self, customer: bytes, *, habits: bool) -> None:
        """Take the row of an erased customer's day or habits."""
        state = self._state
        row = state.rows.get(customer)
        if row is None:
            return
        # A customer who came back before the first fold has a day, and no habits.
        if habits and state.customers["offset"][row] >= 0:
            for arena in (state.cells, state.products):
                arena.wipe(row)
            state.customers["habits_offset"][row] = state.customers["habits_boundary"][row] = 0
            state.later_sections.pop(habits_key(customer), None)
            return
        state.forget(row)
        self._alerts.pop(customer, None)

    def _take_alerts(self) -> None:
        """Put alerts into the cells of those customers whose habits are those that their day names."""
        state = self._state
        rows = np.array([state.rows[customer] for customer in self._alerts], np.int64)
        here = state.customers["folded"][rows] == state.customers["habits_boundary"][rows]
        known = [customer for customer, fits in zip(self._alerts, here.tolist(), strict=True) if fits]
        take_alerts(state, rows[here], Alerts.join([self._alerts.pop(customer) for customer in known]))

    def settle_for_a_look(self) -> None:
        """Decode the partition-level rows for reading alone, where most customers' rows were not taken.

        Neither rows are counted nor histograms or a sweep built, because they need all customers. No record
        may be applied to such a state.

        Raises:
            RowError: A row is damaged.
        """
        self._check_habits()
        if CLOCK_KEY in self._own:
            self._state.clock = ClockRow.decode(self._own[CLOCK_KEY])
            _load_own(self._state, self._own)
            _check_numbers(self._state)

    def settle(self) -> None:
        """Decode the partition-level rows, check that the rows fit together, and rebuild all derived data.

        Raises:
            RowError: A row is damaged, ahead of the clock row, or missing.
            LedgerConflictError: The rows belong to another partition count.
        """
        # Stage 1: refuse rows that no single moment of a ledger can have written.
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
        self._check_habits()
        # Stage 2: decode the rows. A clock row from before the first record has no fingerprint of settings
        # yet.
        state.clock = clock if clock.offset >= 0 else replace(clock, fingerprint=state.clock.fingerprint)
        _load_own(state, own)
        _check_numbers(state)
        # Stage 3: rebuild due days. Adopting settings recomputes the due days of all customers without
        # writing their rows, so that only rows written after the adoption hold valid due days.
        before = np.flatnonzero(state.customers["boundary"][: len(state.ids)] < state.adopted_at)
        state.customers["due"][before] = next_due(state, before)
        # Stage 4: rebuild derived data, which is stored nowhere.
        if clock.begun:
            state.rebuild_histograms()
        state.assortment = assortment_of(state.popularity, state.pairs, state.category_names)
        state.sweep = boundaries.lay_out_sweep(state) if clock.sweeping else None

    def _check_habits(self) -> None:
        """Refuse customers whose two rows do not belong together.

        Raises:
            RowError: A customer has habits and no day, or the day names another row of habits.
        """
        state = self._state
        customers = state.customers[: len(state.ids)]
        if (customers["offset"] < 0).any():
            raise RowError(
                "the changelog holds a customer's habits and not the row that belongs to them: a row is "
                "missing. `cartpulse reset` makes the state anew from the log"
            )
        torn = np.flatnonzero(customers["folded"] != customers["habits_boundary"])
        if len(torn):
            of, held = customers[["folded", "habits_boundary"]][torn[0]].tolist()
            raise RowError(
                f"a customer's row belongs to habits of boundary {of}, and the changelog holds those of "
                f"{held}: a row is missing. `cartpulse reset` makes the state anew from the log"
            )


def _check(mine: ClockRow, stored: ClockRow) -> None:
    if stored.partitions != mine.partitions:
        raise LedgerConflictError(
            f"these rows were written for {stored.partitions} partitions and the topic has "
            f"{mine.partitions}: customers would be looked for in the wrong one. Go back to the old count, "
            "or reset and replay the log"
        )


def _load_own(state: State, own: dict[bytes, bytes]) -> None:
    """Decode the partition-level rows, the clock row excepted, into a state.

    Args:
        state: State that receives the decoded values.
        own: Partition-level rows by key.

    Raises:
        RowError: A row is damaged, or its payload cannot be decoded.
    """
    try:
        # Settings first: they classify the categories that the dictionaries name.
        if SETTINGS_KEY in own:
            state.adopt(LedgerSettings.model_validate_json(own_payload(own[SETTINGS_KEY])))
            state.adopted_at = header(own[SETTINGS_KEY]).boundary
        _load_boundary(state, own)
        # Shards are numbered without gaps, except those of the catalogue.
        shards: list[bytes] = []
        while (key := pairs_key(len(shards))) in own:
            shards.append(own_payload(own[key]))
        state.pairs = Pairs.decode(shards)
        listed = {shard: row for key, row in own.items() if (shard := catalogue_shard(key)) is not None}
        state.catalogue = Catalogue.decode(
            {shard: (header(row).offset, own_payload(row)) for shard, row in listed.items()}
        )
        for kind, names in state.dictionaries.items():
            _load_dictionary(names, kind, own)
    except RowError:
        raise
    except ValueError as error:
        raise RowError(f"a row of the partition's own cannot be read: {error}") from error


def _load_boundary(state: State, own: dict[bytes, bytes]) -> None:
    """Decode what the last boundary froze and learnt, dictionaries and pairs excepted.

    Raises:
        ValueError: A payload cannot be decoded.
    """
    if THRESHOLDS_KEY in own:
        state.limits = _decode_limits(own_payload(own[THRESHOLDS_KEY]))
    if PRIORS_KEY in own:
        payload = own_payload(own[PRIORS_KEY])
        state.learnt_until = int.from_bytes(payload[:4], "little")
        state.priors = Priors.decode(payload[4:])
    if CALIBRATION_KEY in own:
        state.calibration = Calibrations.decode(own_payload(own[CALIBRATION_KEY]))
    if CLUSTERS_KEY in own:
        clusters = own_payload(own[CLUSTERS_KEY])
        state.clusters = None if clusters == CLUSTERLESS else Clusters.decode(clusters)
    if ACTIVITY_KEY in own:
        state.activity = Activity.decode(own_payload(own[ACTIVITY_KEY]))
    if WATCHES_KEY in own:
        state.watches = Watches.decode(own_payload(own[WATCHES_KEY]))
    if POPULARITY_KEY in own:
        state.popularity = Popularity.decode(own_payload(own[POPULARITY_KEY]))


def _check_numbers(state: State) -> None:
    """Refuse customers whose rows hold numbers of names or segments that there are not.

    Raises:
        RowError: A number is greater than the last of its kind.
    """
    everyone = np.arange(len(state.ids))
    customers = state.customers[: len(everyone)]
    categories, products = state.category_names, state.product_names
    columns = [
        (customers["segment"].astype(np.int64), len(SEGMENTS) - 1),
        (customers["cluster"].astype(np.int64), CLUSTERS - 1),
        (customers["stores"], len(state.store_names)),
        (customers["channel"], len(state.channel_names)),
        (customers["listed"], len(categories)),
    ]
    for arena in state.arenas:
        _, positions = arena.positions(everyone)
        columns.append((arena.records["category"][positions], len(categories)))
        if "product" in (arena.records.dtype.names or ()):
            columns.append((arena.records["product"][positions], len(products)))
    if any(numbers.max(initial=0) > last for numbers, last in columns):
        raise RowError("a customer's row holds a number of a name that no dictionary has: a row is missing")


def _load_dictionary(names: Dictionary, kind: bytes, own: dict[bytes, bytes]) -> None:
    shards: list[bytes] = []
    while (key := dictionary_key(kind, len(shards))) in own:
        shards.append(own_payload(own[key]))
    if shards != [held for _, held in names.shards_since(0)]:
        names.truncate(0)
        names.load(shards)


def _decode_limits(payload: bytes) -> Limits | None:
    if payload == UNRANKED:
        return None
    if payload[:1] != RANKED:
        raise ValueError(f"limits of segments do not begin with {payload[:1]!r}")
    return Limits.decode(payload[1:])
