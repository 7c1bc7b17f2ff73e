"""`cartpulse worker` with a model that fails on one category, and with an agent that can be slowed.

`SLOW_MS` makes the agent wait so long inside every batch while all else goes on: fetches, rebalances,
recovery. `BLOCK_MS` makes every batch hold up the whole process for that long. `ROW_VERSION` is the format
of rows that it knows, as if it were of another release. `CLOCK_OFFSET_SECONDS` is by how much its wall
clock is ahead.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING
from unittest import mock

from cartpulse.main import main
from models.ledger.ledger import Ledger
from streams.clock import SystemClock
from streams.partition.batch import Batch
from tests.support.ledgers.failing_worker import failing_apply

if TYPE_CHECKING:
    from models.contracts.changes import Changes
    from models.records.columns import Records


class FailingLedger(Ledger):
    """The real ledger, in which a model fails on baskets of one category, having changed things."""

    def advance(self, records: Records) -> Changes:
        """Apply as the ledger does, and fail where the category is met."""
        with mock.patch("models.ledger.ledger.apply", failing_apply):
            return super().advance(records)


class BlockingLedger(FailingLedger):
    """Holds up the process over every batch."""

    def advance(self, records: Records) -> Changes:
        """Apply, slowly."""
        time.sleep(float(os.environ["BLOCK_MS"]) / 1_000)
        return super().advance(records)


async def enter_slowly(batch: Batch) -> Batch:
    """Take up a batch, and then wait; it stands in for `Batch.__aenter__`."""
    batch.entered = True
    await asyncio.sleep(float(os.environ["SLOW_MS"]) / 1_000)
    return batch


def wrong_time(_: SystemClock) -> int:
    """Wall time, ms since 1970 UTC, as a clock that is off tells it."""
    return time.time_ns() // 1_000_000 + int(os.environ["CLOCK_OFFSET_SECONDS"]) * 1_000


if __name__ == "__main__":
    if "SLOW_MS" in os.environ:
        mock.patch.object(Batch, "__aenter__", enter_slowly).start()
    if "ROW_VERSION" in os.environ:
        mock.patch("models.memory.rows.ROW_VERSION", int(os.environ["ROW_VERSION"])).start()
    if "CLOCK_OFFSET_SECONDS" in os.environ:
        mock.patch.object(SystemClock, "now_ms", wrong_time).start()
    mock.patch("agents.worker.Ledger", BlockingLedger if "BLOCK_MS" in os.environ else FailingLedger).start()
    main()
