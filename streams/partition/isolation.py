"""Finds the record that makes a ledger raise, by halves, so that all others are applied.

Whom a sweep cannot bring to a boundary the ledger finds by itself; here both are counted and told.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from models.contracts.changes import Refusal
from models.records.columns import Kind
from streams.errors import BoundaryFault, EngineFault

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.partition.batch import Run

PER_MINUTE = 100
"""Isolated records and customers a minute. Data alone does not do that: with more, the fault is in our code,
and it is better to stop than to pour a shop's day into the dead letters."""

log = logging.getLogger(__name__)


class PoisonIsolator:
    """One worker's isolation of records; the limit is the worker's.

    Args:
        clock: dates the isolated ones.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: deque[float] = deque()

    def split(self, run: Run, error: Exception) -> list[Run]:
        """What to apply instead of a run that made the ledger raise and left it as it was.

        Two halves; or of a single record the same one refused at stage `apply`, so that its offset alone
        counts.

        Raises:
            EngineFault: more than 100 records were isolated within a minute, or one raises though refused.
        """
        if len(run) > 1:
            middle = len(run) // 2
            return [run.part(0, middle), run.part(middle, len(run))]
        offset = int(run.records.offsets[0])
        if run.records.kinds[0] == Kind.REFUSED:
            raise EngineFault(f"the ledger takes no offset at {offset}: {error!r}")
        self._note(offset, error)
        reason = f"Applying this event raised {type(error).__name__}: {error}"
        return [run.refused(Refusal(offset, "apply", type(error).__name__, "", reason[:1000]))]

    def passed_over(self, customer: bytes, error: Exception) -> None:
        """Tell that a sweep went on without a customer.

        Raises:
            BoundaryFault: that were more than a hundred within a minute.
        """
        name = customer.decode(errors="replace")
        log.error("A model raised on customer %r at a day boundary, which passes over it: %r", name, error)
        if self._too_many():
            raise BoundaryFault(
                f"models raised on more than {PER_MINUTE} customers or events within a minute, the last "
                f"with {error!r} at a day boundary on customer {name!r}: this is a fault of Cartpulse's, and "
                "a release that mends it is needed"
            )

    def _note(self, offset: int, error: Exception) -> None:
        log.error("The event at offset %d made the ledger raise and is dead-lettered: %r", offset, error)
        if self._too_many():
            raise EngineFault(
                f"more than {PER_MINUTE} events within a minute made the ledger raise, the last with "
                f"{error!r}: this is a fault of Cartpulse's, not of the data"
            )

    def _too_many(self) -> bool:
        now = self._clock.elapsed()
        self._moments.append(now)
        while self._moments[0] < now - 60:
            self._moments.popleft()
        return len(self._moments) > PER_MINUTE
