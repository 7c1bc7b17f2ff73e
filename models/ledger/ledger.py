"""The heart: what one partition knows, advanced record by record, a pure function from run to run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.contracts.changes import Changes
from models.ledger import boundaries, checkpoint
from models.ledger import changelog_rows as storage
from models.ledger.baskets import apply
from models.ledger.catalogue_updates import update as update_catalogue
from models.ledger.day_end import catch_up
from models.ledger.erasure import erase
from models.ledger.profile import describe
from models.ledger.status import Standing
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
"""Customers changed by one step. Rows take at most 8.3 KB each by now; where they come to more than
`MOST_ROW_BYTES`, as 600 of `LONGEST_ROW` would, the step is cut shorter."""
MOST_BASKETS = 100
"""Baskets of one customer in one step: they are applied one by one, and other partitions wait meanwhile."""
MOST_ROW_BYTES = 6 * 1024 * 1024
"""Keys and values of one step's rows: with their framing they fit one record batch of the changelog."""


_REFUSED, _LIVE = int(Kind.REFUSED), int(Kind.LIVE)
_PURCHASES = (int(Kind.PURCHASE), int(Kind.RETURN))
"""Plain numbers: an enumeration's attribute costs more than all else that is done once per record."""
_ALONE = {int(Kind.ERASE): erase, int(Kind.CATALOGUE): update_catalogue}
"""What has a step of its own."""


class Ledger:
    """The customers of one partition, and what its log has made of them.

    `advance` and `sweep` are pure in all but memory: no I/O, no clock, no randomness. For one log and one
    set of settings, however it is cut into runs and wherever a crash made some of it be applied again, the
    same events and equal rows come out.

    Args:
        settings: The settings that shape outputs. A ledger that was loaded with others in force adopts these
            at the next boundary.
        partition: This partition's number.
        partitions: Partitions of the log.
    """

    def __init__(self, settings: LedgerSettings, *, partition: int = 0, partitions: int = 1) -> None:
        self._wanted = settings
        self._partition = partition
        self._state = State(settings, partitions)
        self._intake: storage.Intake | None = None

    @property
    def clock(self) -> ClockRow:
        """How far the log is accounted for."""
        return self._state.clock

    @property
    def sweeping(self) -> bool:
        """Whether a boundary was begun that `sweep` has to finish."""
        return self._state.clock.sweeping

    @property
    def customers(self) -> int:
        """How many customers it knows."""
        return len(self._state.ids)

    @property
    def settings(self) -> LedgerSettings:
        """The settings in force; those it was made with wait for the next boundary if they differ."""
        return self._state.settings

    @property
    def standing(self) -> Standing:
        """How far it has come and how much it holds."""
        state, clock = self._state, self._state.clock
        sweep, boundary = state.sweep, state.calendar.boundary
        runs = sum(arena.extent[0] * arena.records.itemsize for arena in state.arenas)
        return Standing(
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

        It stops early when as much has changed as one changelog batch can hold, when a customer has had
        `MOST_BASKETS`, before and after a record that erases a customer or lists products, behind the last
        record of a state before this one (`ClockRow.quiet_offset`), and before a record that begins a
        boundary while the sweep of the one before is unfinished: `applied` 0 means `sweep` first.

        Raises:
            Exception: Whatever a model raised; the ledger is then as it was.
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
        if applied > 1 and _row_bytes(changes) > MOST_ROW_BYTES:
            step.undo()  # thousands of new names at once: their dictionaries' rows are megabytes too
            return self.advance(records.slice(0, applied // 2))
        return changes

    def sweep(self, limit: int = MOST_CUSTOMERS) -> Changes:
        """Bring the next customers, at most `limit`, to the boundary begun; no rows with nothing to do.

        A customer on whom a model raises is found by halves and passed over: the row stays as it was, its
        open day stays open, and the customer is tried again at the next boundary and at the next purchase.
        That depends on the row and on what is frozen at the boundary, so a replay passes over the same.

        Raises:
            MemoryError: There is none left, which says nothing about a customer; the ledger is as it was.
        """
        state = self._state
        if state.sweep is None:
            return Changes(applied=0)
        size = max(1, min(limit, MOST_CUSTOMERS))
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
        """Take the greatest row of every key; for a ledger that has applied nothing yet.

        Raises:
            RowError: A row is damaged, of another format version, or does not fit the others.
            LedgerConflict: The rows belong to another partition count.
        """
        self.take(rows)
        self.settle()

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take rows of the changelog on top of what is known: of each key the greatest wins.

        It may be called again and again. Until `settle` the ledger can do nothing else.

        Returns:
            The keys of rows that are older than what it holds, and were ignored.

        Raises:
            RowError: A row is damaged or of another format version; the ledger is then of no use any more.
        """
        if self._intake is None:
            self._intake = storage.Intake(self._state)
        return self._intake.take(rows)

    def settle(self) -> None:
        """Go on from the rows taken: what is derived from them, an unfinished sweep too, is made anew.

        Raises:
            RowError: A row is damaged, or does not fit the others.
            LedgerConflict: The rows belong to another partition count.
        """
        if self._intake is not None:
            self._intake.settle()
            self._intake = None

    def rows_of(self, keys: Iterable[bytes]) -> list[Row]:
        """The rows that it holds of keys that it was given in `take`, as the changelog should have them."""
        return storage.rows_of(self._state, keys)

    def save(self, file: Writable) -> None:
        """Write all that it knows, between two steps; it must not change meanwhile."""
        checkpoint.save(self._state, file)

    def restore(self, file: Readable) -> None:
        """Take up what `save` wrote, in a ledger that has applied nothing yet; then `take` and `settle`.

        A ledger that this raised on is of no use any more.

        Raises:
            CheckpointError: These bytes are no checkpoint, or one of another layout of memory.
        """
        self._intake = checkpoint.restore(self._state, file)

    def tick_due(self, now: int) -> int | None:
        """The event time of the tick that this partition's owner should write to the log by now, if any.

        Args:
            now: The wall clock, ms since 1970 UTC.

        Returns:
            Boundary and lateness of the next open day, ms, once that has passed; None on the log clock,
            before the service is live, and while the day is not over. Where nothing has told the time
            yet, the next open day is the last one that was over when the service went live.
        """
        clock, state = self._state.clock, self._state
        if not clock.wall or clock.live_at is None or clock.live_at > now:
            return None
        lateness = state.settings.lateness_minutes * MINUTE
        day = clock.begun + 1 if clock.begun else state.calendar.closed(clock.live_at - lateness)
        due = state.calendar.boundary(day) + lateness
        return due if now >= due else None

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """What is known of a customer, for people: JSON-able, days as dates; None for one not known."""
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
        """Go on behind the sweep's next customer, who stands alone."""
        state = self._state
        if state.sweep is None:
            return Changes(applied=0)
        customer = state.ids[int(state.sweep.rows[state.sweep.at])]
        step = Step(state)
        self._bring_to_boundary(step, 1, passing_over=True)
        step.counts["passed_over"] += 1
        return replace(storage.changes_of(step, 0), passed_over=((customer, error),))

    def _advance(self, step: Step, records: Records) -> int:
        """Apply records between boundaries together; returns how many were accounted for."""
        state = self._state
        lateness = state.settings.lateness_minutes * MINUTE
        watermark = state.clock.watermark
        closes = state.calendar.boundary(state.clock.begun + 1)
        gathered: list[int] = []
        baskets: dict[bytes, int] = {}
        times, kinds = records.occurred_at.tolist(), records.kinds.tolist()
        stop = len(records)
        for index, (at, kind) in enumerate(zip(times, kinds, strict=True)):
            if kind == _REFUSED:
                step.counts["refused"] += 1
                continue
            purchase = kind in _PURCHASES
            customer = records.customers[index]
            count = baskets.get(customer, 0)
            full = count >= MOST_BASKETS or (not count and len(baskets) >= MOST_CUSTOMERS)
            if kind in _ALONE or (purchase and full):
                stop = index
                break
            if purchase and self._belongs_elsewhere(customer):
                step.misrouted.append(int(records.offsets[index]))
                continue
            if not in_time(step, records, index, kind, watermark):
                continue
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
            if kind == _LIVE:
                apply(step, records, gathered)
                gathered.clear()
                self._go_live(at)
            if purchase:
                gathered.append(index)
                baskets[customer] = count + 1
        apply(step, records, gathered)
        state.clock = replace(state.clock, watermark=watermark)
        return stop

    def _go_live(self, at: int) -> None:
        """History ends at an instant (ms), or where an earlier record says that it does."""
        clock = self._state.clock
        self._state.clock = replace(clock, live_at=at if clock.live_at is None else min(clock.live_at, at))

    def _belongs_elsewhere(self, customer: bytes) -> bool:
        """Whether a customer never seen here is another partition's.

        By the partitioner that the worker was started with, even before its settings are adopted: whoever
        sends the record on goes by it, and would send it back to here for ever.
        """
        state = self._state
        if state.clock.partitions == 1 or customer in state.rows:
            return False
        partition = partition_of(customer, state.clock.partitions, self._wanted.partitioner)
        return partition != self._partition


def _row_bytes(changes: Changes) -> int:
    """Bytes of the keys and values of a step's rows."""
    return sum(len(row.key) + len(row.value) for row in changes.rows)
