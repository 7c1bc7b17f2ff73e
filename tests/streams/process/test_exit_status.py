"""Exit statuses: what heals by starting again, and what does not."""

from __future__ import annotations

import pytest

from models.ledger.intake import LedgerConflictError
from models.memory.rows import LaterFormatError, RowError
from streams import errors
from streams.process.exit_status import Status, status_of


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (errors.BrokerUnreachableError("x"), Status.FAILED),
        (errors.DeliveryFailedError("x"), Status.FAILED),
        (errors.EngineError("x"), Status.FAILED),
        (KeyError("x"), Status.FAILED),
        (errors.SourceJumpedError("x"), Status.REFUSED),
        (errors.TopicMismatchError("x"), Status.REFUSED),
        (errors.ChangelogLostError("x"), Status.REFUSED),
        (errors.ChangelogUnreadableError("x"), Status.REFUSED),
        (LedgerConflictError("x"), Status.REFUSED),
        (RowError("x"), Status.REFUSED),
        (LaterFormatError("x"), Status.NEWER_ROWS),
        (errors.NewerRowsError("x"), Status.NEWER_ROWS),
        (errors.BoundaryError("x"), Status.BOUNDARY),
    ],
    ids=lambda value: value.name if isinstance(value, Status) else type(value).__name__,
)
def test_a_reason_has_its_status(reason: BaseException, status: Status) -> None:
    assert status_of(reason) is status
