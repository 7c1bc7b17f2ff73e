"""A run of records of one partition, on its way to an agent and back."""

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
    """Decoded records with the raw ones that they came from, one to one and in order."""

    records: Records
    raws: Sequence[Any]
    """aiokafka's consumer records."""
    refusals: tuple[Refusal, ...] = ()
    """Why some of them are refused, ordered by offset; found by the decoder, or by halving."""

    def __len__(self) -> int:
        return len(self.raws)

    def part(self, start: int, stop: int) -> Run:
        """Records `start:stop` of it."""
        first, last = int(self.records.offsets[start]), int(self.records.offsets[stop - 1])
        return Run(
            self.records.slice(start, stop),
            self.raws[start:stop],
            tuple(refusal for refusal in self.refusals if first <= refusal.offset <= last),
        )

    def index(self, offset: int) -> int:
        """Where in the run the record of a source offset is."""
        return int(np.searchsorted(self.records.offsets, offset))

    def refused(self, refusal: Refusal) -> Run:
        """The same single record, made one whose offset alone counts."""
        return Run(self.records.refuse(0), self.raws, (refusal,))


class BatchOwner(Protocol):
    """Who is told what became of a batch."""

    def begun(self, batch: Batch) -> None:
        """The agent took it up."""

    def finished(self, batch: Batch) -> None:
        """The agent got through its block."""

    def failed(self, batch: Batch, error: BaseException) -> bool:
        """It did not; the answer says whether the error is dealt with, so that the agent may go on."""


class Batch:
    """What an agent gets: `async with batch: await batch.deliver(batch.ledger.advance(batch.records))`.

    A batch is finished only when its block ends without an exception, after `deliver`: the agent says so as
    its last act. One whose block raised is not finished, whatever the agent did before; the partition then
    looks for the record at fault, or ends the worker.

    A batch whose partition went away while it waited is void: its ledger has nothing to change, and what is
    delivered goes nowhere, so that an agent needs not know.
    """

    def __init__(self, owner: BatchOwner, run: Run, ledger: LedgerLike) -> None:
        self._owner = owner
        self.run = run
        self.changes: Changes | None = None
        self._ledger: LedgerLike | None = ledger
        self.entered = False

    @property
    def records(self) -> Records:
        """The records to apply."""
        return self.run.records

    @property
    def ledger(self) -> LedgerLike | _Void:
        """The partition's ledger."""
        return _VOID if self._ledger is None else self._ledger

    @property
    def void(self) -> bool:
        """Whether its partition went away before an agent took it up."""
        return self._ledger is None

    def make_void(self) -> None:
        """Its partition went away."""
        self._ledger = None

    async def deliver(self, changes: Changes) -> None:
        """Say what `advance` returned; it is sent when the block ends.

        Raises:
            RuntimeError: it was said before.
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
    """The ledger of a void batch."""

    def advance(self, records: Records) -> Changes:
        """Nothing changes."""
        del records
        return Changes(applied=0)


_VOID = _Void()
