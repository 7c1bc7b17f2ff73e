"""Isolation of the record that makes a ledger raise: the run is halved until all other records are applied.

A ledger isolates customers by itself: its sweep passes over a customer on whom a model raises. This module
counts and logs such customers too.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from models.contracts.changes import Refusal
from models.records.columns import Kind
from streams.errors import BoundaryError, EngineError

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.partition.batch import Run

PER_MINUTE = 100
"""Isolated records and customers a minute. Data alone does not cause more than that; beyond the limit the
fault is in our code, and the worker stops rather than write a shop's whole day to the dead letters."""

log = logging.getLogger(__name__)


class PoisonIsolator:
    """Isolation of records for one worker; all partitions of the worker share the limit.

    Args:
        clock: Clock that times the isolated records.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: deque[float] = deque()

    def split(self, run: Run, error: Exception) -> list[Run]:
        """Return the runs to apply in place of a run that made the ledger raise.

        The ledger must be unchanged.

        A run of several records is cut into two halves. A single record is refused at stage `apply`, so that
        only its offset counts.

        Raises:
            EngineError: More than 100 records were isolated within a minute, or a refused record raises too.
        """
        if len(run) > 1:
            middle = len(run) // 2
            return [run.part(0, middle), run.part(middle, len(run))]
        offset = int(run.records.offsets[0])
        if run.records.kinds[0] == Kind.REFUSED:
            raise EngineError(f"the ledger takes no offset at {offset}: {error!r}")
        self._note(offset, error)
        reason = f"Applying this event raised {type(error).__name__}: {error}"
        return [run.refused(Refusal(offset, "apply", type(error).__name__, "", reason[:1000]))]

    def passed_over(self, customer: bytes, error: Exception) -> None:
        """Log and count a customer whom a sweep passed over because a model raised.

        Raises:
            BoundaryError: More than 100 customers or records were isolated within a minute.
        """
        name = customer.decode(errors="replace")
        log.error("A model raised on customer %r at a day boundary, which passes over it: %r", name, error)
        if self._too_many():
            raise BoundaryError(
                f"models raised on more than {PER_MINUTE} customers or events within a minute, the last "
                f"with {error!r} at a day boundary on customer {name!r}: this is a fault of Cartpulse's, and "
                "a release that mends it is needed"
            )

    def _note(self, offset: int, error: Exception) -> None:
        log.error("The event at offset %d made the ledger raise and is dead-lettered: %r", offset, error)
        if self._too_many():
            raise EngineError(
                f"more than {PER_MINUTE} events within a minute made the ledger raise, the last with "
                f"{error!r}: this is a fault of Cartpulse's, not of the data"
            )

    def _too_many(self) -> bool:
        now = self._clock.elapsed()
        self._moments.append(now)
        while self._moments[0] < now - 60:
            self._moments.popleft()
        return len(self._moments) > PER_MINUTE
