"""Batch of records of one partition, on its way to an agent and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from models.contracts.changes import Changes, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from models.records.columns import Records
    from streams.flow import LedgerLike


@dataclass(frozen=True, slots=True)
class Run:
    """Decoded records and the raw records that they came from, one to one and in order."""

    records: Records
    raws: Sequence[Any]
    """Consumer records of aiokafka."""
    refusals: tuple[Refusal, ...] = ()
    """Reasons for the refused records, ordered by offset. The decoder refuses a record, or isolation does."""

    def __len__(self) -> int:
        return len(self.raws)

    def part(self, start: int, stop: int) -> Run:
        """Return records `start:stop` as a run."""
        first, last = int(self.records.offsets[start]), int(self.records.offsets[stop - 1])
        return Run(
            self.records.slice(start, stop),
            self.raws[start:stop],
            tuple(refusal for refusal in self.refusals if first <= refusal.offset <= last),
        )

    def index(self, offset: int) -> int:
        """Return the index in the run of the record with this source offset."""
        return int(np.searchsorted(self.records.offsets, offset))

    def refused(self, refusal: Refusal) -> Run:
        """Return this run of a single record as a refused one: only its offset counts."""
        return Run(self.records.refuse(0), self.raws, (refusal,))


class BatchOwner(Protocol):
    """Receiver of a batch's outcome."""

    def begun(self, batch: Batch) -> None:
        """Note that the agent took up the batch."""

    def finished(self, batch: Batch) -> None:
        """Note that the agent completed its block without an exception."""

    def failed(self, batch: Batch, error: BaseException) -> bool:
        """Handle an exception of the agent's block; return True if the agent may go on."""


class Batch:
    """Batch of records that an agent applies.

    Use: `async with batch: await batch.deliver(batch.ledger.advance(batch.records))`.

    A batch is finished only when its block ends without an exception, after `deliver`. A batch whose block
    raised is not finished, whatever the agent did before. The partition then looks for the record at fault,
    or ends the worker.

    A batch is void if its partition was revoked while the batch waited. A void batch has a ledger that
    changes nothing, and its deliveries are dropped, so that the agent needs no special case.
    """

    def __init__(self, owner: BatchOwner, run: Run, ledger: LedgerLike) -> None:
        self._owner = owner
        self.run = run
        self.changes: Changes | None = None
        self._ledger: LedgerLike | None = ledger
        self.entered = False

    @property
    def records(self) -> Records:
        """Records to apply."""
        return self.run.records

    @property
    def ledger(self) -> LedgerLike | _Void:
        """Ledger of the partition; a ledger without effect if the batch is void."""
        return _VOID if self._ledger is None else self._ledger

    @property
    def void(self) -> bool:
        """True if the partition was revoked before an agent took up the batch."""
        return self._ledger is None

    def make_void(self) -> None:
        """Make the batch void, because its partition was revoked."""
        self._ledger = None

    async def deliver(self, changes: Changes) -> None:
        """Hand over the result of `advance`, which is sent when the block ends.

        Raises:
            RuntimeError: The batch was delivered before.
        """
        if self.changes is not None:
            raise RuntimeError("a batch is delivered once")
        self.changes = changes

    async def __aenter__(self) -> Self:
        self.entered = True
        self._owner.begun(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self.void:
            return isinstance(error, Exception)
        if error is not None:
            return self._owner.failed(self, error)
        self._owner.finished(self)
        return False


class _Void:
    """Ledger of a void batch."""

    def advance(self, records: Records) -> Changes:
        """Apply nothing."""
        del records
        return Changes(applied=0)


_VOID = _Void()
