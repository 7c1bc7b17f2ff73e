"""Exit statuses of a process, so that its supervisor can decide whether to start it again.

| status | what happened | start it again? |
|---|---|---|
| 0 | it was told to end | |
| 1 | it could not go on: the broker was away for too long, a send was refused, a fault of its own | yes |
| 2 | the command was written wrongly | no |
| 3 | logs and state do not fit, a log is damaged, topics differ, a right or a codec is missing: decide | no |
| 4 | the changelog holds rows of a later release | no: start that release |
| 5 | models failed on too many customers at a day boundary, and would again | no: a release that mends it |
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from models.ledger.intake import LedgerConflictError
from models.memory.rows import LaterFormatError, RowError
from streams.errors import (
    BoundaryError,
    ChangelogLostError,
    ChangelogUnreadableError,
    CodecMissingError,
    LogUnreadableError,
    NewerRowsError,
    NotAllowedError,
    SourceJumpedError,
    TopicMismatchError,
)


class Status(IntEnum):
    """Exit statuses of a worker."""

    ENDED = 0
    FAILED = 1
    MISUSED = 2
    REFUSED = 3
    NEWER_ROWS = 4
    BOUNDARY = 5


_REFUSALS: Final = (
    SourceJumpedError,
    TopicMismatchError,
    ChangelogLostError,
    ChangelogUnreadableError,
    CodecMissingError,
    LogUnreadableError,
    NotAllowedError,
    LedgerConflictError,
    RowError,
)


def status_of(reason: BaseException) -> Status:
    """Return the exit status of a process that ends for this reason."""
    if isinstance(reason, NewerRowsError | LaterFormatError):
        return Status.NEWER_ROWS
    if isinstance(reason, BoundaryError):
        return Status.BOUNDARY
    return Status.REFUSED if isinstance(reason, _REFUSALS) else Status.FAILED
