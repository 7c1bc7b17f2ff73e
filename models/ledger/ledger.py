"""Ledger of one partition: a pure function from the state and a run of records to events and changed rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.contracts.changes import Changes
from models.contracts.status import LedgerStatus
from models.ledger import boundaries, checkpoint, storage
from models.ledger.baskets import apply
from models.ledger.catalogue_updates import update as update_catalogue
from models.ledger.day_end import catch_up
from models.ledger.erasure import erase
from models.ledger.intake import Intake
from models.ledger.profile import describe
from models.records.columns import Kind, Records
from models.records.partitioner import partition_of
from models.state.calendar import MINUTE
from models.state.event_time import in_time, moved
from models.state.state import State
from models.state.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.contracts.changes import Row
    from models.ledger.checkpoint import Readable, Writable
    from models.settings import LedgerSettings
    from models.state.clock_row import ClockRow

MOST_CUSTOMERS = 600
"""Customers that one step may change. Their two rows take at most 8.5 KB today, so that 600 customers fit
`MOST_ROW_BYTES`. Should rows grow to `LONGEST_ROW`, they would not fit, and the step would be cut shorter."""
MOST_BASKETS = 100
"""Baskets of one customer in one step. A customer's baskets are applied one by one, and the worker's other
partitions wait meanwhile."""
MOST_ROW_BYTES = 6 * 1024 * 1024
"""Bytes of keys and values that one step's rows may take. With their framing, the rows then fit one record
batch of the changelog."""


_REFUSED, _LIVE = int(Kind.REFUSED), int(Kind.LIVE)
_PURCHASES = (int(Kind.PURCHASE), int(Kind.RETURN))
"""Kinds as plain numbers: reading an enumeration's attribute costs more than all other work done once per
record."""
_ALONE = {int(Kind.ERASE): erase, int(Kind.CATALOGUE): update_catalogue}
"""Functions that apply the kinds of records that need a step of their own."""


class Ledger:
    """State of one partition's customers, as its log has made it.

    `advance` and `sweep` are pure in all but memory: they use no I/O, no clock and no randomness. One log and
    one set of settings always give the same events and equal rows. The result does not depend on how the log
    is cut into runs, nor on which records a crash caused to be applied again.

    Args:
        settings: Settings that shape outputs. A ledger that was loaded with other settings in force adopts
            these settings at the next boundary.
        partition: Number of this partition.
        partitions: Partition count of the log.
    """

    def __init__(self, settings: LedgerSettings, *, partition: int = 0, partitions: int = 1) -> None:
        self._wanted = settings
        self._partition = partition
        self._state = State(settings, partitions)
        self._intake: Intake | None = None

    @property
    def clock(self) -> ClockRow:
        """Clock row: how far the log is accounted for, and which days are closed."""
        return self._state.clock

    @property
    def sweeping(self) -> bool:
        """True if a boundary was begun that `sweep` has yet to finish."""
        return self._state.clock.sweeping

    @property
    def customers(self) -> int:
        """Count of the customers in the ledger."""
        return len(self._state.ids)

    @property
    def settings(self) -> LedgerSettings:
        """Settings in force. Other settings given to the constructor wait for the next boundary."""
        return self._state.settings

    @property
    def standing(self) -> LedgerStatus:
        """Progress and size of the ledger, for monitoring."""
        state, clock = self._state, self._state.clock
        sweep, boundary = state.sweep, state.calendar.boundary
        runs = sum(arena.extent[0] * arena.records.itemsize for arena in state.arenas)
        return LedgerStatus(
            customers=len(state.ids),
            rows=clock.rows,
            memory=len(state.ids) * state.customers.itemsize + runs,
            watermark=clock.watermark,
            begun=boundary(clock.begun) if clock.begun else None,
            finished=boundary(clock.finished) if clock.finished else None,
            concerned=0 if sweep is None else len(sweep.rows),
            left=0 if sweep is None else max(0, len(sweep.rows) - sweep.at),
            sending=not clock.history(state.settings.lateness_minutes * MINUTE),
        )

    def advance(self, records: Records) -> Changes:
        """Apply a prefix of a run of records.

        The prefix ends early in five cases:

        - as much has changed as one record batch of the changelog can hold;
        - one customer has had `MOST_BASKETS` baskets;
        - the next record erases a customer or lists products: such a record is applied in a step of its own;
        - the next record lies beyond `ClockRow.quiet_offset`, the last record that a previous state accounted
          for;
        - the next record begins a boundary while the sweep of the previous boundary is unfinished.

        If `applied` is 0 for a run that is not empty, the caller must call `sweep` first.

        Args:
            records: Run of records in the order of the log.

        Returns:
            Events to send and rows to store for the applied prefix.

        Raises:
            Exception: Any error that a model raised. The ledger is then as it was before the call.
        """
        step = Step(self._state)
        quiet_offset = self._state.clock.quiet_offset
        if len(records) and records.offsets[0] <= quiet_offset:
            step.quiet = True
            records = records.slice(0, int(np.searchsorted(records.offsets, quiet_offset, side="right")))
        try:
            apply_first = _ALONE.get(int(records.kinds[0])) if len(records) else None
            applied = apply_first(step, records) if apply_first else self._advance(step, records)
            if not applied:
                return Changes(applied=0)
            last = applied - 1
            self._state.clock = replace(
                self._state.clock, offset=int(records.offsets[last]), digest=int(records.digests[last])
            )
            changes = storage.changes_of(step, applied)
        except BaseException:
            step.undo()
            raise
        # Thousands of new names in one step make the dictionaries' rows megabytes long: try half of the run.
        if applied > 1 and _row_bytes(changes) > MOST_ROW_BYTES:
            step.undo()
            return self.advance(records.slice(0, applied // 2))
        # Nothing is undone from here on. An erased customer's sums must not wait for the next step.
        self._state.histograms.mark()
        return changes

    def sweep(self, limit: int = MOST_CUSTOMERS) -> Changes:
        """Bring the next customers to the boundary begun. Returns no rows if no sweep is unfinished.

        If a model raises, the step is halved until the customer at fault stands alone. The sweep then passes
        over that customer: the row stays as it was, and its open day stays open. The customer is tried again
        at the next boundary and at the next purchase. The failure depends on the row and on values frozen at
        the boundary alone, so a replay passes over the same customers.

        Args:
            limit: Most customers to bring to the boundary; never more than `MOST_CUSTOMERS`.

        Returns:
            Events to send and rows to store for these customers.

        Raises:
            MemoryError: No memory is left, which is no customer's fault. The ledger is as it was before the
                call.
        """
        state = self._state
        if state.sweep is None:
            return Changes(applied=0)
        size = max(1, min(limit, MOST_CUSTOMERS))
        # Halve the step until its rows fit one record batch, or until a customer at fault stands alone.
        while True:
            step = Step(state)
            try:
                self._bring_to_boundary(step, size)
                changes = storage.changes_of(step, 0)
                if size == 1 or _row_bytes(changes) <= MOST_ROW_BYTES:
                    return changes
                step.undo()
                size //= 2
            except MemoryError:
                step.undo()
                raise
            except Exception as error:  # noqa: BLE001 - whatever a model raised
                step.undo()
                if size == 1:
                    return self._pass_over(error)
                size //= 2
            except BaseException:
                step.undo()
                raise

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Load the greatest row of every key into a ledger that has applied nothing yet.

        Args:
            rows: Pairs of key and row, in any order.

        Raises:
            RowError: A row is damaged, of another format version, or does not fit the others.
            LedgerConflictError: The rows belong to another partition count.
        """
        self.take(rows)
        self.settle()

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Merge changelog rows into the ledger; of each key, the greatest row wins.

        The method may be called repeatedly. Until `settle`, the ledger supports no other operation.

        Args:
            rows: Pairs of key and row, in any order.

        Returns:
            The keys of ignored rows: those older than the rows that the ledger holds.

        Raises:
            RowError: A row is damaged or of another format version. The ledger is then unusable.
        """
        if self._intake is None:
            self._intake = Intake(self._state)
        return self._intake.take(rows)

    def settle(self) -> None:
        """Finish loading: rebuild everything derived from the rows, an unfinished sweep included.

        Raises:
            RowError: A row is damaged, or does not fit the others.
            LedgerConflictError: The rows belong to another partition count.
        """
        if self._intake is not None:
            self._intake.settle()
            self._intake = None

    def rows_of(self, keys: Iterable[bytes]) -> list[Row]:
        """Return the ledger's rows of keys that `take` was given, as the changelog should hold them."""
        return storage.rows_of(self._state, keys)

    def save(self, file: Writable) -> None:
        """Write a checkpoint between two steps. The ledger must not change during the call."""
        checkpoint.save(self._state, file)

    def restore(self, file: Readable) -> None:
        """Read a checkpoint that `save` wrote into a ledger that has applied nothing yet.

        Afterwards call `take` with the later rows, then `settle`.

        Raises:
            CheckpointError: The bytes are no checkpoint, or a checkpoint of another memory layout. The ledger
                is then unusable.
        """
        self._intake = checkpoint.restore(self._state, file)

    def tick_due(self, now: int) -> int | None:
        """Return the event time of the tick that the partition's owner should have written by now.

        Args:
            now: Time of the wall clock, ms since 1970 UTC.

        Returns:
            Boundary of the next open day plus the lateness, ms since 1970 UTC, once that instant has passed.
            None on the log clock, before the service is live, and while the day is not over. Before the first
            record that moves time, the next open day is the last day that was over when the service went
            live.
        """
        clock, state = self._state.clock, self._state
        if not clock.wall or clock.live_at is None or clock.live_at > now:
            return None
        lateness = state.settings.lateness_minutes * MINUTE
        day = clock.begun + 1 if clock.begun else state.calendar.closed(clock.live_at - lateness)
        due = state.calendar.boundary(day) + lateness
        return due if now >= due else None

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """Describe a customer for people in JSON-able values, days as dates; None for an unknown customer."""
        state = self._state
        return describe(
            state, customer, state.histograms.thresholds(state.settings.segment_minimum_population)
        )

    def _bring_to_boundary(self, step: Step, count: int, *, passing_over: bool = False) -> None:
        state = self._state
        if state.sweep is None:
            return
        stop = state.sweep.at + count
        rows = state.sweep.rows[state.sweep.at : stop]
        rows = rows[state.customers["boundary"][rows] < state.clock.begun]
        if not passing_over:
            step.touch(rows)
            catch_up(step, rows)
        state.sweep.at = stop
        if stop >= len(state.sweep.rows):
            state.sweep = None
            state.clock = replace(state.clock, finished=state.clock.begun)

    def _pass_over(self, error: Exception) -> Changes:
        """Skip the next customer of the sweep: alone, this customer made a model raise the error."""
        state = self._state
        if state.sweep is None:
            return Changes(applied=0)
        customer = state.ids[int(state.sweep.rows[state.sweep.at])]
        step = Step(state)
        self._bring_to_boundary(step, 1, passing_over=True)
        step.counts["passed_over"] += 1
        return replace(storage.changes_of(step, 0), passed_over=((customer, error),))

    def _advance(self, step: Step, records: Records) -> int:
        """Apply the records between two boundaries together.

        Args:
            step: Step being computed.
            records: Run of records.

        Returns:
            Count of the records accounted for, from the first on.
        """
        state = self._state
        lateness = state.settings.lateness_minutes * MINUTE
        watermark = state.clock.watermark
        closes = state.calendar.boundary(state.clock.begun + 1)
        gathered: list[int] = []
        baskets: dict[bytes, int] = {}
        times, kinds = records.occurred_at.tolist(), records.kinds.tolist()
        stop = len(records)
        for index, (at, kind) in enumerate(zip(times, kinds, strict=True)):
            # Stage 1: leave out a record that the decoder refused; its offset still counts as accounted for.
            if kind == _REFUSED:
                step.counts["refused"] += 1
                continue
            # Stage 2: end the run in front of a record that must begin a step of its own.
            purchase = kind in _PURCHASES
            customer = records.customers[index]
            count = baskets.get(customer, 0)
            full = count >= MOST_BASKETS or (not count and len(baskets) >= MOST_CUSTOMERS)
            if kind in _ALONE or (purchase and full):
                stop = index
                break
            # Stage 3: leave out records of another partition's customers and records from the future.
            if purchase and self._belongs_elsewhere(customer):
                step.misrouted.append(int(records.offsets[index]))
                continue
            if not in_time(step, records, index, kind, watermark):
                continue
            # Stage 4: move the watermark. Baskets in front of a boundary are applied before the boundary
            # begins.
            moves_to = moved(step, records, index, kind, watermark=watermark, to=at - lateness)
            if moves_to is not None and moves_to >= closes:
                if state.clock.sweeping:
                    stop = index
                    break
                apply(step, records, gathered)
                gathered.clear()
                boundaries.begin(step, state.calendar.closed(moves_to), self._wanted)
                lateness = state.settings.lateness_minutes * MINUTE
                closes = state.calendar.boundary(state.clock.begun + 1)
            watermark = moves_to
            # Stage 5: apply the baskets in front of a `live` record first: their outputs may still be
            # history.
            if kind == _LIVE:
                apply(step, records, gathered)
                gathered.clear()
                self._go_live(at)
            # Stage 6: gather the basket. Baskets between two boundaries are applied together in numpy
            # columns.
            if purchase:
                gathered.append(index)
                baskets[customer] = count + 1
        apply(step, records, gathered)
        state.clock = replace(state.clock, watermark=watermark)
        return stop

    def _go_live(self, at: int) -> None:
        """Set the instant at which history ends. The earliest of all `live` records wins.

        Args:
            at: Event time of a `live` record, ms since 1970 UTC.
        """
        clock = self._state.clock
        self._state.clock = replace(clock, live_at=at if clock.live_at is None else min(clock.live_at, at))

    def _belongs_elsewhere(self, customer: bytes) -> bool:
        """Return True if a customer without a row here belongs to another partition.

        The partitioner is that of the worker's settings, even before the ledger adopts them. Whoever forwards
        the record uses the same partitioner: with another one here, the record would be sent back to this
        partition for ever.
        """
        state = self._state
        if state.clock.partitions == 1 or customer in state.rows:
            return False
        partition = partition_of(customer, state.clock.partitions, self._wanted.partitioner)
        return partition != self._partition


def _row_bytes(changes: Changes) -> int:
    """Count the bytes of the keys and values of a step's rows."""
    return sum(len(row.key) + len(row.value) for row in changes.rows)
