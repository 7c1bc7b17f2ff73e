"""A worker process with the counting ledger, configured by the environment as the real one is.

`SLOW_MS` makes every batch take that long.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

from agents.worker import assemble, run
from models.records.decoder import Decoder
from streams.settings.environment import load_settings
from tests.support.ledgers.counting import CountingLedger

if TYPE_CHECKING:
    from models.contracts.changes import Changes
    from models.records.columns import Records


class SlowLedger(CountingLedger):
    """Takes its time over every batch."""

    def advance(self, records: Records) -> Changes:
        """Count, slowly."""
        time.sleep(float(os.environ.get("SLOW_MS", "0")) / 1_000)
        return super().advance(records)


def main() -> int:
    """Run until told to stop."""
    environment = {name: text for name, text in os.environ.items() if name != "SLOW_MS"}
    settings = load_settings(environment)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    ledger = SlowLedger if "SLOW_MS" in os.environ else CountingLedger
    engine = assemble(
        settings,
        ledgers=ledger,
        decoder=Decoder(settings.ledger),
    )
    return run(engine)


if __name__ == "__main__":
    sys.exit(main())
