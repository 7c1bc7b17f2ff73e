"""One step of a ledger while it is computed: what it emits, whom it changes, and how to undo it."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from models.contracts.changes import Row
from models.contracts.events import EXPOSURES
from models.memory.rows import erased_row
from models.state.holdout import held_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.contracts.changes import Output, Refusal
    from models.state.state import Image, State


class Step:
    """Collects the outputs and changed customers of one `advance` or `sweep`.

    Before a customer is changed for the first time the step keeps the row as it was, so that a step which
    raises leaves the ledger untouched.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.outputs: list[Output] = []
        self.refusals: list[Refusal] = []
        self.misrouted: list[int] = []
        self.counts: Counter[str] = Counter()
        self._images: list[Image] = []
        self._touched: set[int] = set()
        self._customers = len(state.ids)
        self._categories = len(state.category_names)
        self._products = len(state.product_names)
        self._catalogue = state.catalogue
        self._priors = state.priors
        self._learnt_until = state.learnt_until
        self._popularity, self._pairs, self._assortment = state.popularity, state.pairs, state.assortment
        self._histograms = copy.deepcopy(state.histograms)
        self._thresholds = state.thresholds
        self._settings, self._adopted_at = state.settings, state.adopted_at
        self._clock = state.clock
        self._sweep = copy.copy(state.sweep)
        self._due: NDArray[np.int32] | None = None
        self._erased: tuple[int, bytes] | None = None
        self.quiet = False
        """True if the records of this step are those of a state before: what they cause was sent then."""
        self.boundary: int | None = None
        """The boundary (day) that causes what is emitted now; None where a record does."""
        self.erased_rows: list[Row] = []
        """Rows of customers who are no more, whom `changed` leaves out."""

    @property
    def changed(self) -> NDArray[np.int64]:
        """Rows of the customers touched so far, ascending."""
        new = range(self._customers, len(self.state.ids))
        gone = () if self._erased is None else self._erased[:1]
        return np.array(sorted(self._touched.union(new).difference(gone)), np.int64)

    @property
    def boundary_begun(self) -> bool:
        """Whether this step began a boundary."""
        return self.state.clock.begun != self._clock.begun

    @property
    def settings_adopted(self) -> bool:
        """Whether this step is the first to work with the settings now in force."""
        return self.state.settings is not self._settings or self._clock.offset < 0

    def new_category_shards(self) -> list[tuple[int, bytes]]:
        """Shards of the category dictionary that this step added names to."""
        return self.state.category_names.shards_since(self._categories)

    def new_product_shards(self) -> list[tuple[int, bytes]]:
        """Shards of the product dictionary that this step added names to."""
        return self.state.product_names.shards_since(self._products)

    def new_catalogue_shards(self) -> list[int]:
        """Shards of the catalogue that this step changed."""
        return self.state.catalogue.changed_since(self._catalogue)

    def touch(self, rows: NDArray[np.int64]) -> None:
        """Call before changing customers: keeps each row as it was when first touched."""
        new = [row for row in rows.tolist() if row < self._customers and row not in self._touched]
        if new:
            self._touched.update(new)
            self._images.append(self.state.image(np.array(new, np.int64)))

    def erase(self, row: int, offset: int) -> None:
        """Forget a customer, touched and brought up to date, whom a record erases.

        Others have other rows afterwards: nobody else may have been touched in this step, or is from now on.
        """
        state = self.state
        customer, boundary = state.ids[row], int(state.customers["boundary"][row])
        self._erased = (row, customer)
        state.forget(row)
        self.erased_rows.append(Row(customer, erased_row(offset, boundary)))

    def keep_due(self) -> None:
        """Call before the due days of all customers are reckoned anew, touched or not."""
        if self._due is None:
            self._due = self.state.customers["due"][: self._customers].copy()

    def emit(self, events: list[Output]) -> None:
        """Add events, unless they are history; of customers held out, to where nobody acts on them.

        Of a state that is made anew in quiet, that is also history which the state before had sent: what its
        records caused, and the boundaries that it had finished.
        """
        clock, settings = self.state.clock, self.state.settings
        sent = self.quiet if self.boundary is None else self.boundary <= clock.quiet_boundary
        news = [event for event in events if not (sent or clock.is_history(event.timestamp))]
        self.counts["suppressed"] += len(events) - len(news)
        if settings.holdout_share:
            for at, event in enumerate(news):
                if held_out(event.key, settings.holdout_share, settings.holdout_salt):
                    self.counts["exposures"] += 1
                    news[at] = event._replace(topic=EXPOSURES)
        self.outputs += news

    def undo(self) -> None:
        """Put the ledger back to where it was before this step."""
        state = self.state
        if self._erased is not None:
            state.recall(*self._erased)
        state.drop_last(self._customers)
        state.category_names.truncate(self._categories)
        state.product_names.truncate(self._products)
        if self._due is not None:
            state.customers["due"][: self._customers] = self._due
        for image in self._images:
            state.put_back(image)
        state.catalogue = self._catalogue
        state.priors, state.histograms, state.thresholds = self._priors, self._histograms, self._thresholds
        state.adopted_at = self._adopted_at
        state.learnt_until = self._learnt_until
        state.popularity, state.pairs, state.assortment = self._popularity, self._pairs, self._assortment
        if state.settings is not self._settings:
            state.adopt(self._settings)
        state.clock, state.sweep = self._clock, self._sweep
