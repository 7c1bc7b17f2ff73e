"""Exit statuses: what heals by starting again, and what does not."""

from __future__ import annotations

import pytest

from models.ledger.changelog_rows import LedgerConflict
from models.memory.rows import LaterFormat, RowError
from streams import errors
from streams.process.exit_status import Status, status_of


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (errors.BrokerUnreachable("x"), Status.FAILED),
        (errors.DeliveryFailed("x"), Status.FAILED),
        (errors.EngineFault("x"), Status.FAILED),
        (KeyError("x"), Status.FAILED),
        (errors.SourceJumped("x"), Status.REFUSED),
        (errors.TopicMismatch("x"), Status.REFUSED),
        (errors.ChangelogLost("x"), Status.REFUSED),
        (errors.ChangelogUnreadable("x"), Status.REFUSED),
        (LedgerConflict("x"), Status.REFUSED),
        (RowError("x"), Status.REFUSED),
        (LaterFormat("x"), Status.NEWER_ROWS),
        (errors.NewerRows("x"), Status.NEWER_ROWS),
        (errors.BoundaryFault("x"), Status.BOUNDARY),
    ],
    ids=lambda value: value.name if isinstance(value, Status) else type(value).__name__,
)
def test_a_reason_has_its_status(reason: BaseException, status: Status) -> None:
    assert status_of(reason) is status
