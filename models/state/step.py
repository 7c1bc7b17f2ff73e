"""One step of a ledger during its computation: its outputs, the changed customers, and how to undo it."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from models.contracts.changes import Row
from models.contracts.events import EXPOSURES
from models.memory.rows import erased_row, habits_key
from models.state.holdout import held_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.contracts.changes import Counted, Refusal
    from models.contracts.event_block import EventBlock
    from models.state.state import Image, State


class Step:
    """Collector of the outputs and changed customers of one `advance` or `sweep`.

    Before a customer changes for the first time, the step keeps a copy of the row. A step that raises can
    therefore leave the ledger untouched.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.blocks: list[EventBlock] = []
        self.refusals: list[Refusal] = []
        self.misrouted: list[int] = []
        self.counts: Counter[Counted] = Counter()
        self._images: list[Image] = []
        self._touched: set[int] = set()
        self._folded: set[int] = set()
        self._customers = len(state.ids)
        self._names = {kind: len(names) for kind, names in state.dictionaries.items()}
        self._catalogue = state.catalogue
        self._priors = state.priors
        self._learnt_until = state.learnt_until
        self._popularity, self._pairs, self._assortment = state.popularity, state.pairs, state.assortment
        self._calibration, self._clusters, self._activity = state.calibration, state.clusters, state.activity
        self._watches = state.watches
        self._histograms = state.histograms
        self._histograms.mark()
        self._limits = state.limits
        self._settings, self._adopted_at = state.settings, state.adopted_at
        self._clock = state.clock
        self._sweep = copy.copy(state.sweep)
        self._later_sections: dict[bytes, bytes] = {}
        self._due: NDArray[np.int32] | None = None
        self._erased: tuple[int, bytes] | None = None
        self.quiet = False
        """True if a previous state accounted for the step's records and sent their outputs."""
        self.boundary: int | None = None
        """Boundary (day) that causes the outputs emitted now; None if a record causes them."""
        self.erased_rows: list[Row] = []
        """Changelog rows of customers erased by this step, delivered beside those of `changed`."""

    @property
    def changed(self) -> NDArray[np.int64]:
        """Rows of the customers touched so far, ascending."""
        new = range(self._customers, len(self.state.ids))
        gone = () if self._erased is None else self._erased[:1]
        return np.array(sorted(self._touched.union(new).difference(gone)), np.int64)

    @property
    def folded(self) -> NDArray[np.int64]:
        """Rows of the customers whose habits changed, ascending."""
        gone = () if self._erased is None else self._erased[:1]
        return np.array(sorted(self._folded.difference(gone)), np.int64)

    @property
    def boundary_begun(self) -> bool:
        """True if this step began a boundary."""
        return self.state.clock.begun != self._clock.begun

    @property
    def settings_adopted(self) -> bool:
        """True if this step is the first to work with the settings in force."""
        return self.state.settings is not self._settings or self._clock.offset < 0

    def new_names(self) -> list[tuple[bytes, int, bytes]]:
        """Return kind, number and bytes of each shard of a dictionary to which this step added names."""
        return [
            (kind, *shard)
            for kind, names in self.state.dictionaries.items()
            for shard in names.shards_since(self._names[kind])
        ]

    def new_catalogue_shards(self) -> list[int]:
        """Return the shards of the catalogue that this step changed."""
        return self.state.catalogue.changed_since(self._catalogue)

    def touch(self, rows: NDArray[np.int64]) -> None:
        """Keep a copy of each row that was not touched before. Must be called before customers change."""
        new = [row for row in rows.tolist() if row < self._customers and row not in self._touched]
        if new:
            self._touched.update(new)
            self._images.append(self.state.image(np.array(new, np.int64)))

    def fold(self, rows: NDArray[np.int64], boundary: int) -> None:
        """Say that a boundary changed the habits of customers, whom the step has touched.

        The row of habits gets the rank that the customer has now, before later records. Whether the sweep or
        the customer's next purchase folds the day therefore makes no difference to the row.

        Args:
            rows: (k,) rows of customers.
            boundary: Boundary (day).
        """
        customers = self.state.customers
        customers["habits_offset"][rows] = customers["offset"][rows]
        customers["habits_boundary"][rows] = customers["folded"][rows] = boundary
        self._folded.update(rows.tolist())

    def erase(self, row: int, offset: int) -> None:
        """Erase a customer, whom the step has touched and brought up to date.

        Other customers may change their rows. The step must therefore touch no other customer, before or
        after.

        Args:
            row: Row of the customer.
            offset: Source offset of the erasing record.
        """
        state = self.state
        customer, boundary = state.ids[row], int(state.customers["boundary"][row])
        # Both, also of a customer without habits: an earlier one of that id may have had some.
        keys = (customer, habits_key(customer))
        self._erased = (row, customer)
        self._later_sections = {key: held for key in keys if (held := state.later_sections.get(key))}
        state.forget(row)
        self.erased_rows += [Row(key, erased_row(offset, boundary)) for key in keys]

    def keep_due(self) -> None:
        """Keep a copy of all due days. Must be called before they are computed anew for all customers."""
        if self._due is None:
            self._due = self.state.customers["due"][: self._customers].copy()

    def emit(self, events: EventBlock) -> None:
        """Queue output events.

        Events that are history are counted and dropped: those dated before go-live, and those that a previous
        state had sent. A previous state sent the outputs of its records and of the boundaries that it
        finished. Events of hold-out customers are redirected to `exposures`, where nobody acts on them.
        """
        clock, settings = self.state.clock, self.state.settings
        sent = self.quiet if self.boundary is None else self.boundary <= clock.quiet_boundary
        history = {at for at in set(events.times) if sent or clock.is_history(at)}
        news = events
        if history:
            news = events.take([place for place, at in enumerate(events.times) if at not in history])
            self.counts["suppressed"] += len(events) - len(news)
        if not len(news):
            return
        if not settings.holdout_share:
            self.blocks.append(news)
            return
        # Hold-out customers' events become blocks of their own. All events keep their order.
        held = [held_out(key, settings.holdout_share, settings.holdout_salt) for key in news.customers]
        for exposed, places in groupby(range(len(news)), key=held.__getitem__):
            part = news.take(list(places))
            if exposed:
                self.counts["exposures"] += len(part)
                part = replace(part, topic=EXPOSURES)
            self.blocks.append(part)

    def undo(self) -> None:
        """Restore the ledger to its state before this step."""
        state = self.state
        if self._erased is not None:
            state.recall(*self._erased)
        state.drop_last(self._customers)
        for kind, names in state.dictionaries.items():
            names.truncate(self._names[kind])
        if self._due is not None:
            state.customers["due"][: self._customers] = self._due
        for image in self._images:
            state.put_back(image)
        state.catalogue = self._catalogue
        state.priors, state.histograms, state.limits = self._priors, self._histograms, self._limits
        state.adopted_at = self._adopted_at
        state.learnt_until, state.calibration = self._learnt_until, self._calibration
        state.clusters, state.activity, state.watches = self._clusters, self._activity, self._watches
        state.popularity, state.pairs, state.assortment = self._popularity, self._pairs, self._assortment
        if state.settings is not self._settings:
            state.adopt(self._settings)
        state.clock, state.sweep = self._clock, self._sweep
        state.later_sections |= self._later_sections
        self._histograms.undo()
